"""Statistics of what was measured: pure functions on plain numbers, deterministic. No numpy, no judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from analyzerd.formats.clock import LAST_BIN, RATIO, middle_of
from analyzerd.model import Clock

MAX_SLOPE_POINTS = 160
BLOCKS = 8
RESAMPLES = 200
CONFIDENCE = 0.90


def percentile(clock: Clock, share: float) -> float | None:
    """The duration, in seconds, that ``share`` of the requests did not exceed; None without requests."""
    if clock.n <= 0:
        return None
    rank, seen = max(1.0, share * clock.n), 0
    for number in sorted(clock.bins):
        seen += clock.bins[number]
        if seen >= rank:
            return middle_of(number)
    return None


def fine_percentile(clock: Clock, share: float) -> float | None:
    """The same, evened out inside a bin: for comparing, where a step of a whole bin would hide or feign a change."""
    if clock.n <= 0:
        return None
    rank, seen = max(1.0, share * clock.n), 0
    for number in sorted(clock.bins):
        inside = clock.bins[number]
        if seen + inside >= rank:
            return middle_of(number) * float(RATIO ** ((rank - seen) / inside - 0.5))
        seen += inside
    return None


def mean(clock: Clock) -> float | None:
    """Average duration in seconds; None without requests."""
    return clock.sum_s / clock.n if clock.n else None


def cpu_ratio(cpu_s: float, service_s: float, run_queue_wait_s: float) -> float | None:
    """CPU time over the time requests took, less what they waited for a CPU: near 1 computes, near 0 waits.

    None where waiting explains all of it (then nothing is left to compare with).
    """
    own_s = service_s - run_queue_wait_s
    if service_s <= 0 or own_s < 0.02 * service_s:
        return None
    return cpu_s / own_s


def utilisation(service_s: float, slots: float, window_s: float) -> float | None:
    """Share of the time in which the slots (workers x threads) were working; capped at 1."""
    return min(1.0, service_s / (slots * window_s)) if slots > 0 and window_s > 0 else None


def queue_wait(upstream_s: float | None, service_s: float | None) -> float | None:
    """What a percentile of nginx's time holds beyond gunicorn's own: the wait before the application ran."""
    return None if upstream_s is None or service_s is None else max(0.0, upstream_s - service_s)


def imbalance_share(readings: Sequence[Sequence[int]], threads: int) -> float | None:
    """Share of instants in which one worker held more connections than threads while another had a thread free.

    None with fewer than two workers in every reading.
    """
    several = [held for held in readings if len(held) >= 2]
    if not several:
        return None
    return sum(max(held) > threads and min(held) < threads for held in several) / len(several)


def little_ratio(in_system: float, expected: float) -> float | None:
    """Requests seen in the system over rate x time: far from 1 there is a hole in the measurement."""
    return in_system / expected if expected > 0 else None


@dataclass(frozen=True, slots=True)
class Slope:
    """A Theil-Sen slope with the interval of its block bootstrap, and the second half's slope over the first's."""

    per_unit: float
    low: float
    high: float
    half_ratio: float | None


def slope(points: Sequence[tuple[float, float]], seed: int = 1) -> Slope | None:
    """How ``y`` grows with ``x``; None with fewer than 12 points or when ``x`` does not move."""
    thin = thinned(sorted(points), MAX_SLOPE_POINTS)
    if len(thin) < 12 or thin[0][0] == thin[-1][0]:
        return None
    middle = _theil_sen(thin)
    low, high = _bootstrap(thin, seed)
    half_x = (thin[0][0] + thin[-1][0]) / 2
    first = _theil_sen([p for p in thin if p[0] <= half_x])
    second = _theil_sen([p for p in thin if p[0] >= half_x])
    return None if middle is None else Slope(middle, low, high, _ratio(first, second))


def _ratio(first: float | None, second: float | None) -> float | None:
    if first is None or second is None or first <= 0:
        return None
    return second / first


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most so many points, evenly taken, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(n * step)] for n in range(most)]


def _theil_sen(points: Sequence[tuple[float, float]]) -> float | None:
    slopes = [(y1 - y0) / (x1 - x0) for n, (x0, y0) in enumerate(points) for x1, y1 in points[n + 1 :] if x1 > x0]
    return median(slopes) if slopes else None


def _bootstrap(points: Sequence[tuple[float, float]], seed: int) -> tuple[float, float]:
    """Interval of the slope when whole blocks are drawn anew: neighbours in time are not independent."""
    few = thinned(points, 48)
    size = max(1, len(few) // BLOCKS)
    blocks = [few[n : n + size] for n in range(0, len(few), size)]
    found: list[float] = []
    for _ in range(RESAMPLES):
        drawn: list[tuple[float, float]] = []
        for _ in blocks:
            seed = (seed * 1103515245 + 12345) % 2**31
            drawn += blocks[(seed >> 8) % len(blocks)]
        middle = _theil_sen(drawn)
        if middle is not None:
            found.append(middle)
    found.sort()
    cut = int(len(found) * (1 - CONFIDENCE) / 2)
    return (found[cut], found[-1 - cut]) if found else (0.0, 0.0)


def waves(times_s: Sequence[float], crew: int, within_s: float) -> list[tuple[float, int]]:
    """Moments in which at least two and at least half of the crew left within ``within_s``: (start, how many)."""
    found: list[tuple[float, int]] = []
    rest = sorted(times_s)
    while rest:
        group = [t for t in rest if t <= rest[0] + within_s]
        if len(group) >= max(2, crew / 2):
            found.append((rest[0], len(group)))
            rest = rest[len(group) :]
        else:
            rest = rest[1:]
    return found


def shift(clocks: Sequence[Clock], least: int) -> tuple[float, float] | None:
    """Median before and after the moment that splits a run of clocks best: the split with the largest ratio.

    None when no split leaves ``least`` requests on both sides.
    """
    best: tuple[float, float] | None = None
    left, right = _Heap(), _Heap()
    for clock in clocks:
        right.move(clock, 1)
    for clock in clocks[:-1]:
        left.move(clock, 1)
        right.move(clock, -1)
        if not clock.n or min(left.n, right.n) < least:
            continue
        before, after = left.median(), right.median()
        if best is None or after / before > best[1] / best[0]:
            best = (before, after)
    return best


class _Heap:
    """Bins of clocks that come and go."""

    def __init__(self) -> None:
        self.n = 0
        self._bins = [0] * (LAST_BIN + 1)

    def move(self, clock: Clock, sign: int) -> None:
        """Add a clock, or take it away."""
        self.n += sign * clock.n
        for number, n in clock.bins.items():
            self._bins[number] += sign * n

    def median(self) -> float:
        """The usual duration in seconds; there have to be requests."""
        seen, half = 0, max(1.0, self.n / 2)
        for number, n in enumerate(self._bins):
            seen += n
            if seen >= half:
                return middle_of(number)
        return middle_of(LAST_BIN)
