"""Whether a change did what was promised of it: better, no effect, worse, or not decidable yet and why.

Looks twice at most (at half of the level each), so that waiting for luck does not help; harm is looked for all the
time. Pure and seeded: the same numbers give the same verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from analyzerd.core import rare
from analyzerd.core.arms import LEAST_BUCKETS, Arms, bucket_seconds, comparable, enough_requests_s
from analyzerd.core.buckets import GRID_S, Bucket, figures, gauge, grouped, joined
from analyzerd.core.estimators import fine_percentile, mean, slope
from analyzerd.core.resample import Interval, permutation_p, ratio_interval
from analyzerd.formats.clock import FIRST_EDGE_S
from analyzerd.model import Figures, Outcome
from analyzerd.units import format_bytes, format_duration

LEVEL = 0.05
LOOKS = (LEAST_BUCKETS, 2 * LEAST_BUCKETS)
HARM_TIMES = 1.5
HARM_BUCKETS = 2
HARM_SLOW_BUCKETS = 3
"""Times need one bucket more: near saturation two bad ones running are mere chance too often."""
HARM_LEVEL = 0.01
HARM_LEAST_S = 0.03
"""A few milliseconds more are what a busy machine adds, and nobody waits longer for them."""
WORSE_BY = 0.10
MOVED = 0.20
TOO_SMALL_GAUGE = 1e-6
LEAST = {"memory": 0.05, "growth": 0.50}
"""Less noisy than request times: a smaller change can be told; a leak that goes on half as fast is still one."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a recommendation said would happen, before it did.

    ``metric``: p50, p95, mean (of request times), errors (share of failed requests), events (the signals in
    ``events``, per time), memory (of the app) or growth (of its memory). It has to fall by the share ``least``.
    ``mechanism``: the gauge that has to move with it
    if the change is the reason, up where ``mechanism_rises``.
    """

    metric: str = "p95"
    least: float = 0.20
    mechanism: str = ""
    mechanism_rises: bool = False
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rare:
    """Moments with an event, and how long was looked, before and after."""

    before: int = 0
    before_s: float = 0.0
    after: int = 0
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What is known of a change: half-minutes before it, and after it and its warm-up. ``looks``: taken so far.

    ``ended``: nothing more will be waited for.
    """

    before: Sequence[Bucket]
    after: Sequence[Bucket]
    rare: Rare = field(default_factory=Rare)
    looks: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer with its numbers. ``change``: ratio of after to before; ``final``: it will not be asked again."""

    outcome: Outcome
    because: str
    final: bool = False
    looks: int = 0
    change: float | None = None
    interval: Interval | None = None
    p: float | None = None
    before: Figures = field(default_factory=Figures)
    after: Figures = field(default_factory=Figures)


def judge_change(promise: Promise, trial: Trial) -> Judgement:
    """Weigh a change against its promise."""
    harm = _harm(trial)
    found = _explained(promise, trial, harm or _METHODS.get(promise.metric, _times)(promise, trial))
    if trial.ended and not found.final:
        found = replace(found, final=True)
    return replace(found, before=figures(trial.before), after=figures(trial.after))


# ---- request times --------------------------------------------------------------------------------------


def _times(promise: Promise, trial: Trial) -> Judgement:
    """Permutation test on buckets at equal load."""
    arms = comparable(trial.before, trial.after)
    if arms.why:
        return Judgement(Outcome.UNDECIDED, arms.why, looks=trial.looks)
    if trial.looks >= len(LOOKS):
        return Judgement(Outcome.UNDECIDED, "it was looked at twice", final=True, looks=trial.looks)
    if trial.looks and len(arms.after) < LOOKS[trial.looks] and not trial.ended:
        return Judgement(Outcome.UNDECIDED, _wait(arms, LOOKS[trial.looks]), looks=trial.looks)
    return _tested(promise, trial, arms)


def _tested(promise: Promise, trial: Trial, arms: Arms) -> Judgement:
    low, high = _statistic(promise.metric, arms.before), _statistic(promise.metric, arms.after)
    p, interval, ratio = permutation_p(low, high), ratio_interval(low, high), median(high) / median(low)
    said = _said(promise.metric, low, high, interval, p, arms)
    last = trial.ended or trial.looks + 1 >= len(LOOKS)
    outcome = _outcome(promise, ratio, interval, p)
    if outcome is Outcome.UNDECIDED:
        said += f"; too wide to tell a change of {promise.least:.0%} from none"
    elif outcome is Outcome.NO_EFFECT:
        said += f"; {promise.least:.0%} less was promised"
    return Judgement(outcome, said, outcome is not Outcome.UNDECIDED or last, trial.looks + 1, ratio, interval, p)


def _outcome(promise: Promise, ratio: float, interval: Interval, p: float) -> Outcome:
    sure = p < LEVEL / len(LOOKS) and not interval.low <= 1 <= interval.high
    if sure and ratio <= 1 - promise.least:
        return Outcome.BETTER
    if sure and ratio >= 1 + WORSE_BY:
        return Outcome.WORSE
    return Outcome.NO_EFFECT if interval.low > 1 - promise.least else Outcome.UNDECIDED


_STATISTICS: dict[str, Callable[[Bucket], float | None]] = {
    "p50": lambda b: fine_percentile(b.clock, 0.5),
    "p95": lambda b: fine_percentile(b.clock, 0.95),
    "mean": lambda b: mean(b.clock),
}


def _statistic(metric: str, buckets: Sequence[Bucket]) -> list[float]:
    return [_STATISTICS[metric](b) or FIRST_EDGE_S for b in buckets]


def _said(
    metric: str, before: Sequence[float], after: Sequence[float], interval: Interval, p: float, arms: Arms
) -> str:
    low, high = median(before), median(after)
    span = f"{interval.low - 1:+.0%} to {interval.high - 1:+.0%}"
    counts = f"{len(before)} and {len(after)} buckets of {format_duration(arms.bucket_s)} at equal load"
    moved = f"{format_duration(low)} -> {format_duration(high)} ({high / low - 1:+.0%}, 90 % interval {span})"
    return f"{metric} {moved}, {counts}, p = {p:.3f}"


def _wait(arms: Arms, needed: int) -> str:
    return f"the first look left it open; {len(arms.after)} of {needed} buckets of {format_duration(arms.bucket_s)}"


# ---- failures and rare events ---------------------------------------------------------------------------


def _errors(promise: Promise, trial: Trial) -> Judgement:
    """Fisher's exact test of the shares, and of silence the rule of three."""
    if not trial.before or not trial.after:
        return Judgement(Outcome.UNDECIDED, "no requests were measured on one side of the change", looks=trial.looks)
    one, two = joined(trial.before), joined(trial.after)
    if not one.failed and not two.failed:
        return Judgement(Outcome.UNDECIDED, "no request failed before the change either", looks=trial.looks)
    shares = [b.failed / b.requests if b.requests else 0.0 for b in (one, two)]
    needed = rare.requests_needed(shares[0])
    said = f"failed {one.failed} of {one.requests} -> {two.failed} of {two.requests}"
    if two.requests < max(needed, 50) or len(trial.after) < LEAST_BUCKETS:
        return Judgement(Outcome.UNDECIDED, f"{said}; to claim less takes {max(needed, 50)} requests")
    if not two.failed:
        said += f" (at most {rare.highest_share(two.requests):.2%}, 95 % sure)"
    p = rare.fisher_p(one.failed, one.requests, two.failed, two.requests)
    ratio = shares[1] / shares[0] if shares[0] else None
    outcome = _of_counts(promise, p, ratio)
    return Judgement(outcome, f"{said}, p = {p:.3f}", outcome is not Outcome.UNDECIDED, change=ratio, p=p)


