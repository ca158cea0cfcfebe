"""The time before and after a change as two comparable rows of equal buckets: long enough, and of equal load.

Requests in a queue are not independent: a bucket must be long beside the time the queue takes to forget. Decides
nothing about the change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from analyzerd.core.buckets import GRID_S, KEPT, Bucket, gauge, grouped, joined
from analyzerd.core.estimators import mean
from analyzerd.units import format_duration

LEAST_BUCKETS = 12
LEAST_REQUESTS = 50
RELAXATIONS = 20
LOAD_BAND = 0.15
BALANCED = 0.02
MOST_BUCKET_S = KEPT * GRID_S / 2 / LEAST_BUCKETS
ASSUMED_UTILISATION, MOST_UTILISATION = 0.85, 0.97


@dataclass(frozen=True, slots=True)
class Arms:
    """Comparable buckets before and after. ``why``: why there are none, with what would help; '' when there are."""

    bucket_s: float = GRID_S
    before: tuple[Bucket, ...] = ()
    after: tuple[Bucket, ...] = ()
    why: str = ""


def relaxation_s(*sides: Sequence[Bucket]) -> float:
    """How long the queue remembers: D / (1 - u)^2, u taken as 0.85 where utilisation was not measured.

    Both are averages of the sides: if nothing had changed they would be the same, and if an overload has ended its
    queue need not be waited for any more.
    """
    known = [side for side in sides if side]
    service_s = fmean(gauge(side, "service_mean") or mean(joined(side).clock) or 0.0 for side in known)
    return service_s / (1 - fmean(_utilisation(side) for side in known)) ** 2


def _utilisation(buckets: Sequence[Bucket]) -> float:
    used = gauge(buckets, "utilisation")
    return min(MOST_UTILISATION, ASSUMED_UTILISATION if used is None else used)


def bucket_seconds(before: Sequence[Bucket], after: Sequence[Bucket]) -> float:
    """The length a bucket needs: for requests enough, and for the queue to forget; a multiple of the grid."""
    least_s = enough_requests_s(before, after)
    return least_s if math.isinf(least_s) else max(least_s, _on_grid(RELAXATIONS * relaxation_s(before, after)))


def enough_requests_s(*sides: Sequence[Bucket]) -> float:
    """The length a bucket needs for requests enough, a multiple of the grid; infinite without any."""
    rate = min((joined(side).rate for side in sides if side), default=0.0)
    # Poisson: with a quarter more on average, a bucket of fewer than the least is rare.
    return _on_grid(1.25 * LEAST_REQUESTS / rate) if rate else math.inf


def _on_grid(seconds: float) -> float:
    return max(1, math.ceil(seconds / GRID_S - 1e-9)) * GRID_S


def comparable(before: Sequence[Bucket], after: Sequence[Bucket]) -> Arms:
    """Twelve or more buckets a side, measured in the same way, at equal load; else why not yet."""
    if not any(b.requests for b in before) or not any(b.requests for b in after):
        empty = "after" if any(b.requests for b in before) else "before"
        return Arms(why=f"no requests were measured {empty} the change")
    if len({b.source for b in (*before, *after) if b.clock.n}) > 1:
        return Arms(why="request times were measured by nginx on one side of the change and by gunicorn on the other")
    seconds = bucket_seconds(before, after)
    if seconds > MOST_BUCKET_S:
        return Arms(seconds, why=_too_long(before, after))
    low, high = _whole(grouped(before, seconds, from_end=True)), _whole(grouped(after, seconds))
    for side, name in ((low, "before"), (high, "after")):
        if len(side) < LEAST_BUCKETS:
            need = f"{len(side)} of {LEAST_BUCKETS} buckets of {format_duration(seconds)}"
            return Arms(seconds, low, high, f"{name} the change there are {need} with {LEAST_REQUESTS} requests")
    matched = at_equal_load(low, high)
    if matched is None:
        rates = f"{median(b.rate for b in low):.3g}/s and {median(b.rate for b in high):.3g}/s"
        return Arms(seconds, low, high, f"the load differs: {rates} before and after, too few buckets at an equal rate")
    return Arms(seconds, matched[0], matched[1])


def _whole(buckets: Sequence[Bucket]) -> tuple[Bucket, ...]:
    return tuple(b for b in buckets if b.requests >= LEAST_REQUESTS and b.clock.n)


def _too_long(before: Sequence[Bucket], after: Sequence[Bucket]) -> str:
    longest = relaxation_s(before, after)
    rate = min(joined(side).rate for side in (before, after) if side)
    if 1.25 * LEAST_REQUESTS / rate > MOST_BUCKET_S:
        return f"too few requests: {rate:.2g} a second"
    return f"the queue takes about {format_duration(longest)} to forget: the workers are busy nearly all the time"


def at_equal_load(
    before: Sequence[Bucket], after: Sequence[Bucket]
) -> tuple[tuple[Bucket, ...], tuple[Bucket, ...]] | None:
    """Buckets within 15 % of the common rate whose averages agree too; None when fewer than twelve a side remain."""
    middle = median(b.rate for b in (*before, *after))
    band = LOAD_BAND * middle + 2 * math.sqrt(middle / before[0].seconds)
    low, high = _near(before, middle, band), _near(after, middle, band)
    while min(len(low), len(high)) >= LEAST_BUCKETS:
        gap = (fmean(b.rate for b in high) - fmean(b.rate for b in low)) / middle
        if abs(gap) <= BALANCED + 2 * math.sqrt(sum(1 / sum(b.requests for b in side) for side in (low, high))):
            return _in_order(low), _in_order(high)
        _drop_widest(*((low, high) if gap > 0 else (high, low)), middle)
    return None


def _near(buckets: Sequence[Bucket], middle: float, band: float) -> list[Bucket]:
    return sorted((b for b in buckets if abs(b.rate - middle) <= band), key=lambda b: b.rate)


def _drop_widest(lower: list[Bucket], upper: list[Bucket], middle: float) -> None:
    """Drop what pulls the averages apart most: the least of the lower side, or the most of the upper one."""
    if middle - lower[0].rate >= upper[-1].rate - middle:
        lower.pop(0)
    else:
        upper.pop()


def _in_order(buckets: Sequence[Bucket]) -> tuple[Bucket, ...]:
    return tuple(sorted(buckets, key=lambda b: b.time_s))
