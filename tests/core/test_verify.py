"""Verdicts on changes whose truth is known, and how often they are wrong when nothing changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzerd.core.arms import comparable
from analyzerd.core.buckets import GRID_S, Bucket, figures, grouped
from analyzerd.core.rare import fisher_p, highest_share, rates_p, silence_needed_s, silence_p
from analyzerd.core.resample import permutation_p, ratio_interval
from analyzerd.core.verify import Judgement, Promise, Rare, Trial, judge_change
from analyzerd.formats.clock import clock_of
from analyzerd.model import Outcome

CHANGE_S = 18000.0
GAUGES = {"utilisation": 0.4, "service_mean": 0.1, "run_queue": 0.4, "cpu": 1.5, "memory_bytes": 4e8}


def half_minutes(
    n: int, p95_s: float, *, rate: float = 4.0, failed: float = 0.0, from_s: float = CHANGE_S, **gauges: float
) -> list[Bucket]:
    """Make ``n`` half-minutes whose slowest tenth takes about ``p95_s``, each a little different."""
    found = []
    for number in range(n):
        requests = round(rate * GRID_S)
        wobble = 1 + 0.04 * (number * 7 % 5 - 2) / 2
        clock = clock_of([(0.1, requests - requests // 10), (p95_s * wobble, requests // 10)])
        values = {**GAUGES, **gauges}
        lost = round(requests * failed)
        found.append(Bucket(from_s + number * GRID_S, GRID_S, requests, lost, clock, "nginx.access", values))
    return found


def before(n: int, p95_s: float, **more: float) -> list[Bucket]:
    """Half-minutes that end with the change."""
    return half_minutes(n, p95_s, from_s=CHANGE_S - n * GRID_S, **more)


def judged(promise: Promise, *, old: list[Bucket], new: list[Bucket], **more: object) -> Judgement:
    """Ask once."""
    return judge_change(promise, Trial(old, new, **more))  # type: ignore[arg-type]


def test_half_the_time_is_better_and_says_by_how_much() -> None:
    """A p95 that halves at equal load, with the five figures of both sides."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(12, 0.5))
    assert (found.outcome, found.final) == (Outcome.BETTER, True)
    assert found.change == pytest.approx(0.5, rel=0.03)
    assert found.interval is not None
    assert found.interval.low < 0.53
    assert found.interval.high < 0.6
    assert "p95 1 s -> 0.5" in found.because
    assert "12 and 12 buckets of 30 s at equal load" in found.because
    assert found.before.p95_s == pytest.approx(1.0, rel=0.06)
    assert found.after.p50_s == pytest.approx(0.1, rel=0.06)
    assert (found.before.cpu, found.before.memory_bytes, found.before.failed_share) == (1.5, 4e8, 0.0)


def test_eleven_buckets_decide_nothing() -> None:
    """However large the difference is."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(11, 0.2))
    assert (found.outcome, found.final) == (Outcome.UNDECIDED, False)
    assert "after the change there are 11 of 12 buckets" in found.because


def test_the_end_of_the_window_is_an_end() -> None:
    """Whoever waits no longer says that it could not be decided, and why."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(11, 0.2), ended=True)
    assert (found.outcome, found.final) == (Outcome.UNDECIDED, True)


def test_the_same_times_are_no_effect() -> None:
    """The interval rules out the promised fifth."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(12, 1.0))
    assert found.outcome is Outcome.NO_EFFECT
    assert "20% less was promised" in found.because


def test_less_than_was_promised_is_no_effect() -> None:
    """A tenth less is real, and not what was said."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(12, 0.9))
    assert found.outcome is Outcome.NO_EFFECT


def test_a_third_more_is_worse() -> None:
    """Slower by less than half is told when the test is sure."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(12, 1.3))
    assert found.outcome is Outcome.WORSE


def test_twice_the_time_is_worse_at_once() -> None:
    """Three buckets running are enough; nobody waits for twelve."""
    assert judged(Promise(), old=before(12, 1.0), new=half_minutes(2, 2.0)).outcome is Outcome.UNDECIDED
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(3, 2.0))
    assert (found.outcome, found.final) == (Outcome.WORSE, True)


def test_twice_the_time_under_more_load_is_no_harm_of_the_change() -> None:
    """A rush after the change is not held against it."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(4, 2.0, rate=6.0))
    assert found.outcome is Outcome.UNDECIDED


