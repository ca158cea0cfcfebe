"""The sentences that every rendering of an incident shares: headline, cause, impact, state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from analyzerd.model import Evidence, Hypothesis, Incident, Recommendation, State, Truth, Value, Verdict
from analyzerd.render.escape import cap, clean, one_line
from analyzerd.render.redact import redact
from analyzerd.units import format_duration, format_time

MERGED = "merged"
_SURE = {
    Verdict.CONFIRMED: "Cause (certain)",
    Verdict.LIKELY: "Cause (likely)",
    Verdict.POSSIBLE: "Possible cause (not proved)",
    Verdict.RULED_OUT: "Ruled out",
}
_ICON = {"critical": "\U0001f534", "warning": "\U0001f7e0", "info": "\U0001f535"}
_WEIGHT = {"strong": 0, "medium": 1, "weak": 2}


def line(text: str, limit: int) -> str:
    """Return any incident text as one harmless line without secrets; not yet escaped for its medium."""
    return cap(redact(_whole(one_line(text, limit * 2 + 400))), limit)


def lines(text: str, limit: int) -> str:
    """Return several lines without secrets; all but the first are indented: none can pose as a record."""
    first, *rest = redact(_whole(clean(text, limit * 2 + 400))).split("\n")
    return cap("\n".join([first, *(f"    {more}" for more in rest if more.strip())]), limit)


def block(text: str, limit: int) -> str:
    """Return our own multi-line text (a diff) with its line starts kept."""
    return cap(redact(_whole(clean(text, limit * 2 + 400))), limit)


def _whole(text: str) -> str:
    """Drop the last word of text that was cut: half a secret has no shape to be known by."""
    return f"{text.rpartition(' ')[0]} \u2026" if text.endswith("\u2026") and " " in text else text


def icon(incident: Incident, reason: str) -> str:
    """Return one coloured sign for the state."""
    if reason == MERGED:
        return "\u21aa\ufe0f"
    return "\u2705" if incident.state is State.RESOLVED else _ICON[incident.severity.value]


def headline(incident: Incident, reason: str = "", limit: int = 140, *, with_state: bool = True) -> str:
    """Say what is wrong and for whom, short enough for a phone's lock screen."""
    title, app = line(incident.title, limit) or line(incident.cause, limit), line(incident.app, 40)
    whom = f" \u2013 {app}" if app and app.lower() not in title.lower() else ""
    state = _state_word(incident, reason) if with_state else ""
    return cap(state + cap(title, limit - len(whom) - len(state)) + whom, limit)


def _state_word(incident: Incident, reason: str) -> str:
    if reason == MERGED:
        return "Part of another problem: "
    return "Over: " if incident.state is State.RESOLVED else ""


def verdict(incident: Incident) -> str:
    """Say how sure the cause is, as a label for the explanation that follows."""
    if incident.cause == "unknown":
        return "Cause not found yet"
    return _SURE[incident.verdict]


def explanation(incident: Incident, limit: int) -> str:
    """Say why, in one paragraph."""
    said = line(incident.summary, limit) or line(incident.title, limit)
    return cap(said, limit)


def deciding(incident: Incident, most: int = 3) -> tuple[Evidence, ...]:
    """Return the facts that decided for the cause, strongest first."""
    chosen = chief(incident)
    spoke = [fact for fact in chosen.evidence if speaks_for(fact)] if chosen else []
    return tuple(sorted(spoke, key=lambda fact: (not fact.decisive, _WEIGHT.get(fact.weight, 3)))[:most])


def missing(incident: Incident, most: int = 3) -> tuple[Evidence, ...]:
    """Return what could not be measured for the chief suspect."""
    chosen = chief(incident)
    return tuple(fact for fact in chosen.evidence if fact.truth is Truth.UNKNOWN)[:most] if chosen else ()


def chief(incident: Incident) -> Hypothesis | None:
    """Return the hypothesis the incident's cause stands on, else the first one not ruled out."""
    named = [guess for guess in incident.hypotheses if guess.cause == incident.cause]
    open_ones = [guess for guess in incident.hypotheses if guess.verdict is not Verdict.RULED_OUT]
    return next(iter(named or open_ones), None)


