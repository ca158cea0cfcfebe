"""What has to change along with a setting: more threads want a larger pool, a longer timeout a longer one outside.

Only mends what the change has broken, and only settings whose value is known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from analyzerd.core.plan import formulas
from analyzerd.core.plan.constraints import Given, connections_of, least_jitter
from analyzerd.core.plan.values import SETTINGS, Held, Plan, changed

Tied: TypeAlias = tuple[Mapping[str, Held], str] | None
Tie = Callable[[Given, Plan], Tied]
"""New values by field and why, or None where nothing has to follow."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Why a setting follows, and from which field."""

    why: str
    by: str


def complete(given: Given, plan: Plan, *, pinned: Collection[str]) -> tuple[Plan, dict[str, Followed]]:
    """The plan with all that follows, and from what, by field. What is ``pinned`` was decided and stays."""
    follows: dict[str, Followed] = {}
    for needs, tie in TIES:
        causes = [name for name in SETTINGS if name in needs and name in changed(given.before, plan)]
        if not causes or (found := tie(given, plan)) is None:
            continue
        values: dict[str, Any] = {n: value for n, value in found[0].items() if n not in pinned or n in follows}
        plan = replace(plan, **values)
        follows.update(dict.fromkeys(values, Followed(found[1], causes[0])))
    return plan, follows


def _workers_for_threads(given: Given, plan: Plan) -> Tied:
    """Fewer threads: processes take over what is to be computed, up to one for each core."""
    d, cores, before = given.demand, given.machine.cores, given.before
    if not (plan.threads and before.threads and plan.workers and cores) or plan.threads >= before.threads:
        return None
    if d.rate is None or d.cpu_per_request is None or (plan.workers, plan.pool) != (before.workers, before.pool):
        return None
    wanted = formulas.workers_for_cpu(d.rate, d.cpu_per_request, cores)
    workers = min(wanted, max(1, int(cores)))
    return ({"workers": workers}, f"{wanted} processes for the CPU it takes") if workers > plan.workers else None


def _class_of_threads(given: Given, plan: Plan) -> Tied:
    """Several threads are gthread; a class that is to be sync has one."""
    if plan.worker_class != "sync" or (plan.threads or 1) == 1:
        return None
    if given.before.worker_class == "sync":
        return {"worker_class": "gthread"}, f"{plan.threads} threads in a worker; only if the app is thread-safe"
    return {"threads": 1}, "several threads turn sync into gthread without a word"


def _overflow(_: Given, plan: Plan) -> Tied:
    """What a pool may hold is said in one number: connections beyond it are opened and closed for every peak."""
    return ({"max_overflow": 0}, f"the pool of {plan.pool_size} holds all it takes") if plan.max_overflow else None


def _threads_of_pool(given: Given, plan: Plan) -> Tied:
    """Where the database bounds the pool it bounds the threads: more of them would only wait for each other."""
    if plan.worker_class != "gthread" or plan.pool is None or plan.threads is None or plan.threads <= plan.pool:
        return None
    if given.machine.max_connections is None:
        return None
    return {"threads": plan.pool}, f"no more than the {plan.pool} connections of the pool"


def _connections(given: Given, plan: Plan) -> Tied:
    if plan.worker_class != "gthread" or plan.threads is None or plan.worker_connections is None:
        return None
    wanted = plan.threads + 1
    short = plan.worker_connections < wanted
    if short or (given.machine.behind_nginx and plan.worker_connections > wanted):
        return {"worker_connections": wanted}, f"{plan.threads} threads + 1"
    return None


def _pool(_: Given, plan: Plan) -> Tied:
    if plan.pool is None or plan.concurrency is None or plan.pool >= plan.concurrency:
        return None
    found: dict[str, Held] = {"pool_size": plan.concurrency}
    if plan.max_overflow:
        found["max_overflow"] = 0
    return found, f"one pooled connection for each of {plan.concurrency} requests at once"


def _files(_: Given, plan: Plan) -> Tied:
    held, pool = connections_of(plan), plan.pool or 0
    if plan.files is None or plan.files >= formulas.least_files(held, pool):
        return None
    return {"files": formulas.files(held, pool)}, f"2 x ({held} connections + {pool} pooled + 50), at least 65536"


def _pool_wait(_: Given, plan: Plan) -> Tied:
    limit = plan.read_timeout if plan.worker_class == "gthread" else plan.timeout
    if plan.pool_timeout is None or limit is None or plan.pool_timeout < limit:
        return None
    return {"pool_timeout": formulas.pool_timeout(limit)}, f"the smaller of 10 s and a third of {limit} s"


def _read_timeout(given: Given, plan: Plan) -> Tied:
    if plan.worker_class != "sync" or plan.timeout is None or plan.read_timeout is None:
        return None
    queue_s = given.demand.queue_s or 0.0
    wanted = formulas.read_timeout(plan.timeout, queue_s)
    if plan.read_timeout >= wanted:
        return None
    return {"read_timeout": wanted}, f"gunicorn's {plan.timeout} s + {queue_s:.1f} s in the queue + 2 s"


def _grace(given: Given, plan: Plan) -> Tied:
    """Requests that may now run longer are not to be cut off by the next deploy."""
    longest, now, before = given.demand.longest_s, plan.graceful_timeout, given.before.timeout
    if longest is None or now is None or before is None or (plan.timeout or 0) <= before or now >= longest:
        return None
    return {"graceful_timeout": formulas.graceful_timeout(longest)}, f"1.2 x {longest:.1f} s, which 99.9 % stay under"


def _stop(_: Given, plan: Plan) -> Tied:
    if plan.graceful_timeout is None or plan.stop_timeout is None:
        return None
    wanted = plan.graceful_timeout + formulas.STOP_MARGIN_S
    if plan.stop_timeout >= wanted:
        return None
    return {"stop_timeout": wanted}, f"graceful_timeout {plan.graceful_timeout} s + {formulas.STOP_MARGIN_S}"


def _jitter(given: Given, plan: Plan) -> Tied:
    if not plan.max_requests or plan.max_requests_jitter is None:
        return None
    least = least_jitter(given, plan)
    if plan.max_requests_jitter >= least:
        return None
    return {"max_requests_jitter": formulas.tidy(least)}, f"workers boot one after the other, at least {least}"


def _nginx_files(_: Given, plan: Plan) -> Tied:
    if plan.nginx_files is None or plan.nginx_connections is None or plan.nginx_files >= 2 * plan.nginx_connections:
        return None
    return {"nginx_files": 2 * plan.nginx_connections}, f"2 x {plan.nginx_connections} worker_connections"


TIES: tuple[tuple[frozenset[str], Tie], ...] = (
    (frozenset({"worker_class", "threads"}), _class_of_threads),
    (frozenset({"pool_size"}), _overflow),
    (frozenset({"pool_size", "max_overflow"}), _threads_of_pool),
    (frozenset({"threads"}), _workers_for_threads),
    (frozenset({"threads", "worker_class"}), _connections),
    (frozenset({"threads", "worker_class", "pool_size", "max_overflow"}), _pool),
    (frozenset({"worker_connections", "worker_class", "pool_size"}), _files),
    (frozenset({"timeout", "worker_class"}), _read_timeout),
    (frozenset({"timeout", "pool_timeout"}), _pool_wait),
    (frozenset({"timeout"}), _grace),
    (frozenset({"graceful_timeout"}), _stop),
    (frozenset({"max_requests"}), _jitter),
    (frozenset({"nginx_connections"}), _nginx_files),
)
"""What a change calls for, by the fields that may have changed; in this order, so that one can follow another."""
