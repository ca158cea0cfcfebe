"""Facts of an app against its own past: whether it is slower, busier, worse than usual at this hour of the week.

None until there is a past to compare with. What is usual is learnt in core/baselines.py.
"""

from __future__ import annotations

from analyzerd.core.baselines import WHOLE, Hour, usual
from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.past import Compared, slower
from analyzerd.model import Value


def _slower(case: Case) -> Compared | None:
    return slower(case.compared)


def _usual(case: Case) -> Hour | None:
    return usual(case.baseline, WHOLE, case.focus.t1_s)


@fact("service.compared")
def service_compared(case: Case) -> Value:
    """Whether there was a past to compare with."""
    return bool(case.compared)


@fact("service.slower")
def service_slower(case: Case) -> Value:
    """Whether an endpoint takes three times its own past and 200 ms more; None where there is no past."""
    return _slower(case) is not None if case.compared else None


@fact("service.endpoint")
def service_endpoint(case: Case) -> Value:
    """The endpoint that slowed down most."""
    found = _slower(case)
    return found.endpoint if found else None


@fact("service.before_s")
def service_before(case: Case) -> Value:
    """Its usual time before."""
    found = _slower(case)
    return round(found.before_s, 3) if found else None


@fact("service.after_s")
def service_after(case: Case) -> Value:
    """Its usual time now."""
    found = _slower(case)
    return round(found.after_s, 3) if found else None


@fact("service.past")
def service_past(case: Case) -> Value:
    """What it was compared with, in words."""
    found = _slower(case) or next(iter(case.compared), None)
    if found is None:
        return None
    if not found.weeks:
        return "the minutes before, as there is no baseline of this hour of the week yet"
    return f"the same hour of {found.weeks} weeks" if found.weeks > 1 else "the same hour a week ago"


@fact("usual.known")
def usual_known(case: Case) -> Value:
    """Whether it is known what is usual for the app at this hour of the week."""
    return _usual(case) is not None


@fact("usual.rate")
def usual_rate(case: Case) -> Value:
    """Requests per second that are usual at this hour of the week."""
    hour = _usual(case)
    return None if hour is None or hour.rate is None else round(hour.rate, 1)


@fact("usual.upstream_p95")
def usual_upstream_p95(case: Case) -> Value:
    """What nginx usually waits for the app at this hour of the week (p95), in seconds."""
    hour = _usual(case)
    return None if hour is None or hour.upstream_p95_s is None else round(hour.upstream_p95_s, 3)


@fact("usual.failed_percent")
def usual_failed_percent(case: Case) -> Value:
    """Share of requests that usually fail at this hour of the week."""
    hour = _usual(case)
    return None if hour is None or hour.failed_share is None else round(100 * hour.failed_share, 1)


@fact("load.rate_over_usual")
def rate_over_usual(case: Case) -> Value:
    """Requests per second over those usual at this hour of the week: 2 is twice as many."""
    rate, before = case.load.rate, usual_rate(case)
    return round(rate / before, 1) if rate is not None and isinstance(before, int | float) and before else None