def speaks_for(fact: Evidence) -> bool:
    """Tell whether the fact was seen and makes its hypothesis more likely."""
    return fact.truth is Truth.TRUE and fact.supports


def clears(fact: Evidence) -> bool:
    """Tell whether something that would speak against the hypothesis was looked for and is not so."""
    return fact.truth is Truth.FALSE and not fact.supports


def impact(incident: Incident) -> str:
    """Say what users felt; '' when nothing is known."""
    failed, total = incident.failed_requests, incident.all_requests
    felt = "; ".join(line(item, 120) for item in incident.consequences[:3])
    if failed is None:
        return felt
    share = f" of {total:,}" if total else ""
    counted = f"{failed:,}{share} requests failed" if failed else "No failed request was seen"
    return f"{counted}. {felt}" if felt else f"{counted}."


def change(advice: Recommendation) -> str:
    """Say the change as ``setting: current -> proposed``; '' when it is not a change of a value."""
    if advice.proposed is None:
        return ""
    name, new = line(advice.setting, 100), value(advice.proposed)
    return f"{name}: {value(advice.current)} -> {new}" if advice.current is not None else f"{name}: {new}"


def tied(others: Iterable[Recommendation]) -> list[Recommendation]:
    """Those that have to ship with the recommendation before them."""
    return list(takewhile(lambda one: one.tied_to, others))


def place(advice: Recommendation) -> str:
    """Say where the setting stands, '' when not known."""
    where = line(advice.file, 200)
    return f"{where}:{advice.line}" if where and advice.line else where


def value(known: Value) -> str:
    """Show a setting's value."""
    if isinstance(known, bool):
        return "on" if known else "off"
    return f"{known:g}" if isinstance(known, float) else line(str(known), 120)


def seen(incident: Incident) -> str:
    """Say how often."""
    return "seen once" if incident.occurrences <= 1 else f"seen {incident.occurrences:,} times"


def lasted(incident: Incident) -> str:
    """Say how long, '' for a moment."""
    end_s = incident.last_seen_s if incident.resolved_s is None else incident.resolved_s
    length_s = end_s - incident.first_seen_s
    return format_duration(length_s) if length_s >= 1 else ""


def minute(time_s: float) -> str:
    """Show a time for a person: ``2026-11-23 07:05 UTC``."""
    return format_time(time_s)[:16].replace("T", " ") + " UTC"


def clock(time_s: float) -> str:
    """Show the time of day with seconds: ``07:05:20``."""
    return format_time(time_s)[11:19]


def state_line(incident: Incident, reason: str = "") -> str:
    """Say since when, how often, when last; or when and why it ended."""
    if reason == MERGED:
        return f"Belongs to {line(incident.resolution, 120)}; look there."
    begun = f"{minute(incident.first_seen_s)}, {seen(incident)}"
    if incident.state is State.OPEN:
        last = f", last at {minute(incident.last_seen_s)}" if incident.last_seen_s > incident.first_seen_s else ""
        return f"Open since {begun}{last}."
    ended = minute(incident.last_seen_s if incident.resolved_s is None else incident.resolved_s)
    length = f" after {lasted(incident)}" if lasted(incident) else ""
    why = line(incident.resolution, 200)
    return f"Began {begun}; over at {ended}{length}{': ' + why if why else ''}."


def plural(count: int, noun: str) -> str:
    """Show a count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def against(guess: Hypothesis) -> Sequence[Evidence]:
    """Return the facts that speak against a hypothesis."""
    return [
        fact for fact in guess.evidence if fact.truth is not Truth.UNKNOWN and not (speaks_for(fact) or clears(fact))
    ]


def sign(guess: Hypothesis, fact: Evidence) -> str:
    """Mark a fact: + for, \u2212 against, = looked for and not so, ? could not be measured."""
    if fact.truth is Truth.UNKNOWN:
        return "?"
    if fact in against(guess):
        return "\u2212"
    return "+" if speaks_for(fact) else "="
