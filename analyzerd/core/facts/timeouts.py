"""Facts of a worker the arbiter gave up, and of what it did in the seconds before."""

from __future__ import annotations

from analyzerd.core.case import Case, version_tuple
from analyzerd.core.endings import Ends
from analyzerd.core.facts.ending import ends
from analyzerd.core.facts.registry import fact
from analyzerd.core.facts.stack import durations_logged, endpoint
from analyzerd.core.facts.words import is_sigkill
from analyzerd.core.ledger import worker_of
from analyzerd.model import ProcessReading, Value

AT_ONCE_S = 2.0
LEAST_OWN_SHARE = 0.1
"""Of a worker that waits for a CPU nearly all the time, the rest is too little to divide by."""
HOUR_S = 3600.0
ALERT_IN_HOUR = 3
ALERT_SHARE, LEAST_REQUESTS = 0.02, 50


def _timeout_s(case: Case) -> float | None:
    """When the arbiter gave this worker up."""
    if case.worker is None:
        return None
    found = case.find("gunicorn.worker-timeout", worker=case.worker)
    return found[0].time_s if found else None


@fact("timeout.seen")
def timeout_seen(case: Case) -> Value:
    """Whether gunicorn's arbiter timed this worker out."""
    if case.worker is None:
        return None
    return _timeout_s(case) is not None


@fact("timeout.kill_delay")
def timeout_kill_delay(case: Case) -> Value:
    """Seconds from the time-out to the SIGKILL of the same worker; None when it was not killed."""
    at = _timeout_s(case)
    killed = [s.time_s for s in case.find("gunicorn.worker-signal", worker=case.worker) if is_sigkill(s)]
    return killed[0] - at if at is not None and killed else None


@fact("timeout.exited_before")
def timeout_exited_before(case: Case) -> Value:
    """Seconds by which the worker's goodbye came before its time-out."""
    at = _timeout_s(case)
    worker = case.ledger.workers.get(case.worker or -1)
    if at is None or worker is None:
        return None
    return at - worker.exiting_s if worker.exiting_s is not None else 0.0


@fact("timeout.siblings_with_stack")
def siblings_with_stack(case: Case) -> Value:
    """Other workers of the app that timed out within five seconds and printed where they were."""
    stacks = {worker_of(s) for s in case.find("gunicorn.request-error", within_s=5.0) if s.fields.get("aborted")}
    others = {worker_of(s) for s in case.find("gunicorn.worker-timeout", within_s=5.0)} - {case.worker}
    return len(stacks & others)


@fact("worker.cpu_share")
def worker_cpu_share(case: Case) -> Value:
    """Share of the last ``timeout`` seconds before it was given up that the worker computed, 0 to 1.

    Time in which it was ready to run and had no CPU is left out: a loop on a full machine is still a loop.
    """
    at = _timeout_s(case) or case.focus.t0_s
    span_s = case.number("gunicorn.timeout") or 30.0
    if case.worker is None:
        return None
    series = [(t, r) for t, r in case.readings(case.worker, at - span_s - 0.5, at + 1.0) if r.cpu_user_s is not None]
    if len(series) < 2 or series[-1][0] - series[0][0] < min(2.0, span_s / 2):
        return None
    (t0, first), (t1, last) = series[0], series[-1]
    waited_s = ((last.wait_ns or 0) - (first.wait_ns or 0)) / 1e9
    return min(1.0, (_cpu_s(last) - _cpu_s(first)) / max(t1 - t0 - waited_s, LEAST_OWN_SHARE * (t1 - t0)))


def _cpu_s(reading: ProcessReading) -> float:
    return (reading.cpu_user_s or 0.0) + (reading.cpu_system_s or 0.0)


@fact("worker.page_reads")
def worker_page_reads(case: Case) -> Value:
    """Pages per second the worker had to read back from disk before the question: many mean that memory is short."""
    at = _timeout_s(case) or case.focus.t0_s
    span_s = case.number("gunicorn.timeout") or 30.0
    if case.worker is None:
        return None
    series = [
        (t, r.major_faults)
        for t, r in case.readings(case.worker, at - span_s - 0.5, at + 1.0)
        if r.major_faults is not None
    ]
    if len(series) < 2 or series[-1][0] <= series[0][0]:
        return None
    return (series[-1][1] - series[0][1]) / (series[-1][0] - series[0][0])


@fact("worker.blocked_on_disk")
def worker_blocked_on_disk(case: Case) -> Value:
    """Share of readings before the time-out in which the worker sat in uninterruptible sleep (state D)."""
    at = _timeout_s(case) or case.focus.t0_s
    if case.worker is None:
        return None
    span_s = case.number("gunicorn.timeout") or 30.0
    states = [r.state for _, r in case.readings(case.worker, at - span_s, at + 1.0) if r.state]
    return sum(s == "D" for s in states) / len(states) if len(states) >= 2 else None


@fact("worker.connections")
def worker_connections(case: Case) -> Value:
    """Most connections the worker held in the readings before the question."""
    at = _timeout_s(case) or case.focus.t0_s
    if case.worker is None:
        return None
    span_s = case.number("gunicorn.timeout") or 30.0
    held = [r.connections for _, r in case.readings(case.worker, at - span_s, at + 1.0) if r.connections is not None]
    return max(held) if held else None


