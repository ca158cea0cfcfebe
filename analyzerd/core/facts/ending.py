"""Facts of how requests to an endpoint ended: finished, after how long, or cut off by a limit. None: not measured."""

from __future__ import annotations

from analyzerd.core import survival
from analyzerd.core.case import Case
from analyzerd.core.endings import Ends, Tail, endpoints, ends_of, tail_of
from analyzerd.core.facts.registry import fact
from analyzerd.core.facts.stack import endpoint
from analyzerd.core.plan.formulas import RAISED
from analyzerd.model import Value

LEAST_IN_TAIL = 20
SMOOTH, STUCK = 0.20, 0.05
"""Finished in the second half of the limit, for every request that reached it."""
ELSEWHERE_SLOW = 0.01
LEAST_ELSEWHERE = 50


def limit_s(case: Case) -> float | None:
    """When gunicorn aborts a request; None where it never does or that is not known."""
    return case.number("gunicorn.timeout") or None


def ends(case: Case) -> Ends | None:
    """How the requests to the endpoint in question ended."""
    limit, name = limit_s(case), endpoint(case)
    if limit is None or name is None:
        return None
    kept: Ends | bool | None = case.remembered.get("ends", False)  # type: ignore[assignment]
    if isinstance(kept, bool):
        kept = case.remembered["ends"] = ends_of(case.endings, case.ours, str(name), limit)
    return kept


def _tail(case: Case) -> Tail | None:
    limit, found = limit_s(case), ends(case)
    return None if limit is None or found is None else tail_of(found, limit)


@fact("tail.requests")
def tail_requests(case: Case) -> Value:
    """Requests to the endpoint that took at least half of gunicorn's timeout."""
    found = _tail(case)
    return found.requests if found else None


@fact("tail.below")
def tail_below(case: Case) -> Value:
    """Those that finished in the second half of the timeout."""
    found = _tail(case)
    return found.below if found else None


@fact("tail.reached")
def tail_reached(case: Case) -> Value:
    """Those that reached the timeout."""
    found = _tail(case)
    return found.reached if found else None


@fact("tail.shape")
def tail_shape(case: Case) -> Value:
    """``smooth`` when requests finish right up to the timeout, ``stuck`` when what reaches it never finishes.

    None with fewer than 20 requests near the timeout, and between the two.
    """
    found = _tail(case)
    if found is None or found.requests < LEAST_IN_TAIL:
        return None
    if found.below >= SMOOTH * found.reached:
        return "smooth"
    return "stuck" if found.below < STUCK * found.reached else None


@fact("tail.unclear")
def tail_unclear(case: Case) -> Value:
    """Why nobody can tell whether what was cut off would have finished."""
    if limit_s(case) is None:
        return "gunicorn's timeout is not known"
    if endpoint(case) is None:
        return "which endpoint was cut off is not known"
    found = _tail(case)
    if found is None:
        return "no access log with durations of this endpoint is read"
    if found.requests < LEAST_IN_TAIL:
        return f"{found.requests} requests took half of the timeout or more, {LEAST_IN_TAIL} are needed to tell"
    return f"{found.below} requests finished shortly before the timeout for {found.reached} that reached it"


@fact("tail.own_time")
def tail_own_time(case: Case) -> Value:
    """Whether the times are the requests' own, not a wait for a free worker.

    gunicorn's clock leaves that wait out. nginx's holds it; there other endpoints tell: they would have waited too.
    """
    found, name, limit = ends(case), endpoint(case), limit_s(case)
    if found is None or limit is None or found.own:
        return None if found is None else True
    others = [ends_of(case.endings, case.ours, x, limit) for x in endpoints(case.endings, case.ours) if x != name]
    known = [one for one in others if one is not None]
    total = sum(one.finished.n for one in known)
    slow = sum(tail_of(one, limit).requests for one in known)
    return slow < ELSEWHERE_SLOW * total if total >= LEAST_ELSEWHERE else None


@fact("requests.counted")
def requests_counted(case: Case) -> Value:
    """Requests to the endpoint whose end is known, over the last hours."""
    found = ends(case)
    return found.finished.n + found.cut_off.n if found else None


@fact("requests.cut_off")
def requests_cut_off(case: Case) -> Value:
    """Those of them that were cut off."""
    found = ends(case)
    return found.cut_off.n if found else None


@fact("requests.need_s")
def requests_need(case: Case) -> Value:
    """What nearly all requests to the endpoint get along with, in seconds, those cut off counted as longer.

    The 95 % bound of their p99.9; with too few requests for that, 1.5 times the longest.
    """
    found = ends(case)
    need = survival.needed(found.finished, found.cut_off) if found else None
    return round(need[0], 1) if need else None


@fact("requests.fit")
def requests_fit(case: Case) -> Value:
    """Whether 99.9 % of the requests to the endpoint are known to fit the timeout with room; None with too few."""
    found, limit = ends(case), limit_s(case)
    if found is None or limit is None:
        return None
    bound = survival.quantile_bound(found.finished, found.cut_off)
    if bound is not None:
        return bound * RAISED <= limit
    return False if survival.quantile(found.finished, found.cut_off) is None else None