def _events(promise: Promise, trial: Trial) -> Judgement:
    """Exponential waiting: silence counts once it has lasted three times the usual interval."""
    seen = trial.rare
    if not seen.before:
        return Judgement(Outcome.UNDECIDED, "it was not seen before the change while requests were measured")
    usual = f"every {format_duration(seen.before_s / seen.before)}"
    needed_s = rare.silence_needed_s(seen.before, seen.before_s)
    if seen.after_s < needed_s:
        said = f"{seen.after} times in {format_duration(seen.after_s)} after the change, before {usual}"
        return Judgement(Outcome.UNDECIDED, f"{said}; silence counts after {format_duration(needed_s)}")
    if not seen.after:
        p = rare.silence_p(seen.before, seen.before_s, seen.after_s)
        said = f"before {usual}, not once in {format_duration(seen.after_s)} after the change, p = {p:.3f}"
        return Judgement(Outcome.BETTER, said, True, change=0.0, p=p)
    p = rare.rates_p(seen.before, seen.before_s, seen.after, seen.after_s)
    ratio = seen.after / seen.after_s / (seen.before / seen.before_s)
    said = f"before {usual}, after the change every {format_duration(seen.after_s / seen.after)}, p = {p:.3f}"
    outcome = _of_counts(promise, p, ratio)
    return Judgement(outcome, said, outcome is not Outcome.UNDECIDED, change=ratio, p=p)


