"""Whether the workers' memory grows with the requests they serve: slope, its certainty, and whether it slows down.

A warm-up that flattens, a single step and page cache are not growth. Knows nothing of limits or remedies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from analyzerd.core.estimators import slope
from analyzerd.core.measure import BUCKET_S, Ours
from analyzerd.model import AccessTally, Sample

LEAST_POINTS = 30
MOST_POINTS = 96
MOST_WORKERS = 64
FORGET_S = 600.0
LEAST_REQUESTS = 150
WARM_UP_SHARE = 0.2
LEAST_BYTES = 16 << 20
LEAST_SHARE = 0.25
STEADY_RATIO = 0.7
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Growth:
    """Workers that agree. Bytes per request with its lower bound; ``half_ratio`` near 1 is steady growth.

    ``rate`` is requests per second of one worker, ``bytes_per_s`` the growth of all workers together.
    """

    workers: int
    per_request_bytes: float
    low_bytes: float
    high_bytes: float
    half_ratio: float
    rate: float
    bytes_per_s: float
    base_bytes: float


def leak(curves: Mapping[int, Curve], tallies: Sequence[AccessTally], ours: Ours) -> Growth | None:
    """Steady, material growth of at least two workers (of all of them where there is one); None otherwise."""
    found, looked = [], 0
    for pid, curve in sorted(curves.items()):
        if len(curve.points) < LEAST_POINTS or not ours.unit(curve.unit):
            continue
        looked += 1
        one = _of_worker(curve.points, [t for t in tallies if pid in t.by_worker and ours.log(t)], pid)
        if one is not None:
            found.append(one)
    if not found or len(found) < min(2, looked) or len(found) < looked / 2:
        return None
    return Growth(
        workers=len(found),
        per_request_bytes=median(g.per_request_bytes for g in found),
        low_bytes=min(g.low_bytes for g in found),
        high_bytes=max(g.high_bytes for g in found),
        half_ratio=median(g.half_ratio for g in found),
        rate=median(g.rate for g in found),
        bytes_per_s=sum(g.bytes_per_s for g in found),
        base_bytes=median(g.base_bytes for g in found),
    )


@dataclass(slots=True)
class Curve:
    """Memory of one worker over time, in ever wider steps: [Unix seconds, bytes].

    ``points``: its private memory. ``whole``: its fair share of all it uses (PSS) with what is swapped out.
    """

    unit: str
    step_s: float = 0.0
    seen_s: float = 0.0
    points: Points = field(default_factory=list)
    whole: Points = field(default_factory=list)
    whole_step_s: float = 0.0


Curves = dict[int, Curve]


def note(curves: Curves, sample: Sample) -> None:
    """Add a sample's readings; forget workers that have gone."""
    for p in sample.processes:
        size = p.anon_bytes if p.anon_bytes is not None else p.rss_bytes
        if p.role == "worker" and size is not None:
            curve = curves.setdefault(p.pid, Curve(p.unit))
            curve.seen_s = max(curve.seen_s, sample.time_s)
            curve.points, curve.step_s = _added(curve.points, curve.step_s, sample.time_s, size)
            if p.pss_bytes is not None:
                size = p.pss_bytes + (p.swap_bytes or 0)
                curve.whole, curve.whole_step_s = _added(curve.whole, curve.whole_step_s, sample.time_s, size)
    for pid in [pid for pid, c in curves.items() if c.seen_s < sample.time_s - FORGET_S]:
        del curves[pid]
    for pid in sorted(curves, key=lambda pid: curves[pid].points[0][0])[: max(0, len(curves) - MOST_WORKERS)]:
        del curves[pid]


def _added(points: Points, step_s: float, time_s: float, size: int) -> tuple[Points, float]:
    """A curve with one more point, or every other one of it and twice the step when it is full."""
    if points and time_s - points[-1][0] < max(step_s, 0.01):
        return points, step_s
    points.append((round(time_s, 2), float(size)))
    if len(points) < MOST_POINTS:
        return points, step_s
    points = points[::2]
    return points, (points[-1][0] - points[0][0]) / len(points)


def _of_worker(curve: Points, tallies: Sequence[AccessTally], pid: int) -> Growth | None:
    served = Served(tallies, pid)
    active = [(t, y) for t, y in curve if served.first_s <= t <= served.last_s]
    late = active[int(len(active) * WARM_UP_SHARE) :]
    if len(late) < LEAST_POINTS:
        return None
    (t0, y0), (t1, y1) = late[0], late[-1]
    requests = served.until(t1) - served.until(t0)
    if requests < LEAST_REQUESTS or y1 - y0 < max(LEAST_BYTES, LEAST_SHARE * curve[0][1]):
        return None
    line = slope([(served.until(t), y) for t, y in late])
    if line is None or line.low <= 0 or line.half_ratio is None or line.half_ratio <= STEADY_RATIO:
        return None
    rate = requests / (t1 - t0)
    return Growth(1, line.per_unit, line.low, line.high, line.half_ratio, rate, line.per_unit * rate, curve[0][1])


class Served:
    """How many requests a worker had served at a moment: from ten-second counts, even in between."""

    def __init__(self, tallies: Sequence[AccessTally], pid: int) -> None:
        rows = sorted((t for t in tallies if t.by_worker.get(pid)), key=lambda t: t.time_s)
        self._ends, self._totals, total = list[float](), list[float](), 0.0
        for t in rows:
            if not self._ends or self._ends[-1] < t.first_s:
                self._ends.append(t.first_s)
                self._totals.append(total)
            total += t.by_worker[pid]
            self._ends.append(min(t.last_s + 1.0, t.time_s + BUCKET_S))
            self._totals.append(total)
        self.first_s = self._ends[0] if self._ends else 0.0
        self.last_s = self._ends[-1] if self._ends else -1.0

    def until(self, time_s: float) -> float:
        """Requests served before a moment."""
        place = bisect_right(self._ends, time_s)
        if place == 0:
            return 0.0
        if place == len(self._ends):
            return self._totals[-1]
        a, b = self._ends[place - 1], self._ends[place]
        x, y = self._totals[place - 1], self._totals[place]
        return x + (y - x) * (time_s - a) / (b - a) if b > a else y
