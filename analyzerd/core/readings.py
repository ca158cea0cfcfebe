"""The samples and request tallies of the last minutes: in order of event time, bounded. Judges nothing."""

from __future__ import annotations

from bisect import insort

from analyzerd.model import AccessTally, Sample

MAX_SAMPLES = 400
MAX_TALLIES = 720
KEEP_BEFORE_S = 90.0
"""How much of the time before the oldest open question, or before now, a saved state holds."""


def add_sample(samples: list[Sample], sample: Sample) -> None:
    """Put a sample in its place; the oldest goes when there are enough."""
    insort(samples, sample, key=lambda s: s.time_s)
    del samples[:-MAX_SAMPLES]


def add_tally(tallies: list[AccessTally], tally: AccessTally) -> None:
    """Count requests into their bucket, so that the way input was cut leaves no trace."""
    for number in range(len(tallies) - 1, -1, -1):
        known = tallies[number]
        if known.time_s < tally.time_s:
            break
        if (known.time_s, known.source, known.unit) == (tally.time_s, tally.source, tally.unit):
            tallies[number] = _sum(known, tally)
            return
    insort(tallies, tally, key=lambda t: t.time_s)
    del tallies[:-MAX_TALLIES]


def _sum(one: AccessTally, other: AccessTally) -> AccessTally:
    by_status = dict(one.by_status)
    for status, n in other.by_status.items():
        by_status[status] = by_status.get(status, 0) + n
    return AccessTally(one.time_s, one.source, one.unit, one.requests + other.requests, by_status)


def worth_saving(samples: list[Sample], oldest_question_s: float | None) -> list[Sample]:
    """Samples that an open question, or one asked in the next moment, may be judged by."""
    if not samples:
        return []
    from_s = min(samples[-1].time_s, oldest_question_s or samples[-1].time_s) - KEEP_BEFORE_S
    return [s for s in samples if s.time_s >= from_s]