def _of_counts(promise: Promise, p: float, ratio: float | None) -> Outcome:
    if p < LEVEL:
        fewer = ratio is not None and ratio <= 1 - promise.least
        return Outcome.BETTER if fewer else Outcome.WORSE if ratio is None or ratio > 1 else Outcome.NO_EFFECT
    return Outcome.NO_EFFECT if ratio is not None and ratio > 1 - promise.least else Outcome.UNDECIDED


# ---- memory ---------------------------------------------------------------------------------------------


def _memory(promise: Promise, trial: Trial) -> Judgement:
    """What the app holds once its workers are as old as those before: the first half of the time after is left out."""
    needed = LEAST_BUCKETS * 2 ** (trial.looks + 1)
    low = [b.gauges["memory_bytes"] for b in trial.before if "memory_bytes" in b.gauges][-needed // 2 :]
    high = [b.gauges["memory_bytes"] for b in trial.after if "memory_bytes" in b.gauges]
    if len(low) < LEAST_BUCKETS:
        return Judgement(Outcome.UNDECIDED, f"memory was measured in {len(low)} of {LEAST_BUCKETS} half-minutes before")
    if len(high) < needed and not (trial.ended and len(high) >= 2 * LEAST_BUCKETS):
        said = f"{len(high)} of {needed} half-minutes measured: new workers have not grown yet"
        return Judgement(Outcome.UNDECIDED, said, looks=trial.looks)
    high = high[len(high) // 2 :]
    p, interval, ratio = permutation_p(low, high), ratio_interval(low, high), median(high) / median(low)
    said = f"memory {format_bytes(median(low))} -> {format_bytes(median(high))} ({ratio - 1:+.0%}), p = {p:.3f}"
    outcome, last = _outcome(promise, ratio, interval, p), trial.ended or trial.looks + 1 >= len(LOOKS)
    return Judgement(outcome, said, outcome is not Outcome.UNDECIDED or last, trial.looks + 1, ratio, interval, p)


def _growth(promise: Promise, trial: Trial) -> Judgement:
    """How fast memory grows, by Theil-Sen; recycled workers make a sawtooth, whose slope is none over several teeth."""
    needed = LEAST_BUCKETS * 2 ** (trial.looks + 1)
    old, new = (slope(_memory_points(side)) for side in (trial.before, trial.after))
    if old is None or old.low <= 0:
        return Judgement(Outcome.UNDECIDED, "how fast memory grew before the change was not measured")
    if new is None or (len(trial.after) < needed and not trial.ended):
        said = f"{len(trial.after)} of {needed} half-minutes measured: too few for a slope"
        return Judgement(Outcome.UNDECIDED, said, looks=trial.looks)
    ratio, looks = max(0.0, new.per_unit / old.per_unit), trial.looks + 1
    hourly = [f"{format_bytes(max(0.0, s.per_unit) * 3600)} an hour" for s in (old, new)]
    said = f"memory grows by {hourly[0]} -> {hourly[1]}, over {format_duration(len(trial.after) * GRID_S)}"
    if new.high <= old.per_unit * (1 - promise.least):
        return Judgement(Outcome.BETTER, said, True, looks, ratio)
    if new.low > old.per_unit * (1 + promise.least):
        return Judgement(Outcome.WORSE, said, True, looks, ratio)
    if new.low > old.per_unit * (1 - promise.least) and looks >= len(LOOKS):
        return Judgement(Outcome.NO_EFFECT, said, True, looks, ratio)
    return Judgement(Outcome.UNDECIDED, f"{said}; too wide to tell", trial.ended, looks, ratio)


def _memory_points(buckets: Sequence[Bucket]) -> list[tuple[float, float]]:
    return [(b.time_s, b.gauges["memory_bytes"]) for b in buckets if "memory_bytes" in b.gauges]


_METHODS: dict[str, Callable[[Promise, Trial], Judgement]] = {
    "errors": _errors,
    "events": _events,
    "memory": _memory,
    "growth": _growth,
}


# ---- harm, and what explains an improvement -------------------------------------------------------------


def _harm(trial: Trial) -> Judgement | None:
    """Two buckets running that fail twice as often, or three that take half as long again at no higher load.

    Where the queue before took so long to forget that too few buckets of that length are known, shorter ones do: for
    failures, which do not queue, and for times that are half as long again as the longest before.
    """
    short_s, long_s = enough_requests_s(trial.before), bucket_seconds(trial.before, ())
    if short_s == float("inf"):
        return None
    before, after = grouped(trial.before, short_s, from_end=True), grouped(trial.after, short_s)
    if len(before) < LEAST_BUCKETS / 2 or len(after) < HARM_BUCKETS:
        return None
    if failing := _failing(before, after[-HARM_BUCKETS:]):
        return failing
    settled = grouped(trial.before, long_s, from_end=True)
    if len(settled) < LEAST_BUCKETS / 2:
        return _slower(before, after[-2 * HARM_SLOW_BUCKETS :], beyond_all=True)
    return _slower(settled, grouped(trial.after, long_s)[-HARM_SLOW_BUCKETS:])


def _failing(before: Sequence[Bucket], last: Sequence[Bucket]) -> Judgement | None:
    one, two = joined(before), joined(last)
    if not one.requests or any(not b.requests for b in last):
        return None
    share = one.failed / one.requests
    limit = max(share + 0.01, 2 * share)
    p = rare.fisher_p(one.failed, one.requests, two.failed, two.requests)
    if any(b.failed / b.requests <= limit for b in last) or p >= HARM_LEVEL:
        return None
    said = f"{two.failed / two.requests:.1%} of the requests fail, before the change {share:.1%}"
    return Judgement(Outcome.WORSE, said, True, change=two.failed / two.requests / share if share else None, p=p)


def _slower(before: Sequence[Bucket], last: Sequence[Bucket], *, beyond_all: bool = False) -> Judgement | None:
    usual = [value for b in before if (value := fine_percentile(b.clock, 0.95))]
    now = [fine_percentile(b.clock, 0.95) or 0.0 for b in last]
    needed = LEAST_BUCKETS / 2
    if len(usual) < needed or len(now) < (needed if beyond_all else HARM_SLOW_BUCKETS):
        return None
    if min(b.rate for b in last) > 1.15 * median(b.rate for b in before):
        return None
    worst = max(usual) * (HARM_TIMES if beyond_all else 1.0)
    if min(now) <= max(HARM_TIMES * median(usual), median(usual) + HARM_LEAST_S, worst):
        return None
    if _cut_off(joined(before)) > 2 * _cut_off(joined(last)):
        return None
    ratio = min(now) / median(usual)
    said = f"p95 {format_duration(median(usual))} -> {format_duration(min(now))} or more, {len(now)} buckets running"
    return Judgement(Outcome.WORSE, said, True, change=ratio)


def _cut_off(side: Bucket) -> float:
    """Share of failed requests; one that is no longer cut off takes longer than one that was, which is no harm."""
    return side.failed / side.requests if side.requests else 0.0


def _explained(promise: Promise, trial: Trial, found: Judgement) -> Judgement:
    """Better counts as the change's doing only where what it acts on has moved, as far as that was measured."""
    if found.outcome is not Outcome.BETTER or not promise.mechanism:
        return found
    before, after = gauge(trial.before, promise.mechanism), gauge(trial.after, promise.mechanism)
    name = promise.mechanism.replace("_", " ")
    if before is None or after is None or before < TOO_SMALL_GAUGE:
        return replace(found, because=f"{found.because}; {name} was not measured")
    if after >= before * (1 + MOVED) if promise.mechanism_rises else after <= before * (1 - MOVED):
        return replace(found, because=f"{found.because}; {name} {before:.3g} -> {after:.3g}")
    said = f"{found.because}; but {name} did not move with it: {before:.3g} -> {after:.3g}"
    return replace(found, outcome=Outcome.UNEXPLAINED, because=said)
