"""An incident for a terminal: the same words in the same order as in Slack. Colours only when asked for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from analyzerd.model import Incident, Recommendation, State
from analyzerd.render import phrases as say
from analyzerd.render.phrases import line

WIDTH = 80
_COLOURS = {"critical": "31", "warning": "33", "info": "36"}


def incident_text(incident: Incident, reason: str = "", *, colour: bool = False, full: bool = False) -> str:
    """Return the message; ``full`` adds what Slack shows in the thread."""
    paint = _COLOURS[incident.severity.value] if incident.state is State.OPEN else "32"
    told = [_paint(wrapped, f"1;{paint}", colour) for wrapped in _wrap(_head(incident, reason), "")]
    told += [wrapped for part in _parts(incident, reason) for wrapped in part]
    if full:
        told += [wrapped for part in _details(incident) for wrapped in part]
    return "\n".join(told)


def followup_text(incident: Incident, reason: str = "") -> str:
    """Return the one-line change of state."""
    state = say.MERGED if reason == say.MERGED else incident.state.value
    return f"{say.headline(incident, reason)} [{line(incident.id, 40)}, now {state}]"


def summary_text(incidents: Sequence[Incident]) -> str:
    """Return what happened while nothing could be shown."""
    told = [f"Catching up: {say.plural(len(incidents), 'problem')} while messages could not be sent"]
    for one in incidents:
        told += _wrap(f"{say.minute(one.first_seen_s)}  {say.headline(one)}  {line(one.id, 40)}", "  ", "    ")
    return "\n".join(told)


def _head(incident: Incident, reason: str) -> str:
    word = "RESOLVED" if incident.state is State.RESOLVED else incident.severity.value.upper()
    return f"{'MERGED' if reason == say.MERGED else word}  {say.headline(incident, with_state=False)}"


def _parts(incident: Incident, reason: str) -> Iterator[list[str]]:
    yield _wrap(f"{say.verdict(incident)}: {say.explanation(incident, 900)}", "  ")
    facts, label = say.deciding(incident), "What shows it:"
    if not facts:
        facts, label = say.missing(incident), "What is missing to decide:"
    if facts:
        yield [f"  {label}"]
    yield from (_wrap(f"- {line(fact.says, 300)}", "    ", "      ") for fact in facts)
    if incident.recommendations:
        first, *others = incident.recommendations
        yield _advice(first, say.tied(others))
    if felt := say.impact(incident):
        yield _wrap(f"Impact: {felt}", "  ")
    yield _wrap(say.state_line(incident, reason), "  ")
    yield [f"  {line(incident.id, 40)} \u00b7 {line(incident.cause, 60)}"]


def _advice(advice: Recommendation, tied: Sequence[Recommendation] = ()) -> list[str]:
    told = _wrap(f"What to do: {line(advice.says, 700)}", "  ")
    for one in (advice, *tied):
        where, change = say.place(one), say.change(one)
        told += [f"      # {where}"] * bool(where and change) + [f"      {change}"] * bool(change)
        told += _wrap(f"# {line(one.arithmetic, 400)}", "      ", "      # ") if one.arithmetic else []
    return told


def _details(incident: Incident) -> Iterator[list[str]]:
    if incident.timeline:
        yield ["", "  What happened (UTC):"]
    for at_s, what in incident.timeline:
        yield _wrap(f"{say.clock(at_s)}  {line(what, 300)}", "    ", " " * 14)
    for guess in incident.hypotheses:
        yield ["", f"  {line(guess.cause, 60)}: {guess.verdict.value}"]
        for fact in guess.evidence:
            yield _wrap(f"{say.sign(guess, fact)} {line(fact.says, 300)}", "    ", "      ")
    for advice in incident.recommendations:
        yield from _advice_details(advice)
    if incident.consequences:
        yield ["", "  Followed from it:"]
    yield from (_wrap(f"- {line(item, 300)}", "    ", "      ") for item in incident.consequences)
    if incident.samples_of_log:
        yield ["", "  From the logs:"]
    for sample in incident.samples_of_log:
        yield [f"    {row}" for row in say.lines(sample, 1000).split("\n")]
    if incident.references:
        yield ["", "  Read more:", *(f"    {line(item, 300)}" for item in incident.references)]


def _advice_details(advice: Recommendation) -> Iterator[list[str]]:
    yield ["", *_advice(advice)]
    for label, text in (("Change:", advice.diff), ("Undo:", advice.rollback)):
        if text:
            yield [f"    {label}", *(f"      {row}" for row in say.block(text, 4000).rstrip("\n").split("\n"))]
    for name, text in (("No diff", advice.no_diff_because), ("Check afterwards", advice.verify)):
        if text:
            yield _wrap(f"{name}: {line(text, 500)}", "    ", "      ")


def _wrap(text: str, indent: str, further: str | None = None) -> list[str]:
    after = indent if further is None else further
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=after, break_on_hyphens=False)


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
