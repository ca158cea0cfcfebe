"""Formulas for workers, threads, connections and recycling, from a measured window. Registered as solvers.

None where an input is missing or the window says that the formula does not apply.
"""

from __future__ import annotations

import math

from analyzerd.core.case import Case
from analyzerd.core.facts.crowded import boot_bytes, needed
from analyzerd.core.facts.growing import grown, least_requests, max_requests, room
from analyzerd.core.facts.recycling import BOOTS_APART, boot_s, boot_seconds
from analyzerd.core.footprint import TIGHT_SHARE, reserve_of
from analyzerd.core.solver import Answer, solver
from analyzerd.units import format_bytes

TARGET_USE = 0.70
LEAST_REQUESTS = 300
MOST_THREADS = 8


def _now(case: Case, name: str) -> int | None:
    value = case.number(name)
    return None if value is None else int(value)


@solver("workers_for_load")
def workers_for_load(case: Case) -> Answer | None:
    """Slots for the rate and the mean service time at 70 % use; sync workers up to one more than the cores."""
    load, current = case.load, _now(case, "gunicorn.workers")
    if current is None or load.rate is None or load.service_mean is None or load.requests < LEAST_REQUESTS / 3:
        return None
    threads, cores = load.threads or 1, load.cores or 0
    needed = math.ceil(load.rate * load.service_mean / TARGET_USE)
    workers = math.ceil(needed / threads)
    if workers <= current or (cores and workers > 2 * cores + 1):
        return None
    sums = f"{load.rate:.1f} requests/s x {load.service_mean:.3f} s / {TARGET_USE:g} = {needed} at once"
    return Answer(current, workers, sums + (f", {threads} threads each" if threads > 1 else ""))


@solver("workers_for_cpu")
def workers_for_cpu(case: Case) -> Answer | None:
    """Workers that would be 70 % busy computing, at least 2, at most 1.25 per core."""
    load, current = case.load, _now(case, "gunicorn.workers")
    if current is None or load.rate is None or load.cpu_per_request is None or not load.cores:
        return None
    needed = math.ceil(load.rate * load.cpu_per_request / TARGET_USE)
    most = math.ceil(1.25 * load.cores)
    proposed = max(2, min(needed, most))
    if proposed >= current:
        return None
    sums = f"{load.rate:.1f} requests/s x {load.cpu_per_request:.3f} s of CPU / {TARGET_USE:g} = {needed}"
    return Answer(current, proposed, f"{sums}, at most 1.25 x {load.cores} cores = {most}")


@solver("threads_for_cpu")
def threads_for_cpu(case: Case) -> Answer | None:
    """Threads that one interpreter can feed: 0.8 over the share of time a request computes."""
    load, current = case.load, _now(case, "gunicorn.threads")
    if current is None or load.cpu_per_request is None or load.service_mean is None or not load.busiest:
        return None
    # What a request takes beyond its computing is mostly the wait for the interpreter: the share is a lower bound.
    share = min(1.0, load.cpu_ratio or 0.0)
    if share <= 0:
        return None
    proposed = max(1, math.floor(0.8 / share))
    if proposed >= current:
        return None
    return Answer(current, proposed, f"0.8 / {share:.2f} of a request's time is computing = {proposed}")


@solver("connections_for_threads")
def connections_for_threads(case: Case) -> Answer | None:
    """One connection more than there are threads."""
    threads, current = case.threads, _now(case, "gunicorn.worker_connections")
    if threads is None or current is None or current <= threads + 1:
        return None
    return Answer(current, threads + 1, f"{threads} threads + 1")


@solver("jitter_for_waves")
def jitter_for_waves(case: Case) -> Answer | None:
    """Enough spread that workers boot one after the other: 5 x workers x boot time x requests/s of one worker."""
    load, limit = case.load, _now(case, "gunicorn.max_requests")
    current = _now(case, "gunicorn.max_requests_jitter")
    if not limit or current is None or load.rate is None or not load.workers:
        return None
    per_worker = load.rate / load.workers
    proposed = math.ceil(max(0.2 * limit, 5 * load.workers * boot_s(case) * per_worker))
    if proposed <= current:
        return None
    sums = f"5 x {load.workers:g} workers x {boot_s(case):g} s to boot x {per_worker:.1f} requests/s of a worker"
    return Answer(current, proposed, f"the larger of 0.2 x {limit} and {sums}")


