"""What causes ask of the plan: databases, queues, files, connections. Registered under the names rules use.

Each turns measured numbers into a wanted value with the arithmetic written out, or says which input is missing.
"""

from __future__ import annotations

from analyzerd.core import sizing, time_limits
from analyzerd.core.case import Case
from analyzerd.core.facts import FACTS
from analyzerd.core.footprint import reserve_of
from analyzerd.core.plan import Refusal, Want, formulas
from analyzerd.core.plan.constraints import connections_of
from analyzerd.core.plan.reading import given
from analyzerd.core.solver import SOLVERS, Answer, Note, Solver, solver
from analyzerd.units import format_bytes

__all__ = ["SOLVERS", "Answer", "Note", "Solver", "sizing", "solver", "time_limits"]

GUNICORN_BACKLOG = 2048
ONCE_MORE = 2


def fact_number(case: Case, name: str) -> float | None:
    """A fact that is a number, None where it is not."""
    value = FACTS[name](case)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@solver("pool_for_threads")
def pool_for_threads(case: Case) -> Answer:
    """One pooled connection for every request a worker can run at once, as far as the database has them."""
    plan = given(case).before
    if plan.concurrency is None:
        return Refusal("pool_size", "how many requests a worker runs at once is not known")
    if plan.pool is None:
        return Refusal("pool_size", f"the pool's size is not known; it takes {plan.concurrency}, one for each thread")
    why = f"{plan.concurrency} requests at once per worker, {plan.pool} pooled connections"
    if plan.concurrency <= plan.pool:
        return Refusal("pool_size", f"there are enough: {why}; look for connections that are not given back")
    return Want("pool_size", plan.concurrency, why)


@solver("pool_for_database")
def pool_for_database(case: Case) -> Answer:
    """What the database has to give, for each worker: max_connections less eight and what others use."""
    g = given(case)
    m, plan = g.machine, g.before
    if m.max_connections is None:
        return Refusal("pool_size", "the database's max_connections is not known: state it in analyzerd.yaml")
    if plan.workers is None:
        return Refusal("pool_size", "the number of workers is not known")
    fit = formulas.pool_for_database(m.max_connections, m.other_connections, m.instances, plan.workers)
    others = f" - {m.other_connections} of others" if m.other_connections else ""
    several = f"{m.instances} machines x " if m.instances > 1 else ""
    why = f"({m.max_connections} - {formulas.KEPT_FOR_OTHERS}{others}) / ({several}{plan.workers} workers) = {fit}"
    if fit < 1:
        return Refusal("pool_size", f"{why}: not one for each worker; fewer workers, or PgBouncer between")
    if plan.pool is not None and plan.pool <= fit:
        return Refusal("pool_size", f"{plan.pool} for each worker fit: {why}; who else opens connections?")
    return Want("pool_size", fit, why, most=True)


@solver("pool_timeout_below_gunicorn")
def pool_timeout(case: Case) -> Answer:
    """A third of the requests' time limit, at most 10 s: the pool's own error then comes before the worker dies."""
    plan = given(case).before
    limit = plan.read_timeout if plan.worker_class == "gthread" and plan.read_timeout else plan.timeout
    if limit is None:
        return Refusal("pool_timeout", "the time limit of requests is not known")
    wanted, why = formulas.pool_timeout(limit), f"the smaller of 10 s and a third of {limit} s"
    if plan.pool_timeout is not None and plan.pool_timeout <= wanted:
        return Refusal("pool_timeout", f"{plan.pool_timeout} s are short enough: {why}")
    return Want("pool_timeout", wanted, why)


@solver("workers_for_memory")
def workers_for_memory(case: Case) -> Answer:
    """As many workers as fit nine tenths of the limit that was hit, with a reserve."""
    limit, per_worker = fact_number(case, "oom.limit_bytes"), fact_number(case, "workers.memory_median_bytes")
    current = given(case).before.workers
    if not limit:
        return Refusal("workers", "the limit that was hit is not known")
    if not per_worker or current is None:
        return Refusal("workers", "the memory of the workers was not read before the kill")
    reserve = reserve_of(limit)
    fits = formulas.fit(limit, reserve, 0.0, per_worker)
    sums = f"({formulas.TIGHT_SHARE:g} x {format_bytes(limit)} - {format_bytes(reserve)} reserve)"
    why = f"{sums} / {format_bytes(per_worker)} per worker = {fits}"
    if fits < 1:
        return Refusal("workers", f"{why}: not even one fits, it takes more memory")
    return Want("workers", fits, why) if fits < current else Refusal("workers", f"{current} workers should fit: {why}")


