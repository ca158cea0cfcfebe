"""A histogram of durations with fixed edges: exact counts, merged by adding. Estimates nothing.

Bin ``k`` ends at 1 ms x 1.1^k, so that whatever is read from it is at most 5 % off; bin 0 holds all up to 1 ms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from analyzerd.model import Clock

FIRST_EDGE_S = 0.001
RATIO = 1.1
LAST_BIN = 160
MAX_ENDPOINTS = 12
OTHERS = "*"
NOTHING = Clock(0, 0.0, {})
_LOG_RATIO = math.log(RATIO)


def bin_of(seconds: float) -> int:
    """The bin a duration falls into."""
    if seconds <= FIRST_EDGE_S:
        return 0
    return min(LAST_BIN, math.ceil(math.log(seconds / FIRST_EDGE_S) / _LOG_RATIO - 1e-9))


def middle_of(number: int) -> float:
    """The duration, in seconds, that stands for all of a bin: the geometric middle between its edges."""
    return FIRST_EDGE_S * RATIO ** (number - 0.5) if number else FIRST_EDGE_S / 2


def clock_of(durations: Iterable[tuple[float, int]]) -> Clock:
    """Count (seconds, how often)."""
    n, total, bins = 0, 0.0, Counter[int]()
    for seconds, times in durations:
        n += times
        total += seconds * times
        bins[bin_of(seconds)] += times
    return Clock(n, total, dict(bins))


def merge(clocks: Iterable[Clock]) -> Clock:
    """Add clocks up."""
    n, total, bins = 0, 0.0, dict[int, int]()
    for clock in clocks:
        n += clock.n
        total += clock.sum_s
        for number, times in clock.bins.items():
            bins[number] = bins.get(number, 0) + times
    return Clock(n, total, bins)


def capped(clocks: Mapping[str, Clock]) -> dict[str, Clock]:
    """The endpoints that took most of the time; all others together as one."""
    if len(clocks) <= MAX_ENDPOINTS:
        return dict(clocks)
    order = sorted((name for name in clocks if name != OTHERS), key=lambda name: (-clocks[name].sum_s, name))
    kept = {name: clocks[name] for name in order[: MAX_ENDPOINTS - 1]}
    rest = [clocks[name] for name in order[MAX_ENDPOINTS - 1 :]]
    return {**kept, OTHERS: merge([*rest, clocks.get(OTHERS, NOTHING)])}


def added(one: Mapping[str, Clock], other: Mapping[str, Clock]) -> dict[str, Clock]:
    """Two tables of clocks as one."""
    if not one or not other:
        return dict(one or other)
    return capped({name: merge([one.get(name, NOTHING), other.get(name, NOTHING)]) for name in {**one, **other}})
