"""What must hold of the settings together. Each constraint says why a plan breaks it, '' where it holds.

What is not known breaks nothing here, except where growing blindly is the harm: then the plan is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from analyzerd.core.plan import formulas
from analyzerd.core.plan.values import Demand, Machine, Plan
from analyzerd.units import format_bytes, format_duration


@dataclass(frozen=True, slots=True)
class Given:
    """What a plan is held against: the machine, its load, and the settings in effect."""

    machine: Machine
    demand: Demand
    before: Plan


@dataclass(frozen=True, slots=True)
class Constraint:
    """``binds``: the fields of a Plan whose change calls for it."""

    id: str
    binds: frozenset[str]
    why_broken: Callable[[Given, Plan], str]


def broken(given: Given, after: Plan, touched: Collection[str]) -> Iterator[str]:
    """Why a plan cannot be: one reason for each constraint that binds a changed field and does not hold."""
    for constraint in CONSTRAINTS:
        if not constraint.binds.isdisjoint(touched) and (why := constraint.why_broken(given, after)):
            yield why


def fit_memory(machine: Machine) -> int | None:
    """Workers that fit the memory, through a reload too; None where that was not measured."""
    m = machine
    if m.memory_bytes is None or not m.worker_bytes:
        return None
    return formulas.fit(m.memory_bytes, m.reserve_bytes, m.master_bytes, m.worker_bytes, m.boot_bytes)


def _memory(given: Given, after: Plan) -> str:
    m, fit = given.machine, fit_memory(given.machine)
    if after.workers is None or fit is None or after.workers <= fit:
        return ""
    booting = f" (and {format_bytes(m.boot_bytes)} for its successor at a reload)" if m.boot_bytes else ""
    each, room = format_bytes(m.worker_bytes or 0), format_bytes(m.memory_bytes or 0)
    kept = format_bytes(m.reserve_bytes + m.master_bytes)
    return f"{max(0, fit)} workers of {each}{booting} fit {room} less {kept} for reserve and master"


def _one_worker(_: Given, after: Plan) -> str:
    return "it takes a worker" if after.workers is not None and after.workers < 1 else ""


def _class(given: Given, after: Plan) -> str:
    if after.worker_class == "sync" and (after.threads or 1) > 1:
        return f"{after.threads} threads turn sync into gthread without a word"
    if after.worker_class == "gthread" and after.threads == 1 and given.before.worker_class != "gthread":
        return "gthread with one thread serves one request at a time, as sync does, and how many it takes is not known"
    return ""


def _cpu(given: Given, after: Plan) -> str:
    """More slots than the CPU can feed only wait for it; fewer than there are now never hurt it."""
    m, d, slots = given.machine, given.demand, after.slots
    if slots is None or not m.cores or slots <= (given.before.slots or 0):
        return ""
    if not d.cpu_per_request or not d.service_running:
        return ""
    most = max(2, formulas.most_workers(m.cores))
    if (after.workers or 0) <= most and after.concurrency == given.before.concurrency:
        return ""  # processes do not share an interpreter: each can use a core
    fed = max(most, formulas.fed_slots(m.cores, d.service_running, d.cpu_per_request))
    return "" if slots <= fed else f"{m.cores:g} cores feed {fed} requests at once; scale the CPU"


def _interpreter(given: Given, after: Plan) -> str:
    if after.concurrency is None or after.concurrency == 1:
        return ""
    most, share = formulas.MOST_THREADS_EVER, given.demand.cpu_share
    if share:
        most = min(most, formulas.fed_threads(share))
    if after.concurrency <= most:
        return ""
    because = f"with {100 * share:.0f} % of a request computing" if share and most < 16 else "at most"
    return f"one interpreter feeds {most} threads {because}"


def _database(given: Given, after: Plan) -> str:
    """All pools together leave the database some connections; without its limit no pool may grow."""
    m, pool = given.machine, after.pool
    if pool is None or after.workers is None:
        return ""
    if m.max_connections is None:
        if pool <= (given.before.pool or 0):
            return ""
        return (
            f"max_connections of the database is not known (state it in analyzerd.yaml), and {after.workers} workers "
            f"would open {after.workers * pool}"
        )
    most = m.max_connections - formulas.KEPT_FOR_OTHERS - m.other_connections
    asked = m.instances * after.workers * pool
    if asked <= most:
        return ""
    several = f"{m.instances} machines x " if m.instances > 1 else ""
    return f"the database has {most} connections to give, {several}{after.workers} workers x {pool} want {asked}"


def _pool(_: Given, after: Plan) -> str:
    if after.pool is None or after.concurrency is None or after.pool >= after.concurrency:
        return ""
    return f"{after.concurrency} requests at once share {after.pool} pooled connections"


def _connections(given: Given, after: Plan) -> str:
    held, threads, before = after.worker_connections, after.threads, given.before.worker_connections
    if after.worker_class != "gthread" or held is None or threads is None:
        return ""
    if held < threads + 1:
        return f"{threads} threads want worker_connections of {threads + 1} at least"
    if given.machine.behind_nginx is False and before is not None and held < before:
        return "without a buffering proxy in front idle clients would hold all connections of a worker"
    return ""


def connections_of(plan: Plan) -> int:
    """Connections from clients that a worker may hold."""
    return (plan.worker_connections or 0) if plan.worker_class in ("gthread", "gevent", "eventlet") else 1


def _files(_: Given, after: Plan) -> str:
    if after.files is None:
        return ""
    least = formulas.least_files(connections_of(after), after.pool or 0)
    return "" if after.files >= least else f"a process may open {after.files} files, it takes {least}"


def _timeout_range(given: Given, after: Plan) -> str:
    least, most = formulas.LEAST_TIMEOUT_S, formulas.MOST_TIMEOUT_S * (2 if given.machine.binds > 1 else 1)
    if after.timeout is None or least <= after.timeout <= most:
        return ""
    return f"a timeout is {least} to {most} s; longer work belongs into a background job"


def _ladder(given: Given, after: Plan) -> str:
    """Whoever stands outside waits longer: nginx, then gunicorn, then the app's own limits."""
    limit, read = after.timeout, after.read_timeout
    if after.worker_class != "sync" or limit is None or read is None:
        return ""
    needed = formulas.read_timeout(limit, given.demand.queue_s or 0.0)
    return "" if read >= needed else f"nginx would give up after {read} s, before gunicorn's timeout of {limit} s"


