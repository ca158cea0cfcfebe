"""Estimators against answers that are known."""

from __future__ import annotations

import random

import pytest

from analyzerd.core import estimators as estimate
from analyzerd.formats.clock import MAX_ENDPOINTS, bin_of, capped, clock_of, merge, middle_of
from analyzerd.model import Clock


def test_a_percentile_is_within_five_percent() -> None:
    """Whatever the size, a value read from the histogram is at most one half bin off."""
    rng = random.Random(3)
    values = sorted(rng.lognormvariate(-1.5, 1.0) for _ in range(4000))
    clock = clock_of((v, 1) for v in values)
    for share in (0.5, 0.9, 0.95, 0.99):
        exact = values[int(share * len(values)) - 1]
        assert estimate.percentile(clock, share) == pytest.approx(exact, rel=0.06)


def test_clocks_add_up_in_any_order() -> None:
    """Merging parts gives what counting the whole gives."""
    values = [0.002 * n for n in range(1, 400)]
    whole = clock_of((v, 1) for v in values)
    parts = merge(clock_of((v, 1) for v in values[n::3]) for n in (2, 0, 1))
    assert (parts.n, parts.bins) == (whole.n, whole.bins)
    assert parts.sum_s == pytest.approx(whole.sum_s)


def test_a_bin_holds_its_middle() -> None:
    """Every bin's stand-in falls into that bin."""
    assert [bin_of(middle_of(n)) for n in range(100)] == list(range(100))


def test_endpoints_are_capped_and_nothing_is_lost() -> None:
    """A scan of ten thousand paths leaves a dozen clocks that count all requests."""
    many = {f"/{n}": Clock(1, n / 1000, {1: 1}) for n in range(10_000)}
    few = capped(many)
    assert len(few) == MAX_ENDPOINTS
    assert sum(c.n for c in few.values()) == 10_000
    assert "/9999" in few


def test_a_steady_leak_has_its_slope() -> None:
    """200 KB of every request, with noise: the interval holds it, and both halves grow alike."""
    rng = random.Random(1)
    found = estimate.slope([(float(n), 23e6 + 200e3 * n + rng.gauss(0, 100e3)) for n in range(0, 400, 5)])
    assert found is not None
    assert found.low <= 200e3 <= found.high
    assert found.half_ratio == pytest.approx(1.0, abs=0.1)


def test_a_warm_up_slows_down() -> None:
    """A cache that fills grows in the first half only."""
    found = estimate.slope([(float(n), 50e6 * (1 - 0.98**n)) for n in range(400)])
    assert found is not None
    assert found.half_ratio is not None
    assert found.half_ratio < 0.7


def test_a_slope_is_the_same_every_time() -> None:
    """The bootstrap draws from a seed of its own."""
    points = [(float(n), float(n * n % 17)) for n in range(60)]
    assert estimate.slope(points) == estimate.slope(points)


def test_too_few_points_have_no_slope() -> None:
    """Nothing is said of a handful of readings."""
    assert estimate.slope([(float(n), float(n)) for n in range(8)]) is None
    assert estimate.slope([(1.0, float(n)) for n in range(50)]) is None


def test_contention_is_not_waiting() -> None:
    """24 workers that compute read 0.18 of their time as CPU; less the run queue it is near one."""
    assert estimate.cpu_ratio(57.0, 250.0, 190.0) == pytest.approx(0.95)
    assert estimate.cpu_ratio(2.0, 200.0, 1.0) == pytest.approx(0.01, abs=0.001)
    assert estimate.cpu_ratio(5.0, 100.0, 100.0) is None


def test_hoarding_needs_one_full_and_one_free() -> None:
    """All full is no imbalance, nor is one worker alone."""
    assert estimate.imbalance_share([[9, 0], [4, 4], [9, 9], [5, 3]], threads=4) == 0.5
    assert estimate.imbalance_share([[9], [8]], threads=4) is None


def test_waves_are_half_of_the_crew_within_seconds() -> None:
    """Four of four in two seconds is a wave; one every ten seconds is not."""
    assert estimate.waves([0.0, 1.0, 1.5, 2.0, 60.0, 61.0], 4, 3.0) == [(0.0, 4), (60.0, 2)]
    assert estimate.waves([0.0, 10.0, 20.0, 30.0], 4, 3.0) == []


def test_a_shift_finds_the_moment() -> None:
    """Ten quick buckets, then five slow ones: the medians of both sides."""
    quick, slow = clock_of([(0.05, 30)]), clock_of([(0.9, 30)])
    moved = estimate.shift([quick] * 10 + [slow] * 5, 20)
    assert moved == (pytest.approx(0.05, rel=0.06), pytest.approx(0.9, rel=0.06))
    assert estimate.shift([quick], 20) is None


def test_little_and_utilisation() -> None:
    """Ten requests a second of 0.2 s keep two in the system; four slots are half busy."""
    assert estimate.little_ratio(2.0, 10.0 * 0.2) == pytest.approx(1.0)
    assert estimate.utilisation(20.0, 4, 10.0) == 0.5
    assert estimate.utilisation(99.0, 1, 10.0) == 1.0
    assert estimate.queue_wait(1.6, 0.2) == pytest.approx(1.4)
    assert estimate.queue_wait(None, 0.2) is None