@solver("max_requests_for_growth")
def max_requests_for_growth(case: Case) -> Answer | None:
    """Recycle before a worker has used half of its share of the free memory, but no more often than booting allows."""
    found, rest, current = grown(case), room(case), _now(case, "gunicorn.max_requests")
    proposed, least = max_requests(case), least_requests(case)
    if found is None or rest is None or current is None or not isinstance(proposed, int) or not isinstance(least, int):
        return None
    if proposed < max(1, least):
        return None
    share = (
        f"({format_bytes(rest.left)} free - {format_bytes(reserve_of(rest.limit))} reserve) / {rest.workers} workers"
    )
    sums = f"0.5 x {share} / {format_bytes(found.high_bytes)} per request"
    return Answer(current, proposed, f"{sums}; at least {_boots_apart(case)} x {found.rate:.1f} requests/s = {least}")


@solver("jitter_for_growth")
def jitter_for_growth(case: Case) -> Answer | None:
    """Spread for the proposed max_requests, so that workers boot one after the other."""
    found, rest, current = grown(case), room(case), _now(case, "gunicorn.max_requests_jitter")
    limit = max_requests(case)
    if found is None or rest is None or current is None or not isinstance(limit, int) or limit < 1:
        return None
    proposed = math.ceil(max(0.2 * limit, 5 * rest.workers * boot_s(case) * found.rate))
    if proposed <= current:
        return None
    sums = f"5 x {rest.workers} workers x {boot_s(case):g} s to boot x {found.rate:.1f} requests/s of a worker"
    return Answer(current, proposed, f"the larger of 0.2 x {limit} and {sums}")


@solver("max_requests_for_boots")
def max_requests_for_boots(case: Case) -> Answer | None:
    """Recycle so rarely that booting takes no more than a sixtieth of a worker's time."""
    load, current = case.load, _now(case, "gunicorn.max_requests")
    if not current or load.rate is None or not load.workers:
        return None
    per_worker = load.rate / load.workers
    proposed = math.ceil(BOOTS_APART * boot_s(case) * per_worker)
    if proposed <= current:
        return None
    return Answer(current, proposed, f"{_boots_apart(case)} x {per_worker:.1f} requests/s of a worker")


@solver("jitter_for_boots")
def jitter_for_boots(case: Case) -> Answer | None:
    """Spread for the max_requests that booting allows."""
    load, current = case.load, _now(case, "gunicorn.max_requests_jitter")
    limit = max_requests_for_boots(case)
    if limit is None or current is None or load.rate is None or not load.workers:
        return None
    per_worker = load.rate / load.workers
    proposed = math.ceil(max(0.2 * float(str(limit.proposed)), 5 * load.workers * boot_s(case) * per_worker))
    if proposed <= current:
        return None
    sums = f"5 x {load.workers:g} workers x {boot_s(case):g} s to boot x {per_worker:.1f} requests/s of a worker"
    return Answer(current, proposed, f"the larger of 0.2 x {limit.proposed} and {sums}")


def _boots_apart(case: Case) -> str:
    seen = boot_seconds(case) is not None
    return f"{BOOTS_APART:g} x {boot_s(case):g} s to boot{'' if seen else ' (assumed)'}"


@solver("workers_for_footprint")
def workers_for_footprint(case: Case) -> Answer | None:
    """As many grown-up workers as fit nine tenths of the limit beside master and reserve; through a reload too."""
    found, boot = needed(case), boot_bytes(case)
    if found is None:
        return None
    proposed = found.fits(boot)
    if not 1 <= proposed < found.workers:
        return None
    rest = f"{format_bytes(found.reserve)} reserve - {format_bytes(found.master)} master"
    plain = f"({TIGHT_SHARE:g} x {format_bytes(found.limit)} - {rest}) / {format_bytes(found.per_worker)} per worker"
    if not boot:
        return Answer(found.workers, proposed, plain)
    both = f"({format_bytes(found.per_worker)} + {format_bytes(boot)} of one that boots)"
    return Answer(found.workers, proposed, f"{plain}; for a reload ({format_bytes(found.limit)} - {rest}) / {both}")


@solver("keepalive_over_nginx")
def keepalive_over_nginx(case: Case) -> Answer | None:
    """Gunicorn keeps idle connections five seconds longer than nginx does."""
    current, nginx = case.number("gunicorn.keepalive"), case.number("nginx.upstream_keepalive_timeout")
    if current is None or nginx is None or current > nginx:
        return None
    return Answer(int(current), math.ceil(nginx) + 5, f"nginx's upstream keepalive_timeout {nginx:g} s + 5")