def test_failing_requests_are_worse_at_once() -> None:
    """Two buckets running with more than twice the failures, and more than one in a hundred."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(2, 1.0, failed=0.1))
    assert found.outcome is Outcome.WORSE
    assert "10.0% of the requests fail, before the change 0.0%" in found.because
    assert judged(Promise(), old=before(12, 1.0), new=half_minutes(1, 1.0, failed=0.1)).outcome is Outcome.UNDECIDED


def test_another_load_is_not_compared() -> None:
    """Twice the requests after the change: nothing can be said of it, and the rates are named."""
    found = judged(Promise(), old=before(20, 1.0), new=half_minutes(20, 0.5, rate=8.0))
    assert found.outcome is Outcome.UNDECIDED
    assert "the load differs: 4/s and 8/s" in found.because


def test_buckets_of_the_same_load_are_picked_out() -> None:
    """Where half of the time before was busier, the other half is compared."""
    quiet, busy = before(12, 1.0), half_minutes(12, 3.0, rate=9.0, from_s=CHANGE_S - 24 * GRID_S)
    found = judged(Promise(), old=[*busy, *quiet], new=half_minutes(24, 1.0))
    assert found.outcome is Outcome.NO_EFFECT
    assert "12 and 24 buckets" in found.because


def test_few_requests_make_longer_buckets() -> None:
    """One request in three seconds: a bucket of 50 takes more than three minutes."""
    arms = comparable(before(100, 1.0, rate=1 / 3), half_minutes(100, 1.0, rate=1 / 3))
    assert arms.bucket_s == 210.0
    assert all(b.requests >= 50 for b in (*arms.before, *arms.after))


def test_a_busy_queue_makes_longer_buckets() -> None:
    """At 80 % use a queue forgets after 25 service times, and twenty of those make a bucket."""
    busy = {"utilisation": 0.8, "service_mean": 0.3}
    assert comparable(before(12, 1.0, **busy), half_minutes(12, 1.0, **busy)).bucket_s == 150.0


def test_a_queue_that_does_not_forget_is_refused() -> None:
    """Three seconds a request at 95 % use: hours would be needed, and that is said."""
    full = {"utilisation": 0.95, "service_mean": 3.0}
    arms = comparable(before(100, 9.0, **full), half_minutes(100, 9.0, **full))
    assert "to forget" in arms.why


def test_what_was_measured_differently_is_not_compared() -> None:
    """Nginx's time before, gunicorn's after."""
    mixed = [replace(b, source="gunicorn.access") for b in half_minutes(12, 0.5)]
    assert "by nginx on one side" in judged(Promise(), old=before(12, 1.0), new=mixed).because


def test_an_improvement_needs_its_mechanism() -> None:
    """What the change acts on has to move with it, if it was measured."""
    promise = Promise(mechanism="run_queue")
    moved = judged(promise, old=before(12, 1.0), new=half_minutes(12, 0.5, run_queue=0.1))
    still = judged(promise, old=before(12, 1.0), new=half_minutes(12, 0.5))
    blind = judged(Promise(mechanism="throttled"), old=before(12, 1.0), new=half_minutes(12, 0.5))
    assert [j.outcome for j in (moved, still, blind)] == [Outcome.BETTER, Outcome.UNEXPLAINED, Outcome.BETTER]
    assert "run queue did not move" in still.because
    assert "throttled was not measured" in blind.because
    idle = Promise(mechanism="idle", mechanism_rises=True)
    risen = judged(idle, old=before(12, 1.0, idle=0.05), new=half_minutes(12, 0.5, idle=0.4))
    assert risen.outcome is Outcome.BETTER


def test_the_second_look_waits_for_twice_as_many() -> None:
    """What was open at the first look is not asked again at every new bucket."""
    found = judged(Promise(), old=before(12, 1.0), new=half_minutes(23, 0.5), looks=1)
    assert (found.outcome, found.looks) == (Outcome.UNDECIDED, 1)
    assert judged(Promise(), old=before(12, 1.0), new=half_minutes(24, 0.5), looks=1).outcome is Outcome.BETTER


def test_failures_that_end_need_requests_enough() -> None:
    """One in a hundred before: silence counts after 300 requests, by the rule of three."""
    promise = Promise("errors")
    old = before(20, 1.0, failed=0.01)
    assert judged(promise, old=old, new=half_minutes(2, 1.0)).outcome is Outcome.UNDECIDED
    found = judged(promise, old=old, new=half_minutes(20, 1.0))
    assert found.outcome is Outcome.BETTER
    assert "failed 20 of 2400 -> 0 of 2400 (at most 0.12%" in found.because


def test_silence_counts_after_three_usual_intervals() -> None:
    """Ten times in an hour before: 18 minutes of nothing are needed."""
    promise, seen = Promise("events", events=("gunicorn.worker-timeout",)), Rare(10, 3600.0, 0, 1000.0)
    early = judged(promise, old=[], new=[], rare=seen)
    assert (early.outcome, early.final) == (Outcome.UNDECIDED, False)
    assert "silence counts after 17 min 58 s" in early.because
    assert judged(promise, old=[], new=[], rare=replace(seen, after_s=1100.0)).outcome is Outcome.BETTER
    worse = judged(promise, old=[], new=[], rare=replace(seen, after=12, after_s=1100.0))
    same = judged(promise, old=[], new=[], rare=replace(seen, after=4, after_s=1400.0))
    assert (worse.outcome, same.outcome) == (Outcome.WORSE, Outcome.NO_EFFECT)
    never = judged(promise, old=[], new=[], rare=Rare(0, 3600.0, 0, 9000.0))
    assert never.outcome is Outcome.UNDECIDED


def test_exact_tests_give_the_textbook_values() -> None:
    """Fisher's tea (1 of 4 wrong against 3 of 4), the rule of three, and two Poisson rates."""
    assert fisher_p(1, 4, 3, 4) == pytest.approx(0.4857, abs=1e-4)
    assert fisher_p(10, 1000, 0, 1000) == pytest.approx(0.0019095, abs=1e-6)
    assert fisher_p(0, 10, 0, 10) == 1.0
    assert highest_share(600) == 0.005
    assert silence_p(1, 100.0, 300.0) == pytest.approx(0.0498, abs=1e-4)
    assert silence_needed_s(1, 100.0) == pytest.approx(299.6, abs=0.1)
    assert rates_p(10, 100.0, 0, 100.0) == pytest.approx(2 / 1024)