def _pool_wait(_: Given, after: Plan) -> str:
    limit = after.read_timeout if after.worker_class == "gthread" else after.timeout
    if after.pool_timeout is None or limit is None or after.pool_timeout < limit:
        return ""
    return f"a request that waits {after.pool_timeout} s for the pool is cut off after {limit} s, unexplained"


def _grace(given: Given, after: Plan) -> str:
    longest, grace = given.demand.longest_s, after.graceful_timeout
    if longest is None or grace is None or grace >= longest:
        return ""
    return f"requests take up to {format_duration(longest)}, a stop would cut them off"


def _stop(_: Given, after: Plan) -> str:
    if after.stop_timeout is None or after.graceful_timeout is None:
        return ""
    least = after.graceful_timeout + formulas.STOP_MARGIN_S
    return "" if after.stop_timeout >= least else f"systemd would kill after {after.stop_timeout} s; it takes {least}"


def _keepalive(given: Given, after: Plan) -> str:
    nginx = given.machine.nginx_keepalive_s
    if nginx is None or not after.keepalive or after.keepalive > nginx:
        return ""
    return f"nginx keeps idle connections for {nginx:g} s: gunicorn must not close first"


def _backlog(given: Given, after: Plan) -> str:
    most = given.machine.somaxconn
    if after.backlog is None or most is None or after.backlog <= most:
        return ""
    return f"the kernel grants {most} (net.core.somaxconn)"


def rate_of_worker(given: Given, plan: Plan) -> float | None:
    """Requests per second of one worker."""
    return given.demand.rate / plan.workers if given.demand.rate is not None and plan.workers else None


def _recycling(given: Given, after: Plan) -> str:
    rate = rate_of_worker(given, after)
    if not after.max_requests or rate is None:
        return ""
    least = formulas.least_requests(given.demand.boot_s, rate)
    if after.max_requests >= least:
        return ""
    return f"below {least} requests booting takes more than a sixtieth of a worker's time"


def least_jitter(given: Given, after: Plan) -> int:
    """What spreads the boots for the max_requests of a plan; a fifth of it where the load is not known."""
    rate = rate_of_worker(given, after)
    return formulas.jitter(after.max_requests or 0, after.workers or 1, given.demand.boot_s, rate or 0.0)


def _jitter(given: Given, after: Plan) -> str:
    if not after.max_requests or after.max_requests_jitter is None:
        return ""
    least = least_jitter(given, after)
    return "" if after.max_requests_jitter >= least else f"workers would leave together: it takes {least}"


def _nginx_files(_: Given, after: Plan) -> str:
    if after.nginx_files is None or after.nginx_connections is None:
        return ""
    least = 2 * after.nginx_connections
    return "" if after.nginx_files >= least else f"nginx may open {after.nginx_files} files, it takes {least}"


def _quota(given: Given, after: Plan) -> str:
    most = 100 * (given.machine.processors or 0)
    if after.cpu_quota is None or not most or after.cpu_quota <= most:
        return ""
    return f"the machine has {most // 100} cores"


def _constraint(name: str, fields: str, why_broken: Callable[[Given, Plan], str]) -> Constraint:
    return Constraint(name, frozenset(fields.split()), why_broken)


CONSTRAINTS: tuple[Constraint, ...] = (
    _constraint("one-worker", "workers", _one_worker),
    _constraint("memory", "workers", _memory),
    _constraint("class", "worker_class threads", _class),
    _constraint("cpu", "workers threads worker_class", _cpu),
    _constraint("interpreter", "threads worker_class", _interpreter),
    _constraint("database", "workers pool_size max_overflow", _database),
    _constraint("pool", "threads worker_class pool_size max_overflow", _pool),
    _constraint("connections", "worker_class threads worker_connections", _connections),
    _constraint("files", "files worker_class worker_connections pool_size", _files),
    _constraint("timeout-range", "timeout", _timeout_range),
    _constraint("timeout-ladder", "timeout read_timeout worker_class", _ladder),
    _constraint("pool-wait", "pool_timeout timeout", _pool_wait),
    _constraint("grace", "graceful_timeout", _grace),
    _constraint("stop", "graceful_timeout stop_timeout", _stop),
    _constraint("keepalive", "keepalive", _keepalive),
    _constraint("backlog", "backlog", _backlog),
    _constraint("recycling", "max_requests", _recycling),
    _constraint("jitter", "max_requests max_requests_jitter", _jitter),
    _constraint("nginx-files", "nginx_connections nginx_files", _nginx_files),
    _constraint("quota", "cpu_quota", _quota),
)
