"""The plain-text report of a stretch of time: what went wrong, what still is, what was not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from analyzerd.model import Advised, Benign, Health, Incident, Severity, State
from analyzerd.render import phrases as say
from analyzerd.render.phrases import line
from analyzerd.units import format_duration

_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
_NOTHING: Mapping[tuple[str, str], int] = {}


def report(
    incidents: Sequence[Incident],
    benign: Sequence[Benign] = (),
    blind_spots: Sequence[Health] = (),
    *,
    since_s: float,
    until_s: float,
    signal_counts: Mapping[tuple[str, str], int] = _NOTHING,
    advised: Sequence[Advised] = (),
) -> str:
    """Return the report of ``since_s`` to ``until_s``, worst and most frequent cause first."""
    told = [f"analyzerd, {say.minute(since_s)} to {say.minute(until_s)}", ""]
    sections = (
        _by_cause(incidents),
        _still_open(incidents, until_s),
        _advice(advised),
        _harmless(benign),
        _blind(blind_spots),
        _signals(signal_counts),
    )
    for rows in map(list, sections):
        told += [*rows, ""] if rows else []
    return "\n".join(told).rstrip("\n") + "\n"


def _by_cause(incidents: Sequence[Incident]) -> Iterator[str]:
    if not incidents:
        yield "No problem was found."
        return
    groups: dict[tuple[str, str], list[Incident]] = {}
    for one in incidents:
        groups.setdefault((one.cause, one.app), []).append(one)
    ordered = sorted(
        groups.items(), key=lambda item: (min(_RANK[one.severity] for one in item[1]), -len(item[1]), item[0])
    )
    yield f"{say.plural(len(incidents), 'problem')}, by cause:"
    for (cause, app), group in ordered:
        yield from _cause(cause, app, group)


def _cause(cause: str, app: str, group: Sequence[Incident]) -> Iterator[str]:
    worst = min(group, key=lambda one: _RANK[one.severity])
    events = sum(one.occurrences for one in group)
    first, last = min(one.first_seen_s for one in group), max(one.last_seen_s for one in group)
    failed = [one.failed_requests for one in group if one.failed_requests is not None]
    yield f"  {worst.severity.value:8}  {line(cause, 40)} ({line(app, 60)}): {line(worst.title, 120)}"
    counted = f"{say.plural(len(group), 'incident')}, {say.plural(events, 'occurrence')}"
    yield f"{'':12}{counted}; first {say.minute(first)}, last {say.minute(last)}"
    if failed:
        yield f"{'':12}{say.plural(sum(failed), 'request')} failed"


def _still_open(incidents: Sequence[Incident], until_s: float) -> Iterator[str]:
    waiting = sorted(
        (one for one in incidents if one.state is State.OPEN),
        key=lambda one: (_RANK[one.severity], one.first_seen_s, one.id),
    )
    yield "Still open:" if waiting else "Nothing is open."
    for one in waiting:
        age = format_duration(max(0.0, until_s - one.first_seen_s))
        yield f"  {line(one.id, 40)}  {say.headline(one)}, open for {age}"


def _advice(advised: Sequence[Advised]) -> Iterator[str]:
    """How far the recommendations came, by cause: whether advice helps is seen here."""
    by_cause: dict[str, Counter[str]] = {}
    for one in advised:
        by_cause.setdefault(one.cause, Counter())[one.state] += 1
    if by_cause:
        yield f"{say.plural(len(advised), 'recommendation')}:"
    for cause, states in sorted(by_cause.items(), key=lambda item: (-item[1].total(), item[0])):
        told = ", ".join(f"{n} {state}" for state, n in sorted(states.items(), key=lambda item: (-item[1], item[0])))
        yield f"  {line(cause, 40)}: {told}"


def _harmless(benign: Sequence[Benign]) -> Iterator[str]:
    yield "Seen and harmless:" if benign else "Nothing harmless was counted."
    for seen in sorted(benign, key=lambda seen: (-seen.count, seen.id, seen.app)):
        yield f"  {seen.count:>8,}  {line(seen.id, 40)} ({line(seen.app, 60)}): {line(seen.because, 200)}"


def _blind(spots: Sequence[Health]) -> Iterator[str]:
    yield "What could not be seen:" if spots else "Nothing was hidden from view."
    for spot in spots:
        unit = f" ({line(spot.unit, 60)})" if spot.unit else ""
        yield f"  {line(spot.source, 40)}{unit}, since {say.minute(spot.time_s)}: {line(spot.why, 200)}"
        if spot.mend:
            yield f"    To mend it: {line(spot.mend, 300)}"


def _signals(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    if not counts:
        return
    yield "Signals counted:"
    for (app, rule), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"  {count:>8,}  {line(rule, 60)} ({line(app, 60)})"