def test_resampling_is_deterministic_and_exact_at_the_ends() -> None:
    """Twelve against twelve that do not overlap: no permutation of a thousand does as well; the same seed repeats."""
    low, high = [1.0 + n / 100 for n in range(12)], [2.0 + n / 100 for n in range(12)]
    assert permutation_p(low, high) <= 0.003
    assert permutation_p(low, low) == 1.0
    assert permutation_p(low, high, 5) == permutation_p(low, high, 5)
    interval = ratio_interval(low, high)
    assert 1.85 < interval.low <= interval.high < 2.02


def test_grouping_leaves_out_what_has_a_hole() -> None:
    """Equal buckets from the end on; half a group at the start and a group with a hole are not there."""
    row = half_minutes(7, 1.0, from_s=0.0)
    del row[3]
    assert [b.time_s for b in grouped(row, 60.0, from_end=True)] == [30.0, 150.0]
    assert figures([]).p95_s is None


def grown(
    n: int, per_bucket: float, *, from_s: float = CHANGE_S, start: float = 3e8, tooth: int = 10**6
) -> list[Bucket]:
    """Make half-minutes in which memory grows, back to the start after every ``tooth`` of them."""
    sides = half_minutes(n, 0.2, from_s=from_s)
    held = (start + (number % tooth) * per_bucket + 1e4 * (number * 7 % 5) for number in range(n))
    return [replace(b, gauges={**b.gauges, "memory_bytes": size}) for b, size in zip(sides, held, strict=True)]


LEAK = Promise("growth", 0.5)
OVERCOMMIT = Promise("memory", 0.05)


def test_recycled_workers_end_the_growth() -> None:
    """A sawtooth of several teeth has no slope; one that has not come back yet decides nothing."""
    old = grown(40, 4e6, from_s=CHANGE_S - 40 * GRID_S)
    found = judged(LEAK, old=old, new=grown(24, 4e6, tooth=4))
    assert (found.outcome, found.final) == (Outcome.BETTER, True)
    assert "memory grows by 457.8 MiB an hour ->" in found.because
    few = judged(LEAK, old=old, new=grown(23, 4e6, tooth=4))
    assert (few.outcome, few.final) == (Outcome.UNDECIDED, False)
    assert "23 of 24 half-minutes" in few.because


