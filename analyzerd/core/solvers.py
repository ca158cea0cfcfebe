"""Formulas that turn measured numbers into a proposed value, with the arithmetic written out.

A solver returns None when an input is missing: no number is better than a guess. Sources: the formula sheet
the causes' pages cite.
"""

from __future__ import annotations

import math

from analyzerd.core import sizing, time_limits
from analyzerd.core.case import Case
from analyzerd.core.facts import FACTS
from analyzerd.core.footprint import reserve_of
from analyzerd.core.solver import SOLVERS, Answer, Solver, solver
from analyzerd.units import format_bytes

__all__ = ["SOLVERS", "Answer", "Solver", "sizing", "solver", "time_limits"]

QUEUE_MARGIN_S = 2


def _fact_number(case: Case, name: str) -> float | None:
    value = FACTS[name](case)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@solver("proxy_read_timeout_over_gunicorn")
def proxy_read_timeout(case: Case) -> Answer | None:
    """Nginx waits longer than gunicorn's own limit, or than the longest request that finished."""
    current = case.number("nginx.proxy_read_timeout")
    finished = _fact_number(case, "mismatch.completed_s") or 0.0
    own = case.number("gunicorn.timeout") if case.setting("gunicorn.worker_class") == "sync" else None
    if current is None or (not finished and own is None):
        return None
    limit_s = max(own or 0.0, math.ceil(finished * 1.3))
    proposed = math.ceil(limit_s) + QUEUE_MARGIN_S
    if proposed <= current:
        return None
    basis = (
        f"gunicorn timeout {own:g} s"
        if own and own >= limit_s
        else f"1.3 x {finished:.1f} s, the longest that finished"
    )
    return Answer(f"{current:g}s", f"{proposed}s", f"{basis} + {QUEUE_MARGIN_S} s for waiting in the queue")


@solver("pool_for_threads")
def pool_for_threads(case: Case) -> Answer | None:
    """One pooled connection for every request a worker can run at once."""
    threads, pool = _fact_number(case, "gunicorn.concurrency"), _fact_number(case, "pool.size")
    if threads is None or pool is None or threads <= pool:
        return None
    return Answer(int(pool), int(threads), f"{threads:g} requests at once per worker > {pool:g} pooled connections")


@solver("workers_for_memory")
def workers_for_memory(case: Case) -> Answer | None:
    """As many workers as fit the limit that was hit, with a reserve."""
    limit, per_worker = (
        _fact_number(case, "oom.limit_bytes"),
        _fact_number(case, "workers.memory_median_bytes"),
    )
    current = case.number("gunicorn.workers")
    if not limit or not per_worker or current is None:
        return None
    reserve = reserve_of(limit)
    fits = int((limit - reserve) // per_worker)
    if fits < 1 or fits >= current:
        return None
    sums = f"({format_bytes(limit)} - {format_bytes(reserve)} reserve) / {format_bytes(per_worker)} per worker"
    return Answer(int(current), fits, f"{sums} = {fits}")


@solver("memory_for_spike")
def memory_for_spike(case: Case) -> Answer | None:
    """A limit that would have held this one request beside the other workers."""
    limit, victim = _fact_number(case, "oom.limit_bytes"), _fact_number(case, "oom.victim_bytes")
    if not limit or not victim:
        return None
    needed = limit + victim
    return Answer(
        format_bytes(limit),
        "",
        f"the victim alone held {format_bytes(victim)} when it was stopped at {format_bytes(limit)}"
        f"; a limit below about {format_bytes(needed)} would be hit again by the same request",
    )


@solver("single_bind_timeout")
def single_bind_timeout(case: Case) -> Answer | None:
    """With several binds a sync worker's limit is halved at worst: doubled it is what was meant."""
    timeout = case.number("gunicorn.timeout")
    if timeout is None:
        return None
    return Answer(int(timeout), int(timeout * 2), f"2 x {timeout:g} s, because several binds can halve it")


@solver("backlog_for_stall")
def backlog_for_stall(case: Case) -> Answer | None:
    """Gunicorn's usual backlog where it was set lower."""
    backlog = case.number("gunicorn.backlog")
    if backlog is None or backlog >= 2048:
        return None
    return Answer(
        int(backlog),
        2048,
        "gunicorn's default; the kernel caps it at net.core.somaxconn (4096 on current kernels)",
    )


@solver("nginx_connections")
def nginx_connections(case: Case) -> Answer | None:
    """Four times the limit that was hit: two connections per proxied request, and room for the peak."""
    limit = _fact_number(case, "nginx.worker_connections")
    if not limit:
        return None
    return Answer(int(limit), int(limit * 4), f"2 connections per proxied request x 2 for the peak x {limit:g}")


@solver("requests_for_recycling")
def max_requests(case: Case) -> Answer | None:
    """Ten times fewer recyclings, until gunicorn is upgraded."""
    current = case.number("gunicorn.max_requests")
    if not current:
        return None
    return Answer(
        int(current),
        int(current * 10),
        f"10 x {current:g}: a tenth of the restarts, a tenth of the lost requests",
    )
