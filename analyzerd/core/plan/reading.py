"""From the evidence of a case to the values the solver works on. Reads; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from analyzerd.core import estimators as estimate
from analyzerd.core import footprint
from analyzerd.core.case import Case
from analyzerd.core.facts.crowded import boot_bytes, needed, seen
from analyzerd.core.facts.ending import requests_need
from analyzerd.core.facts.recycling import boot_s, boot_seconds
from analyzerd.core.measure import clocks_of
from analyzerd.core.plan.constraints import Given
from analyzerd.core.plan.values import Demand, Machine, Plan
from analyzerd.model import AccessTally, Sample, Value

LOOK_BACK_S = 600.0
LEAST_FOR_TAIL = 1000
"""Fewer and the slowest requests are not known."""
LEAST_INTERVALS = 4
SYSTEMD_STOP_S = 90
HIGH_SHARE = 0.95
IDLE_STATES = ("idle", "iowait", "steal")


def given(case: Case) -> Given:
    """The machine, its load and the settings of the app, as far as they are known."""
    kept = case.remembered.get("given")
    if not isinstance(kept, Given):
        kept = case.remembered["given"] = Given(machine(case), demand(case), settings(case))
    return kept


def _whole(case: Case, name: str) -> int | None:
    value = case.number(name)
    return None if value is None else math.floor(value)


def settings(case: Case) -> Plan:
    """What is set now."""
    kind = case.setting("gunicorn.worker_class")
    pool = _pool_as_printed(case)
    return Plan(
        worker_class=str(kind) if kind else None,
        workers=_workers(case),
        threads=1 if kind == "sync" else _whole(case, "gunicorn.threads"),
        worker_connections=_whole(case, "gunicorn.worker_connections"),
        pool_size=_first(_whole(case, "database.pool_size"), pool.get("size")),
        max_overflow=_first(_whole(case, "database.max_overflow"), pool.get("overflow")),
        pool_timeout=_first(_whole(case, "database.pool_timeout"), pool.get("timeout")),
        timeout=_whole(case, "gunicorn.timeout") or None,
        graceful_timeout=_whole(case, "gunicorn.graceful_timeout"),
        stop_timeout=_stop_timeout(case),
        read_timeout=_whole(case, "nginx.proxy_read_timeout"),
        keepalive=_whole(case, "gunicorn.keepalive"),
        max_requests=_whole(case, "gunicorn.max_requests"),
        max_requests_jitter=_whole(case, "gunicorn.max_requests_jitter"),
        backlog=_whole(case, "gunicorn.backlog"),
        nginx_connections=_nginx_connections(case),
        nginx_files=_whole(case, "nginx.worker_rlimit_nofile"),
        files=_files(case),
        cpu_quota=_percent(case.setting("unit.CPUQuota")),
    )


def _workers(case: Case) -> int | None:
    """As configured, else as many as were seen: a default may be replaced where it cannot be read."""
    alive = sum(w.booted_s <= case.focus.t1_s < w.gone_s for w in case.ledger.workers.values())
    seen_now = int(case.load.workers or 0) or alive
    return (
        _whole(case, "gunicorn.workers") if "gunicorn.workers" in case.settings or not seen_now else seen_now
    ) or None


def _first(one: int | None, other: Value) -> int | None:
    return math.floor(other) if one is None and isinstance(other, int | float) else one


def _pool_as_printed(case: Case) -> dict[str, Value]:
    """Size, overflow and timeout as SQLAlchemy's error prints them."""
    return next((dict(s.fields) for s in case.find("app.pool-timeout")), {})


def _nginx_connections(case: Case) -> int | None:
    """As nginx's alert prints it, else as configured."""
    printed = next((s.fields.get("limit") for s in case.find("nginx.worker-connections")), None)
    return printed if isinstance(printed, int) else _whole(case, "nginx.worker_connections")


def _stop_timeout(case: Case) -> int | None:
    if case.setting("unit.TimeoutStopSec") is None and any(name.startswith("unit.") for name in case.settings):
        return SYSTEMD_STOP_S
    return _whole(case, "unit.TimeoutStopSec")


def _files(case: Case) -> int | None:
    """What a worker may open, as read, else as configured."""
    read = [p.fd_limit for s in case.samples[-1:] for p in s.processes if p.fd_limit is not None and p.role == "worker"]
    return min(read) if read else _whole(case, "unit.LimitNOFILE")


def _percent(value: Value) -> int | None:
    text = str(value or "")
    return int(text[:-1]) if text.endswith("%") and text[:-1].isdecimal() and len(text) < 9 else None


def machine(case: Case) -> Machine:
    """What bounds the settings."""
    worker, master = _worker_bytes(case)
    limit = footprint.limit_of(seen(case))
    memory = limit[0] if limit else None
    processors = case.load.cores
    return Machine(
        cores=effective_cores(case),
        processors=processors,
        memory_bytes=memory,
        reserve_bytes=footprint.reserve_of(memory) if memory else 0.0,
        master_bytes=master,
        worker_bytes=worker,
        boot_bytes=boot_bytes(case),
        max_connections=_whole(case, "database.max_connections"),
        other_connections=_whole(case, "database.other_connections") or 0,
        instances=max(1, _whole(case, "database.instances") or 1),
        somaxconn=_somaxconn(case),
        behind_nginx=_behind_nginx(case),
        nginx_processes=processors
        if case.setting("nginx.worker_processes") == "auto"
        else _whole(case, "nginx.worker_processes"),
        nginx_keepalive_s=case.number("nginx.upstream_keepalive_timeout"),
        binds=max(1, len(case.addresses)),
    )


