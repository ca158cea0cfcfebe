"""Whether the workers, once grown up, fit the memory they may use: the need beside the limit, before any kill.

Measures and adds up; whether memory keeps growing, and what to do about it, stands elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzerd.core.defaults import in_effect
from analyzerd.core.estimators import slope
from analyzerd.core.growth import Curve, Points
from analyzerd.core.measure import Ours
from analyzerd.core.plan.formulas import fit
from analyzerd.model import ProcessReading, Sample, Setting

MATURE_S = 600.0
"""Younger workers are still warming up."""
LEAST_READINGS = 10
JUST_NOW_S = 60.0
HIGH_SHARE = 0.95
RESERVE_SHARE = 0.10
RESERVE_MIN_BYTES = 256 << 20
TREND_S = 3600.0
STEADY_RATIO = 0.7
FAR_S = 14 * 86400.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the need is worked out from. ``since_s``: when these workers' release was started or reloaded."""

    samples: Sequence[Sample]
    curves: Mapping[int, Curve]
    ours: Ours
    settings: Mapping[str, Setting]
    since_s: float
    now_s: float

    @property
    def newest(self) -> list[Sample]:
        """The readings of the last minute: more of them may not survive a restart."""
        return [s for s in self.samples if self.now_s - JUST_NOW_S <= s.time_s <= self.now_s]


@dataclass(frozen=True, slots=True)
class Need:
    """Memory in bytes. ``per_worker``: p95 over mature workers and time; ``fair``: of it, shared pages count once.

    ``own_limit``: the limit is the unit's own, not what the machine leaves; ``mature``: workers that were measured.
    """

    workers: int
    mature: int
    per_worker: float
    fair: bool
    master: float
    reserve: float
    limit: float
    own_limit: bool

    @property
    def total(self) -> float:
        """Everything together."""
        return self.workers * self.per_worker + self.master + self.reserve

    def at_reload(self, boot: float) -> float:
        """The same while a reload boots a second set of workers beside the first."""
        return self.total + self.workers * boot

    def fits(self, boot: float = 0.0) -> int:
        """How many workers would not be too many; with ``boot`` also while they are reloaded."""
        return fit(self.limit, self.reserve, self.master, self.per_worker, boot)


def reserve_of(limit: float) -> float:
    """Memory to leave free: a tenth, at least 256 MiB, but no more than a quarter of a small limit."""
    return max(RESERVE_SHARE * limit, min(RESERVE_MIN_BYTES, limit / 4))


def need(seen: Seen) -> Need | None:
    """What the configured workers need when all are grown up; None where that or the limit is not measured."""
    mature = {pid: points for pid, points in _mature(seen).items() if points}
    sizes = sorted(size for points in mature.values() for _, size in points)
    crew, limit = _workers(seen), limit_of(seen)
    if crew is None or limit is None or len(sizes) < LEAST_READINGS or len(mature) < min(2, crew):
        return None
    return Need(
        workers=crew,
        mature=len(mature),
        per_worker=sizes[math.ceil(HIGH_SHARE * len(sizes)) - 1],
        fair=_has_fair_shares(seen),
        master=_master(seen),
        reserve=reserve_of(limit[0]),
        limit=limit[0],
        own_limit=limit[1],
    )


def boot_size(seen: Seen, reloaded_s: float) -> float | None:
    """What a worker takes when it has just been booted: of those a reload brought; None where none was measured."""
    first = [points[0] for _, points in _curves(seen) if points]
    sizes = sorted(size for t, size in first if reloaded_s <= t <= reloaded_s + 90.0)
    return sizes[len(sizes) // 2] if sizes else None


def full_at(seen: Seen, found: Need) -> float | None:
    """When mature workers that keep growing reach the limit, Unix seconds; None when they do not, or not soon."""
    rates = [_rate(points) for points in _mature(seen).values()]
    rising = [rate for rate in rates if rate is not None]
    if len(rising) < max(1, len(rates) / 2):
        return None
    per_s = found.workers * sum(rising) / len(rising)
    left_s = max(0.0, found.limit + found.reserve - found.total) / per_s
    return seen.now_s + left_s if left_s <= FAR_S else None


def _rate(points: Points) -> float | None:
    """Bytes per second a worker steadily grows by; None where it does not, or was not watched for long enough."""
    if len(points) < 12 or points[-1][0] - points[0][0] < TREND_S:
        return None
    line = slope([(t - points[0][0], size) for t, size in points])
    if line is None or line.low <= 0 or (line.half_ratio or 0.0) <= STEADY_RATIO:
        return None
    return line.per_unit


def _mature(seen: Seen) -> dict[int, Points]:
    """By worker, its sizes since it was grown up, of this release only."""
    found: dict[int, Points] = {}
    for pid, points in _curves(seen):
        born_s = points[0][0] if points else seen.now_s
        if born_s >= seen.since_s - 1.0:
            found[pid] = [(t, size) for t, size in points if born_s + MATURE_S <= t <= seen.now_s]
    return found


def _curves(seen: Seen) -> Iterator[tuple[int, Points]]:
    """Sizes by worker: fair shares where they are read; private memory where workers share nothing of their own."""
    fair = _has_fair_shares(seen)
    shares_nothing = in_effect(seen.settings, "gunicorn.preload_app") is False
    for pid, curve in sorted(seen.curves.items()):
        if seen.ours.unit(curve.unit) and (fair or shares_nothing):
            yield pid, curve.whole if fair else curve.points


def _has_fair_shares(seen: Seen) -> bool:
    return any(curve.whole for curve in seen.curves.values() if seen.ours.unit(curve.unit))


def _workers(seen: Seen) -> int | None:
    """Workers as configured, else as seen."""
    configured = seen.settings.get("gunicorn.workers")
    if configured is not None and isinstance(configured.value, int) and configured.value > 0:
        return configured.value
    crews = [len(list(_of(sample, seen.ours, "worker"))) for sample in seen.newest]
    return max(crews, default=0) or None


def _of(sample: Sample, ours: Ours, role: str) -> Iterator[ProcessReading]:
    return (p for p in sample.processes if p.role == role and ours.unit(p.unit))


def _master(seen: Seen) -> float:
    """The masters' own memory as last read; 0 where it was not."""
    for sample in reversed(seen.newest):
        masters = list(_of(sample, seen.ours, "master"))
        if masters:
            return float(sum(p.anon_bytes or p.rss_bytes or 0 for p in masters))
    return 0.0


def limit_of(seen: Seen) -> tuple[float, bool] | None:
    """What the app may use, the smaller one: the unit's own limit (True) or what other programs leave (False)."""
    own = [c.memory_limit_bytes for s in seen.newest for c in s.cgroups if seen.ours.unit(c.unit)]
    left = _left_by_others(seen)
    known = [(float(limit), True) for limit in own[-1:] if limit] + ([(left, False)] if left is not None else [])
    return min(known, default=None)


def _left_by_others(seen: Seen) -> float | None:
    """Memory of the machine less what everything else used (p95 of the last minute)."""
    used: list[float] = []
    total = None
    for sample in seen.newest:
        host = sample.host
        if host.memory_total_bytes and host.memory_available_bytes is not None:
            total = host.memory_total_bytes
            used.append(max(0.0, total - host.memory_available_bytes - _ours(sample, seen.ours)))
    if total is None:
        return None
    return total - sorted(used)[math.ceil(HIGH_SHARE * len(used)) - 1]


def _ours(sample: Sample, ours: Ours) -> float:
    """Private memory of all processes of the app in one reading."""
    return float(sum(p.anon_bytes or p.rss_bytes or 0 for p in sample.processes if ours.unit(p.unit)))
