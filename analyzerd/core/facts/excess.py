"""Facts of a time limit far above what requests need, and of the workers it lets stuck requests hold."""

from __future__ import annotations

from analyzerd.core import survival
from analyzerd.core.case import Case
from analyzerd.core.endings import endpoints, ends_of
from analyzerd.core.facts.ending import limit_s
from analyzerd.core.facts.registry import fact
from analyzerd.core.facts.timeouts import crew
from analyzerd.core.plan import formulas
from analyzerd.formats.clock import NOTHING, OTHERS
from analyzerd.model import Sample, Value

LEAST_REQUESTS = 1000
SAMPLED_S, LOOK_BACK_S = 60.0, 600.0


def need(case: Case) -> tuple[float, int] | None:
    """Seconds that finished requests of the slowest endpoint need, and how many finished; None under 1000 of them.

    What was cut off is left out: whether that would have finished is asked elsewhere (tail.shape).
    """
    limit = limit_s(case)
    if limit is None:
        return None
    names = [*endpoints(case.endings, case.ours), OTHERS]
    found = [one for name in names if (one := ends_of(case.endings, case.ours, name, limit)) is not None]
    total = sum(one.finished.n for one in found)
    needs = [needed[0] for one in found if (needed := survival.needed(one.finished, NOTHING)) is not None]
    return (max(needs), total) if total >= LEAST_REQUESTS else None


def enough_s(case: Case) -> int | None:
    """A timeout that would do: 1.5 times what requests need, at least 10 s."""
    found = need(case)
    return None if found is None else formulas.lower_timeout(found[0])


@fact("valid.need_s")
def valid_need(case: Case) -> Value:
    """What nearly all finished requests of every endpoint get along with, in seconds; None under 1000 requests."""
    found = need(case)
    return None if found is None else round(found[0], 1)


@fact("valid.finished")
def valid_finished(case: Case) -> Value:
    """Requests that finished over the last hours."""
    found = need(case)
    return None if found is None else found[1]


@fact("timeout.excess")
def timeout_excess(case: Case) -> Value:
    """Gunicorn's timeout over one that would do: 1.5 times what requests need, at least 10 s."""
    limit, enough = limit_s(case), enough_s(case)
    return None if limit is None or enough is None else round(limit / enough, 1)


@fact("slots.stuck_percent")
def stuck_percent(case: Case) -> Value:
    """Worker time that went to requests older than a timeout that would do, in percent.

    From the readings of the last minute where they show connections and heartbeats; else from how many workers were
    timed out in the last ten minutes, or twice the timeout.
    """
    limit, enough, workers = limit_s(case), enough_s(case), crew(case)
    if limit is None or enough is None:
        return None
    from_s = case.focus.t0_s - SAMPLED_S
    seen = [_stuck(case, s, enough) for s in case.samples if from_s <= s.time_s <= case.focus.t1_s]
    readings = sum(n for n, _ in seen)
    if readings >= 2:
        return round(100 * sum(stuck for _, stuck in seen) / readings)
    if not workers or not case.witnesses.reads("gunicorn"):
        return None
    span_s = max(LOOK_BACK_S, 2 * limit)
    lost = sum(case.focus.t1_s - span_s <= at <= case.focus.t1_s for at in case.ledger.timed_out.values())
    return round(100 * min(1.0, lost * limit / (workers * span_s)))


def _stuck(case: Case, sample: Sample, enough: float) -> tuple[int, int]:
    """Workers of an instant whose requests can be seen, and those among them that serve one for too long."""
    seen = [
        r.connections >= 1 and r.heartbeat_age_s >= enough
        for r in sample.processes
        if r.role == "worker" and case.ours.unit(r.unit)
        if r.connections is not None and r.heartbeat_age_s is not None
    ]
    return len(seen), sum(seen)