def test_memory_that_grows_on_is_no_effect_at_the_second_look() -> None:
    """And faster growth is worse; flat memory before gives nothing to compare with."""
    old = grown(40, 4e6, from_s=CHANGE_S - 40 * GRID_S)
    assert judged(LEAK, old=old, new=grown(24, 4e6)).outcome is Outcome.UNDECIDED
    assert judged(LEAK, old=old, new=grown(48, 4e6), looks=1).outcome is Outcome.NO_EFFECT
    assert judged(LEAK, old=old, new=grown(24, 8e6)).outcome is Outcome.WORSE
    assert judged(LEAK, old=grown(40, 0.0, from_s=CHANGE_S - 1200), new=grown(24, 0.0)).outcome is Outcome.UNDECIDED


def test_fewer_workers_hold_less_memory_once_they_are_grown_up() -> None:
    """The first half of the time after is left out: new workers are small whatever was changed."""
    old = grown(40, 0.0, from_s=CHANGE_S - 40 * GRID_S)
    less = grown(24, 0.0, start=2e8)
    assert judged(OVERCOMMIT, old=old, new=less).outcome is Outcome.BETTER
    assert judged(OVERCOMMIT, old=old, new=less[:23]).outcome is Outcome.UNDECIDED
    young = [*grown(12, 0.0, start=1e8), *grown(12, 0.0, from_s=CHANGE_S + 12 * GRID_S)]
    assert judged(OVERCOMMIT, old=old, new=young).outcome is Outcome.NO_EFFECT
    assert judged(OVERCOMMIT, old=old[:11], new=less).outcome is Outcome.UNDECIDED


def test_requests_that_are_no_longer_cut_off_take_longer_and_that_is_no_harm() -> None:
    """Nginx waits until they are done: the slow tenth takes twice as long and no longer fails."""
    promise = Promise("events", events=("nginx.read-timeout",))
    seen = Rare(before=12, before_s=360.0, after=0, after_s=300.0)
    found = judged(promise, old=before(12, 2.0, failed=0.1), new=half_minutes(10, 4.0), rare=seen)
    assert found.outcome is Outcome.BETTER
    same = judged(promise, old=before(12, 2.0), new=half_minutes(10, 4.0), rare=seen)
    assert same.outcome is Outcome.WORSE


def test_a_few_milliseconds_are_no_harm() -> None:
    """A busy machine adds them; thirty more are told."""
    old = before(12, 0.2)
    quick = [replace(b, clock=clock_of([(0.004, 120)])) for b in old]
    for slower_s, expected in ((0.008, False), (0.040, True)):
        new = [replace(b, clock=clock_of([(slower_s, 120)])) for b in half_minutes(4, 0.2)]
        assert (judged(Promise(), old=quick, new=new).outcome is Outcome.WORSE) == expected


def test_failures_are_told_although_the_queue_before_forgot_nothing() -> None:
    """Workers that were busy all the time make long buckets; failures do not wait for them."""
    old = before(14, 1.0, utilisation=0.99, service_mean=0.2)
    found = judged(Promise(), old=old, new=half_minutes(2, 1.0, failed=0.3))
    assert found.outcome is Outcome.WORSE
    assert "30.0% of the requests fail" in found.because
    assert judged(Promise(), old=old, new=half_minutes(2, 1.0)).outcome is Outcome.UNDECIDED


def test_times_far_beyond_all_before_are_harm_although_the_queue_forgot_nothing() -> None:
    """Six half-minutes above one and a half times the longest; five, or a little less, are not."""
    old = before(14, 1.0, utilisation=0.99, service_mean=0.2)
    for n, p95_s, expected in ((6, 2.0, True), (5, 2.0, False), (6, 1.4, False)):
        assert (judged(Promise(), old=old, new=half_minutes(n, p95_s)).outcome is Outcome.WORSE) == expected


def test_right_after_the_change_there_is_nothing_to_compare() -> None:
    """Long buckets before, and not one of that length after it."""
    old = before(60, 1.0, utilisation=0.8, service_mean=0.2)
    assert judged(Promise(), old=old, new=half_minutes(2, 5.0)).outcome is Outcome.UNDECIDED
