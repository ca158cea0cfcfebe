"""Kaplan-Meier against answers that are known: by hand, from a textbook, and from the order of a sample."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from analyzerd.core import survival
from analyzerd.core.survival import kaplan_meier, rarely_so_few
from analyzerd.formats.clock import NOTHING, clock_of

REMISSION = (
    Counter({6: 3, 7: 1, 10: 1, 13: 1, 16: 1, 22: 1, 23: 1}),
    Counter([6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]),
)
"""Weeks in remission of 21 patients on 6-mercaptopurine (Freireich and others, 1963): ended, still in remission."""


def test_the_textbook_curve() -> None:
    """The remission data give the curve and the standard errors that are printed in every textbook."""
    steps = {s.at: (round(s.survival, 3), round(s.variance**0.5, 4)) for s in kaplan_meier(*REMISSION)}
    assert steps == {
        6: (0.857, 0.0764), 7: (0.807, 0.0869), 10: (0.753, 0.0963), 13: (0.690, 0.1068),
        16: (0.627, 0.1141), 22: (0.538, 0.1282), 23: (0.448, 0.1346),
    }  # fmt: skip


def test_by_hand() -> None:
    """Of five, one ends at 1, one is cut off at 2, one ends at 3, one at 4, one is cut off at 5."""
    steps = list(kaplan_meier({1: 1, 3: 1, 4: 1}, {2: 1, 5: 1}))
    assert [s.survival for s in steps] == pytest.approx([4 / 5, 4 / 5 * 2 / 3, 4 / 5 * 2 / 3 * 1 / 2])
    assert [s.weight for s in steps] == pytest.approx([5, 2 / (1 - 8 / 15), 3 / (1 - 4 / 15)])


def test_without_cuts_it_is_the_plain_share() -> None:
    """Where everything finished, the curve is the share that took longer, and every request weighs one."""
    for step in kaplan_meier({1: 30, 2: 50, 3: 20}, {}):
        assert step.survival == pytest.approx({1: 0.7, 2: 0.2, 3: 0.0}[step.at])
        assert step.weight == pytest.approx(100)


def test_nothing_gives_nothing() -> None:
    """No requests, or only unfinished ones, have no quantile; the unfinished still show how long they lasted."""
    cut = clock_of([(30.0, 4)])
    assert survival.quantile(NOTHING, NOTHING) is None
    assert survival.needed(NOTHING, NOTHING) is None
    assert survival.quantile(NOTHING, cut) is None
    assert survival.needed(NOTHING, cut) == (pytest.approx(45.0, rel=0.06), False)


def test_cut_requests_move_the_quantile() -> None:
    """One in a hundred cut off at 30 s: the p99 of what finished is 0.2 s, but the true one is not below 30 s."""
    done, cut = clock_of([(0.2, 990), (20.0, 1)]), clock_of([(30.0, 11)])
    assert survival.quantile(done, NOTHING, 0.99) == pytest.approx(0.2, rel=0.06)
    assert survival.quantile(done, cut, 0.99) is None
    assert survival.quantile(done, cut, 0.98) == pytest.approx(0.2, rel=0.06)


def test_the_bound_needs_2995_requests() -> None:
    """The longest of n bounds the p99.9 with 95 % confidence from n = 2995 on: 0.999^2995 is just below 0.05."""
    assert not rarely_so_few(0, 2994, 0.001)
    assert rarely_so_few(0, 2995, 0.001)
    few, enough = (clock_of([(0.1, n - 1), (2.0, 1)]) for n in (2994, 2995))
    assert survival.quantile_bound(few, NOTHING) is None
    assert survival.quantile_bound(enough, NOTHING) == pytest.approx(2.0, rel=0.06)
    assert survival.needed(few, NOTHING) == (pytest.approx(3.0, rel=0.06), False)
    assert survival.needed(enough, NOTHING) == (pytest.approx(2.0, rel=0.06), True)


def test_the_tail_is_the_binomial_one() -> None:
    """At most one of 10 at a share of one half has probability 11/1024; at most two 56/1024."""
    assert rarely_so_few(1, 10, 0.5)
    assert not rarely_so_few(2, 10, 0.5)
    assert rarely_so_few(0.2, 10, 0.5) is rarely_so_few(1, 10, 0.5)


def test_the_bound_holds_as_often_as_it_says() -> None:
    """Of many samples with random cuts, the bound lies above the true p99 in 95 of 100 or more."""
    rng = random.Random(5)
    truth, above = 1.0 * 4.605170186, 0  # exponential with mean 1: p99 is ln 100
    for _ in range(120):
        pairs = [(rng.expovariate(1.0), rng.uniform(1.0, 12.0)) for _ in range(800)]
        done = clock_of((t, 1) for t, limit in pairs if t <= limit)
        cut = clock_of((limit, 1) for t, limit in pairs if t > limit)
        bound = survival.quantile_bound(done, cut, 0.99)
        above += bound is None or bound >= truth * 0.95  # a bin is 5 % wide on either side
    assert above >= 0.93 * 120
