"""The samples and request tallies of the last minutes: in order of event time, bounded. Judges nothing."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import inf

from analyzerd.formats.clock import NOTHING, added, merge
from analyzerd.model import AccessTally, Sample

MAX_SAMPLES = 400
MAX_TALLIES = 2160
"""Three logs for two hours. Most of their size are the clocks, which are kept for a shorter time."""
KEEP_TALLIES_S = 900.0
KEEP_CLOCKS_S = 120.0
STATSD = "statsd"
STANDS_IN_AFTER_S = 300.0
"""An access log that had nothing for so long is taken for switched off."""
KEEP_BEFORE_S = 90.0
"""How much of the time before the oldest open question, or before now, a saved state holds."""


def add_sample(samples: list[Sample], sample: Sample) -> None:
    """Put a sample in its place; the oldest goes when there are enough."""
    insort(samples, sample, key=lambda s: s.time_s)
    del samples[:-MAX_SAMPLES]


def only_of(samples: Iterable[Sample], ours: Callable[[str], bool]) -> Iterator[Sample]:
    """The same samples with the readings of some units only."""
    for sample in samples:
        yield replace(
            sample,
            processes=tuple(x for x in sample.processes if ours(x.unit)),
            listeners=tuple(x for x in sample.listeners if ours(x.unit)),
            cgroups=tuple(x for x in sample.cgroups if ours(x.unit)),
        )


def counted(logged: dict[str, tuple[float, float]], tally: AccessTally) -> AccessTally | None:
    """A tally as it has to be counted: gunicorn's own metrics stand in for what its access log does not say.

    ``logged``: by unit, when its access log last had a line, and one with a duration. None: it says all of it.
    """
    any_s, timed_s = logged.get(tally.unit, (-inf, -inf))
    if tally.source == "gunicorn.access":
        logged[tally.unit] = (max(any_s, tally.time_s), max(timed_s, tally.time_s) if tally.clocks else timed_s)
    if tally.source != STATSD:
        return tally
    if tally.time_s - timed_s < STANDS_IN_AFTER_S:
        return None
    meant = replace(tally, source="gunicorn.access")
    return meant if tally.time_s - any_s >= STANDS_IN_AFTER_S else replace(meant, requests=0, by_status={})


def add_tally(tallies: list[AccessTally], tally: AccessTally) -> None:
    """Count requests into their bucket, so that the way input was cut leaves no trace."""
    tally = replace(tally, whole=merge(tally.clocks.values()))
    for number in range(len(tallies) - 1, -1, -1):
        known = tallies[number]
        if known.time_s < tally.time_s:
            break
        if _key(known) == _key(tally):
            tallies[number] = _sum(known, tally)
            return
    insort(tallies, tally, key=lambda t: t.time_s)
    del tallies[:-MAX_TALLIES]


def thin(tallies: list[AccessTally], before_s: float) -> None:
    """Drop the clocks of older tallies: no comparison reaches so far back, only counts do."""
    for number, tally in enumerate(tallies):
        if tally.time_s >= before_s:
            break
        if tally.whole.n or tally.clocks:
            tallies[number] = replace(tally, clocks={}, whole=NOTHING)


def _key(tally: AccessTally) -> tuple[float, str, str, str]:
    return tally.time_s, tally.source, tally.unit, tally.upstream


def _sum(one: AccessTally, other: AccessTally) -> AccessTally:
    by_status = dict(one.by_status)
    for status, n in other.by_status.items():
        by_status[status] = by_status.get(status, 0) + n
    by_worker = dict(one.by_worker)
    for pid, n in other.by_worker.items():
        by_worker[pid] = by_worker.get(pid, 0) + n
    first_s, last_s = min(one.first_s, other.first_s), max(one.last_s, other.last_s)
    n, clocks = one.requests + other.requests, added(one.clocks, other.clocks)
    whole = merge((one.whole, other.whole))
    return AccessTally(
        one.time_s, one.source, one.unit, n, by_status, first_s, last_s, clocks, by_worker, whole, one.upstream
    )  # fmt: skip


def worth_saving(samples: list[Sample], oldest_question_s: float | None) -> list[Sample]:
    """Samples that an open question, or one asked in the next moment, may be judged by."""
    if not samples:
        return []
    from_s = min(samples[-1].time_s, oldest_question_s or samples[-1].time_s) - KEEP_BEFORE_S
    return [s for s in samples if s.time_s >= from_s]


def tallies_worth_saving(tallies: list[AccessTally]) -> list[AccessTally]:
    """The last quarter of an hour, the request clocks only of its last minutes: they are most of the size."""
    if not tallies:
        return []
    now_s = tallies[-1].time_s
    return [
        t if t.time_s >= now_s - KEEP_CLOCKS_S else replace(t, clocks={})
        for t in tallies
        if t.time_s >= now_s - KEEP_TALLIES_S
    ]