@solver("memory_for_spike")
def memory_for_spike(case: Case) -> Answer:
    """A limit that would have held this one request beside the other workers."""
    limit, victim = fact_number(case, "oom.limit_bytes"), fact_number(case, "oom.victim_bytes")
    if not limit or not victim:
        return Note("what the victim held or the limit it hit was not printed")
    held, at = format_bytes(victim), format_bytes(limit)
    below = f"a limit below about {format_bytes(limit + victim)} would be hit again by the same request"
    return Note(f"the victim alone held {held} when it was stopped at {at}; {below}")


@solver("backlog_for_stall")
def backlog_for_stall(case: Case) -> Answer:
    """1.5 x requests/s x the longest stall, but no more than can be served before nginx gives up."""
    g = given(case)
    d, plan = g.demand, g.before
    if plan.backlog is None:
        return Refusal("backlog", "gunicorn's backlog is not known")
    if not d.rate or not d.stall_s or not d.service_mean or not plan.slots:
        if plan.backlog >= GUNICORN_BACKLOG:
            return Refusal("backlog", "how long nobody accepted, or how many requests came, was not measured")
        return Want("backlog", GUNICORN_BACKLOG, "gunicorn's default, to start from: the stall was not measured")
    wanted = formulas.backlog(d.rate, d.stall_s)
    useful = formulas.useful_backlog(plan.slots, d.service_mean, plan.read_timeout or 60)
    sums = f"1.5 x {d.rate:.1f} requests/s x {d.stall_s:.0f} s without a free worker = {wanted}"
    if useful < wanted:
        sums += f"; {plan.slots} slots serve only {useful} before nginx gives up"
    wanted = formulas.tidy(min(wanted, useful))
    if wanted <= plan.backlog:
        return Refusal("backlog", f"{plan.backlog} is long enough: {sums}; more would only wait in vain")
    return Want("backlog", wanted, sums, most=True)


@solver("nginx_connections")
def nginx_connections(case: Case) -> Answer:
    """2 x requests/s x the longest they take (p99) / nginx workers x 1.5; where not measured, twice the limit."""
    g = given(case)
    d, limit, processes = g.demand, g.before.nginx_connections, g.machine.nginx_processes or 1
    if not limit:
        return Refusal("nginx_connections", "nginx's worker_connections is not known")
    if not d.rate or not d.upstream_p99:
        why = f"{ONCE_MORE} x {limit}, to start from: requests and what they take were not measured"
        return Want("nginx_connections", ONCE_MORE * limit, why)
    wanted = formulas.nginx_connections(d.rate, d.upstream_p99, processes)
    each = f"2 x {d.rate:.0f} requests/s x {d.upstream_p99:.1f} s (p99) / {processes} nginx workers x 1.5 = {wanted}"
    if formulas.tidy(wanted) > ONCE_MORE * limit:
        return Want("nginx_connections", formulas.tidy(wanted), each)
    # What was turned away stands in no access log: the rate that was read is too low.
    return Want("nginx_connections", ONCE_MORE * limit, f"{ONCE_MORE} x {limit}, for it was hit, though {each}")


@solver("files_for_connections")
def files_for_connections(case: Case) -> Answer:
    """2 x (connections a worker accepts + its pool + 50), at least 65536; where that stands already something leaks."""
    plan = given(case).before
    held, pool = connections_of(plan), plan.pool or 0
    wanted = formulas.files(held, pool)
    why = f"2 x ({held} connections + {pool} pooled + 50), at least {formulas.USUAL_FILES}"
    if plan.files is not None and plan.files >= wanted:
        return Refusal("files", f"{plan.files} are enough ({why}): something is opened and not closed")
    return Want("files", wanted, why)


@solver("keepalive_over_nginx")
def keepalive_over_nginx(case: Case) -> Answer:
    """Gunicorn keeps idle connections five seconds longer than nginx does."""
    g = given(case)
    current, nginx = g.before.keepalive, g.machine.nginx_keepalive_s
    if current is None or nginx is None:
        return Refusal("keepalive", "how long gunicorn or nginx keeps idle connections is not known")
    if current > nginx:
        return Refusal("keepalive", f"gunicorn keeps them for {current} s, nginx for {nginx:g} s: that is in order")
    why = f"nginx's upstream keepalive_timeout {nginx:g} s + {formulas.KEEPALIVE_MARGIN_S}"
    return Want("keepalive", formulas.keepalive(nginx), why)
