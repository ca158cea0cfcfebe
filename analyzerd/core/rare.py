"""What few events can prove: exact tests of counts, the rule of three, and how long silence has to last."""

from __future__ import annotations

from math import ceil, comb, exp, inf, lgamma, log

SURE = 0.05


def fisher_p(failed_before: int, before: int, failed_after: int, after: int) -> float:
    """Two-sided p-value of Fisher's exact test: shares this different, if nothing had changed."""
    failed, whole = failed_before + failed_after, before + after
    if not failed or failed == whole or not before or not after:
        return 1.0
    here = _log_hypergeometric(failed_before, before, failed, whole)
    low, high = max(0, failed - after), min(failed, before)
    chances = (_log_hypergeometric(k, before, failed, whole) for k in range(low, high + 1))
    return min(1.0, sum(exp(chance) for chance in chances if chance <= here + 1e-7))


def _log_hypergeometric(k: int, drawn: int, failed: int, whole: int) -> float:
    return _log_choose(failed, k) + _log_choose(whole - failed, drawn - k) - _log_choose(whole, drawn)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def highest_share(requests: int) -> float:
    """The largest share of failures that so many requests without one leave possible (rule of three, 95 %)."""
    return 3 / requests if requests else 1.0


def silence_p(before: int, before_s: float, silent_s: float) -> float:
    """Chance of a silence of ``silent_s`` if events came on as before."""
    return exp(-before / before_s * silent_s) if before_s > 0 else 1.0


def silence_needed_s(before: int, before_s: float) -> float:
    """How long nothing must happen until chance alone explains it one time in twenty: three usual intervals."""
    return before_s / before * -log(SURE) if before else inf


def rates_p(before: int, before_s: float, after: int, after_s: float) -> float:
    """Two-sided p-value for two rates being one: of all events, so many fell into the time after (binomial, exact)."""
    n, whole_s = before + after, before_s + after_s
    if not n or not before_s or not after_s:
        return 1.0
    share = after_s / whole_s
    chances = [comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    return min(1.0, sum(chance for chance in chances if chance <= chances[after] * (1 + 1e-7)))


def requests_needed(share: float) -> int:
    """How many requests without a failure it takes to claim that a share of failures is gone."""
    return ceil(3 / share) if share > 0 else 0
