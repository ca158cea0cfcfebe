"""An incident laid open for a terminal: every suspect with for, against and missing, and what to collect next."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from analyzerd.core.checks import Next
from analyzerd.model import Evidence, Hypothesis, Incident, Recommendation, Truth
from analyzerd.render import phrases as say
from analyzerd.render.phrases import line
from analyzerd.units import format_time

WIDTH = 100
BEFORE_S = 600.0
MOST_NEXT = 3
_UNIT = re.compile(r"[A-Za-z0-9_.@:-]{1,200}\.service")


def explained(incident: Incident, checks: Sequence[Next]) -> str:
    """Return the whole explanation; ``checks`` as core.checks.next_checks orders them."""
    told = [
        f"{line(incident.id, 40)}  {incident.severity.value}, {incident.state.value}  {say.headline(incident)}",
        *_wrapped(f"{say.verdict(incident)}: {say.explanation(incident, 900)}", "  "),
        *_wrapped(say.state_line(incident), "  "),
    ]
    for guess in incident.hypotheses:
        told += ["", *_suspect(guess)]
    told += [row for advice in incident.recommendations for row in _advice(advice)]
    return "\n".join([*told, "", *_collect(incident, checks)]) + "\n"


def command(check: Next, incident: Incident) -> str:
    """Return the command or configuration line of a check, about the incident's unit and time."""
    unit = incident.app if _UNIT.fullmatch(incident.app) else "UNIT"
    since = format_time(incident.first_seen_s - BEFORE_S)[:19].replace("T", " ") + " UTC"
    return check.check.do.format(unit=unit, since=since)


def sides(guess: Hypothesis) -> Iterator[tuple[str, list[Evidence]]]:
    """Yield what stands for, against and is missing, by name; what was looked for in vain stands for it."""
    against = say.against(guess)
    known = [fact for fact in guess.evidence if fact.truth is not Truth.UNKNOWN]
    yield "for", [fact for fact in known if fact not in against]
    yield "against", list(against)
    yield "missing", [fact for fact in guess.evidence if fact.truth is Truth.UNKNOWN]


def _suspect(guess: Hypothesis) -> Iterator[str]:
    yield f"{line(guess.cause, 60)}: {guess.verdict.value}, confidence {guess.confidence:.2f}"
    for name, facts in sides(guess):
        for number, fact in enumerate(facts):
            label = f"  {name if number == 0 else '':8}{say.sign(guess, fact)} "
            decides = " (decides)" if fact.decisive and fact.truth is Truth.TRUE else ""
            yield from _wrapped(line(fact.says, 400) + decides, label, " " * len(label))


def _advice(advice: Recommendation) -> Iterator[str]:
    """What to do, with its number, or why there is none."""
    yield ""
    yield from _wrapped(f"{line(advice.setting, 100)}: {line(advice.says, 700)}", "", "  ")
    if change := say.change(advice):
        yield from _wrapped(change, "  ", "  ")
    if advice.arithmetic:
        yield from _wrapped(line(advice.arithmetic, 600), "  # ", "  # ")


def _collect(incident: Incident, checks: Sequence[Next]) -> Iterator[str]:
    if not checks:
        yield "Nothing that can be collected would change this answer."
        return
    for number, one in enumerate(checks[:MOST_NEXT]):
        when = "" if one.check.back else ", from now on"
        yield f"{'Next, the cheapest that decides most' if number == 0 else 'Then'}: {one.check.shows}{when}"
        yield f"    {command(one, incident)}"
        for cause, says in one.opens[:MOST_NEXT]:
            yield from _wrapped(f"would answer for {line(cause, 60)}: {line(says, 300)}", "    - ", "      ")


def _wrapped(text: str, first: str, further: str | None = None) -> list[str]:
    rest = first if further is None else further
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