def _worker_bytes(case: Case) -> tuple[float | None, float]:
    """Of a grown-up worker, and of the master; where none is grown up the largest as read now."""
    found = needed(case)
    if found is not None:
        return found.per_worker, found.master
    last = [p for s in case.samples[-1:] for p in s.processes if case.ours.unit(p.unit)]
    workers = [size for p in last if p.role == "worker" and (size := p.pss_bytes or p.rss_bytes)]
    masters = [p.anon_bytes or p.rss_bytes or 0 for p in last if p.role == "master"]
    return (float(max(workers)) if workers else None), float(sum(masters))


def effective_cores(case: Case) -> float | None:
    """The machine's or the unit's quota, less what others use (p95 of the readings of the window)."""
    cores, quota = case.load.cores, _percent(case.setting("unit.CPUQuota"))
    if not cores:
        return quota / 100 if quota else None
    left = max(0.25, cores - _used_by_others(case))
    return round(min(left, quota / 100) if quota else left, 2)


def _used_by_others(case: Case) -> float:
    """Cores."""
    load = case.load
    samples = [s for s in case.samples if load.from_s - 0.5 <= s.time_s <= load.to_s + 0.5 and s.host.cpu_s]
    used = [_others(a, b, case) for a, b in pairwise(samples) if b.time_s - a.time_s >= 1.0]
    if len(used) < LEAST_INTERVALS:
        return 0.0
    return sorted(used)[math.ceil(HIGH_SHARE * len(used)) - 1]


def _others(a: Sample, b: Sample, case: Case) -> float:
    """Cores that others kept busy between two readings."""
    busy_s = sum(v - a.host.cpu_s.get(name, 0.0) for name, v in b.host.cpu_s.items() if name not in IDLE_STATES)
    return max(0.0, busy_s - (_own_cpu_s(b, case) - _own_cpu_s(a, case))) / (b.time_s - a.time_s)


def _own_cpu_s(sample: Sample, case: Case) -> float:
    return sum((p.cpu_user_s or 0.0) + (p.cpu_system_s or 0.0) for p in sample.processes if case.ours.unit(p.unit))


def _somaxconn(case: Case) -> int | None:
    """As read, else as a listener shows that was granted less than it asked for."""
    known, asked = _whole(case, "kernel.somaxconn"), _whole(case, "gunicorn.backlog")
    granted = [
        x.queue_limit for s in case.samples[-1:] for x in s.listeners if x.queue_limit and case.ours.unit(x.unit)
    ]
    if known is None and asked is not None and granted and max(granted) < asked:
        return max(granted)
    return known


def _behind_nginx(case: Case) -> bool | None:
    """Whether requests come by nginx; None where that was not seen."""
    by_log = any(t.source == "nginx.access" and case.ours.log(t) for t in case.tallies)
    return True if by_log or any(name.startswith("nginx.") for name in case.settings) else None


def demand(case: Case) -> Demand:
    """What arrives in the window in question, and what it takes."""
    load = case.load
    mine = [t for t in case.tallies if case.ours.log(t)]
    inside = [t for t in mine if load.from_s - 10.0 < t.time_s < load.to_s]
    service, upstream = clocks_of(inside, "gunicorn.access"), clocks_of(inside, "nginx.access")
    d99, u99 = estimate.percentile(service, 0.99), estimate.percentile(upstream, 0.99)
    recent = [t for t in mine if load.to_s - LOOK_BACK_S <= t.time_s < load.to_s]
    return Demand(
        requests=clocks_of(recent, "gunicorn.access").n,
        rate=load.rate,
        service_mean=load.service_mean,
        service_running=_running(load.service_mean, load.wait_in_service),
        service_p50=load.service_p50,
        service_p99=d99,
        longest_s=_longest(case, mine),
        upstream_p99=u99,
        queue_s=estimate.queue_wait(u99, d99),
        cpu_per_request=load.cpu_per_request,
        cpu_share=None if load.cpu_ratio is None else min(1.0, load.cpu_ratio),
        stall_s=stall_s(case),
        boot_s=boot_s(case),
        boot_seen=boot_seconds(case) is not None,
    )


def _running(service_s: float | None, waiting: float | None) -> float | None:
    """The service time without the wait for a CPU; that wait is part of it, and no sign that more could run."""
    return None if service_s is None or waiting is None else service_s * max(0.05, 1 - waiting)


def _longest(case: Case, mine: Sequence[AccessTally]) -> float | None:
    """What 99.9 % of the requests stay under, those of the endpoint in question that were cut off counted in."""
    service, need = clocks_of(mine, "gunicorn.access"), requests_need(case)
    known = [estimate.percentile(service, 0.999)] if service.n >= LEAST_FOR_TAIL else []
    found = [float(one) for one in (*known, need) if isinstance(one, int | float)]
    return max(found, default=None)


def stall_s(case: Case) -> float | None:
    """How long, at most, connections stood in the accept queue without a break; None where it was not read."""
    longest, since, read = 0.0, None, False
    for sample in case.samples:
        queues = [x.queue for x in sample.listeners if x.queue is not None and case.ours.unit(x.unit)]
        read = read or bool(queues)
        since = (since if since is not None else sample.time_s) if any(queues) else None
        longest = max(longest, sample.time_s - since) if since is not None else longest
    return longest if read else None