@fact("binds")
def binds(case: Case) -> Value:
    """How many addresses gunicorn listens at."""
    return len(case.addresses) or None


@fact("endpoint.completes_within_timeout")
def endpoint_completes(case: Case) -> Value:
    """Longest completed request to the same endpoint, in seconds, where it is under the time-out."""
    limit_s, path = case.number("gunicorn.timeout"), endpoint(case)
    if limit_s is None or path is None or not case.witnesses.reads("gunicorn.access"):
        return None
    done = [
        float(d)
        for s in case.find("gunicorn.request-slow", within_s=600.0)
        if s.fields.get("endpoint") == path
        and isinstance(d := s.fields.get("duration_s"), int | float)
        and limit_s / 2 <= d < limit_s
    ]
    if done:
        return max(done)
    return 0.0 if durations_logged(case) else None


@fact("timeout.in_full")
def timeout_in_full(case: Case) -> Value:
    """Whether the request had all of `timeout`: several binds of a sync worker may cut it to half of that."""
    if case.setting("gunicorn.worker_class") not in (None, "sync") or len(case.addresses) < 2:
        return True
    limit_s, waited_s = case.number("gunicorn.timeout"), _nginx_waited_s(case)
    if limit_s is not None and waited_s is not None:
        return waited_s >= limit_s
    finished_s = endpoint_completes(case)
    return None if finished_s is None else not finished_s


def _nginx_waited_s(case: Case) -> float | None:
    """Shortest wait of nginx for a request to the endpoint that failed in that moment."""
    waits = [
        float(waited)
        for s in case.find("nginx.request-failed", within_s=AT_ONCE_S)
        if s.fields.get("endpoint") == endpoint(case) and isinstance(waited := s.fields.get("upstream_s"), int | float)
    ]
    return min(waits, default=None)


@fact("timeout.cut_short")
def timeout_cut_short(case: Case) -> Value:
    """Whether the worker was timed out while it still served (it had not said goodbye before)."""
    if case.worker is None:
        return None
    before_s = timeout_exited_before(case)
    return bool(timeout_seen(case)) and (before_s is None or float(before_s) < 1.5)


@fact("timeout.at_boot")
def timeout_at_boot(case: Case) -> Value:
    """How many workers in a row were timed out as soon as the limit allows after their boot.

    Only counted from the second on: one such worker can as well have met a slow request at once.
    """
    if case.worker is None or not case.witnesses.reads("gunicorn"):
        return None
    lives = [
        s.time_s - case.ledger.workers[pid].booted_s
        for s in case.find("gunicorn.worker-timeout", within_s=60.0)
        if (pid := worker_of(s)) is not None and pid in case.ledger.workers
    ]
    limit_s = case.number("gunicorn.timeout") or min(lives, default=0.0)
    at_once = sum(life <= limit_s + AT_ONCE_S for life in lives)
    return at_once if at_once >= 2 and at_once == len(lives) else 0


@fact("timeout.after_first_beat")
def timeout_after_first_beat(case: Case) -> Value:
    """Whether gunicorn times out only workers that were ready once (22 and later); False where none was timed out."""
    if not timeout_seen(case):
        return False
    version = version_tuple(case.ledger.version)
    return version >= (22,) if version else None


@fact("timeout.in_hour")
def timeout_in_hour(case: Case) -> Value:
    """Workers of the app that were timed out in the hour before the question's end, and since."""
    if not case.witnesses.reads("gunicorn"):
        return None
    return sum(at >= case.focus.t1_s - HOUR_S for at in case.ledger.timed_out.values())


@fact("timeout.isolated")
def timeout_isolated(case: Case) -> Value:
    """Whether a time-out stands alone: fewer than three in an hour, rare at its endpoint, and not of all workers.

    Rare is under 2 % of the requests to the endpoint, of at least 50; all workers counts within twice the timeout.
    """
    count, workers = timeout_in_hour(case), crew(case)
    if not timeout_seen(case) or not isinstance(count, int) or workers is None:
        return None
    found = ends(case)
    often = found is not None and _cut_share(found) >= ALERT_SHARE
    return count < ALERT_IN_HOUR and not often and _together(case) < workers


def _cut_share(found: Ends) -> float:
    """Share of requests that were cut off; 0 of too few."""
    n = found.finished.n + found.cut_off.n
    return found.cut_off.n / n if n >= LEAST_REQUESTS else 0.0


def _together(case: Case) -> int:
    """Workers that were timed out within twice the timeout of the question."""
    span_s = 2 * (case.number("gunicorn.timeout") or 30.0)
    return sum(case.distance_s(at) <= span_s for at in case.ledger.timed_out.values())


def crew(case: Case) -> int | None:
    """How many workers there are: as configured, else as many as were up at the question."""
    wanted = case.number("gunicorn.workers")
    if wanted:
        return int(wanted)
    up = sum(w.booted_s <= case.focus.t0_s <= w.gone_s for w in case.ledger.workers.values())
    return up or None
