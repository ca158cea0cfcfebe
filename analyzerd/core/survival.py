"""How long requests take when some never finished: Kaplan-Meier on counted durations. Knows no request, no cause.

A request that was cut off (aborted, killed, given up) counts as longer than what it had when it was cut off; left
out, or counted with the time it got, it would make slow endpoints look fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzerd.formats.clock import middle_of
from analyzerd.model import Clock

CONFIDENCE = 0.95
TAIL_SHARE = 0.999
WITHOUT_BOUND = 1.5
"""Too few requests to bound the p99.9: this much more than the longest one stands for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """The curve just after ``at``: ``survival`` is the share that lasts longer, ``variance`` Greenwood's of it.

    ``weight``: how many requests, all seen to their end, would tell as much about the curve up to here.
    """

    at: int
    survival: float
    variance: float
    weight: float


def kaplan_meier(finished: Mapping[int, int], cut_off: Mapping[int, int]) -> Iterator[Step]:
    """The curve at every time something finished. Both map a time (any unit, or a bin) to how many.

    At the same time what finished counts before what was cut off, as the method has it.
    """
    at_risk, survival, greenwood, ended = sum(finished.values()) + sum(cut_off.values()), 1.0, 0.0, 0
    for at in sorted({*finished, *cut_off}):
        here = finished.get(at, 0)
        if here > 0:
            survival *= 1 - here / at_risk
            ended += here
            left = at_risk - here
            greenwood = greenwood + here / (at_risk * left) if left else math.inf
            variance = survival**2 * greenwood if survival else 0.0
            yield Step(at, survival, variance, ended / (1 - survival))
        at_risk -= here + cut_off.get(at, 0)


def quantile(finished: Clock, cut_off: Clock, share: float = TAIL_SHARE) -> float | None:
    """The duration, in seconds, that ``share`` of the requests do not exceed; None where too many were cut off."""
    for step in kaplan_meier(finished.bins, cut_off.bins):
        if step.survival <= 1 - share + 1e-12:
            return middle_of(step.at)
    return None


def quantile_bound(finished: Clock, cut_off: Clock, share: float = TAIL_SHARE) -> float | None:
    """What the quantile stays under with 95 % confidence, in seconds; None where the requests do not suffice.

    Of the p99.9 that takes 2995 requests: with fewer, even the longest of them may lie below it.
    """
    for step in kaplan_meier(finished.bins, cut_off.bins):
        if rarely_so_few(step.survival * step.weight, step.weight, 1 - share):
            return middle_of(step.at)
    return None


def rarely_so_few(longer: float, of: float, share: float) -> bool:
    """Whether so few longer ones would be a rare luck (5 %) if a ``share`` of all were longer: a binomial tail."""
    count, n = math.ceil(longer - 1e-9), math.floor(of + 1e-9)
    if count >= n * share:
        return False
    term = total = (1 - share) ** n
    for k in range(1, count + 1):
        term *= (n - k + 1) / k * share / (1 - share)
        total += term
    return total <= 1 - CONFIDENCE


def longest(finished: Clock, cut_off: Clock) -> float | None:
    """The longest duration that was seen, in seconds, finished or not; None without requests."""
    numbers = [number for number, n in (*finished.bins.items(), *cut_off.bins.items()) if n > 0]
    return middle_of(max(numbers)) if numbers else None


def needed(finished: Clock, cut_off: Clock) -> tuple[float, bool] | None:
    """What nearly all requests get along with, in seconds, and whether that is a measured bound of the p99.9.

    Else it is 1.5 times the longest request that was seen.
    """
    bound = quantile_bound(finished, cut_off)
    if bound is not None:
        return bound, True
    most = longest(finished, cut_off)
    return None if most is None else (WITHOUT_BOUND * most, False)
