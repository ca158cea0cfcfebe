"""Tests of a difference by drawing anew: permutation, block bootstrap. Seeded, so deterministic. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import median

PERMUTATIONS = 1000
RESAMPLES = 1000
CONFIDENCE = 0.90
_FACTOR, _STEP, _MODULUS = 6364136223846793005, 1442695040888963407, 1 << 64


class Dice:
    """A 64-bit linear congruential generator: the same seed throws the same numbers everywhere."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed * _FACTOR + _STEP) % _MODULUS

    def below(self, limit: int) -> int:
        """Throw a whole number from 0 to ``limit`` - 1."""
        self._state = (self._state * _FACTOR + _STEP) % _MODULUS
        return ((self._state >> 33) * limit) >> 31


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that holds the true value nine times out of ten."""

    low: float
    high: float


def permutation_p(before: Sequence[float], after: Sequence[float], seed: int = 1) -> float:
    """How often chance alone moves the geometric mean as far as was seen, in either direction.

    Values are > 0, arms not empty. Not the median: where buckets hardly differ, exchanging a few leaves it as it is.
    """
    pool, n, dice = [log(value) for value in (*before, *after)], len(before), Dice(seed)
    total, rest = sum(pool), len(after)
    seen = abs(sum(pool[:n]) / n - sum(pool[n:]) / rest) - 1e-9
    as_far = 0
    for _ in range(PERMUTATIONS):
        for place in range(n):
            other = place + dice.below(len(pool) - place)
            pool[place], pool[other] = pool[other], pool[place]
        part = sum(pool[:n])
        as_far += abs(part / n - (total - part) / rest) >= seen
    return (as_far + 1) / (PERMUTATIONS + 1)


def ratio_interval(before: Sequence[float], after: Sequence[float], seed: int = 1) -> Interval:
    """How the median changed, as a ratio: 90 % interval of a block bootstrap of both arms, whose values are > 0."""
    dice = Dice(seed)
    found = sorted(median(_redrawn(after, dice)) / median(_redrawn(before, dice)) for _ in range(RESAMPLES))
    cut = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return Interval(found[cut], found[-1 - cut])


def _redrawn(values: Sequence[float], dice: Dice) -> list[float]:
    """As many values in whole blocks: neighbours in time are not independent."""
    size, drawn = max(1, round(len(values) ** (1 / 3))), list[float]()
    while len(drawn) < len(values):
        start = dice.below(len(values) - size + 1)
        drawn += values[start : start + size]
    return drawn[: len(values)]
