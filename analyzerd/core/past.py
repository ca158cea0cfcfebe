"""Compares what requests take with their own past: this hour of earlier weeks, else the minutes before; no causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analyzerd.core.baselines import Baseline, usual
from analyzerd.core.estimators import percentile, shift
from analyzerd.core.measure import BUCKET_S, Ours
from analyzerd.formats.clock import NOTHING, OTHERS, merge
from analyzerd.model import AccessTally, Clock

HISTORY_S = 900.0
LATELY_S = 60.0
AT_MOST_S = 300.0
"""How far back the present reaches where requests are few."""
LEAST_REQUESTS = 20
TIMES, AND_S = 3.0, 0.2


@dataclass(frozen=True, slots=True)
class Compared:
    """The usual time of an endpoint before and now, in seconds. ``weeks``: of the same hour; 0: the minutes before."""

    endpoint: str
    before_s: float
    after_s: float
    weeks: int = 0


def compare(
    tallies: Sequence[AccessTally], ours: Ours, baseline: Baseline | None, now_s: float
) -> tuple[Compared, ...]:
    """Every endpoint that has a past and 20 requests now; its own hour of the week goes before the last minutes."""
    rows = [t for t in tallies if t.time_s >= now_s - HISTORY_S and t.source == "gunicorn.access" and ours.log(t)]
    requests = Counter[str]()
    for row in rows:
        requests.update({name: clock.n for name, clock in row.clocks.items() if name != OTHERS})
    names = sorted(name for name, n in requests.items() if n >= LEAST_REQUESTS)
    found = (_by_week(rows, name, baseline, now_s) or _by_minutes(rows, name) for name in names)
    return tuple(one for one in found if one is not None)


def slower(compared: Sequence[Compared]) -> Compared | None:
    """The endpoint that slowed down most: to three times its past, and by 200 ms."""
    found = [c for c in compared if c.after_s >= TIMES * c.before_s and c.after_s >= c.before_s + AND_S]
    return max(found, key=lambda c: c.after_s / c.before_s, default=None)


def _by_week(rows: Sequence[AccessTally], name: str, baseline: Baseline | None, now_s: float) -> Compared | None:
    hour = usual(baseline, name, now_s)
    if hour is None or hour.service_p50_s is None:
        return None
    after_s = percentile(_lately(rows, name, now_s), 0.5)
    return None if after_s is None else Compared(name, hour.service_p50_s, after_s, hour.weeks)


def _lately(rows: Sequence[AccessTally], name: str, now_s: float) -> Clock:
    """The last minute of an endpoint; where it had few requests, as much before it as it takes."""
    found, n = list[Clock](), 0
    for row in reversed([t for t in rows if now_s - AT_MOST_S <= t.time_s < now_s]):
        if n >= LEAST_REQUESTS and row.time_s < now_s - LATELY_S - BUCKET_S:
            break
        clock = row.clocks.get(name, NOTHING)
        found.append(clock)
        n += clock.n
    return merge(found) if n >= LEAST_REQUESTS else NOTHING


def _by_minutes(rows: Sequence[AccessTally], name: str) -> Compared | None:
    moved = shift([t.clocks.get(name, NOTHING) for t in rows], LEAST_REQUESTS)
    return None if moved is None else Compared(name, *moved)
