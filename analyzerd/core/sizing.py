"""What causes ask of workers, threads and recycling, from a measured window. Registered as solvers.

Each says which measurement is missing, or that the number that stands is what it takes.
"""

from __future__ import annotations

from analyzerd.core.case import Case
from analyzerd.core.facts import FACTS
from analyzerd.core.facts.crowded import boot_bytes, needed
from analyzerd.core.facts.growing import grown, least_requests, max_requests, room
from analyzerd.core.plan import Given, Refusal, Want, formulas
from analyzerd.core.plan.constraints import least_jitter, rate_of_worker
from analyzerd.core.plan.reading import given
from analyzerd.core.plan.values import Demand
from analyzerd.core.solver import Answer, solver
from analyzerd.units import format_bytes

LEAST_REQUESTS = 300
MORE_RARELY = 10


def _unmeasured(g: Given) -> str:
    """Why no number follows from the load, '' where one does."""
    d = g.demand
    if d.rate is None or d.service_mean is None:
        return "no requests with gunicorn's own time, %(D)s, were read" + _start(g)
    if d.requests < LEAST_REQUESTS:
        return f"{d.requests} requests with a duration were read, it takes {LEAST_REQUESTS}"
    return ""


def _start(g: Given) -> str:
    """The guide's number to start from, said to be one."""
    if not g.machine.cores:
        return ""
    start = formulas.starting_workers(g.machine.cores)
    return f"; unmeasured, (2 x {g.machine.cores:g} cores) + 1 = {start} workers are a place to start, no more"


def _slots(d: Demand) -> tuple[int, str]:
    """Requests at once for the load, with the arithmetic."""
    rate, service = d.rate or 0.0, d.service_mean or 0.0
    use = formulas.target_use(d.service_p50, d.service_p99)
    slots = formulas.slots(rate, service, use)
    return slots, f"{rate:.1f} requests/s x {service:.3f} s / {use:g} = {slots} at once"


@solver("workers_for_load")
def workers_for_load(case: Case) -> Answer:
    """Slots for the rate and the mean service time at 70 % use (60 % where times vary widely), over the threads."""
    g = given(case)
    current, threads = g.before.workers, g.before.concurrency
    if missing := _unmeasured(g):
        return Refusal("workers", missing)
    if current is None or threads is None:
        return Refusal("workers", "how many requests run at once is not known")
    if FACTS["service.slower"](case) is True:
        return Refusal("workers", "requests take longer than before: that comes first, their time is no measure now")
    slots, sums = _slots(g.demand)
    workers = -(-slots // threads)
    sums += f", {threads} threads each" if threads > 1 else ""
    if workers <= current:
        return Refusal("workers", f"{current} workers suffice: {sums}")
    return Want("workers", workers, sums)


def _for_cpu(g: Given) -> tuple[int, int, str] | str:
    """Workers that compute 70 % of the time, those there are, and the arithmetic; or what is missing."""
    d, cores, current = g.demand, g.machine.cores, g.before.workers
    if d.rate is None or d.cpu_per_request is None:
        return "no CPU per request measured"
    if not cores or current is None:
        return "the number of cores or of workers is not known"
    wanted, most = formulas.workers_for_cpu(d.rate, d.cpu_per_request, cores), formulas.most_workers(cores)
    sums = f"{d.rate:.1f} requests/s x {d.cpu_per_request:.3f} s of CPU / {formulas.TARGET_USE:g} = {wanted}"
    return wanted, current, f"{sums}, at least 2, at most 1.25 x {cores:g} cores = {most}"


@solver("workers_for_cpu")
def workers_for_cpu(case: Case) -> Answer:
    """Workers that would be 70 % busy computing, at least 2, at most 1.25 for each core the app may use."""
    found = _for_cpu(given(case))
    if isinstance(found, str):
        return Refusal("workers", found)
    wanted, current, sums = found
    fewer = wanted < current
    return Want("workers", wanted, sums) if fewer else Refusal("workers", f"{current} are not too many: {sums}")


@solver("workers_for_compute")
def workers_for_compute(case: Case) -> Answer:
    """Processes instead of threads: as many as would be 70 % busy computing, at most 1.25 for each core."""
    found = _for_cpu(given(case))
    if isinstance(found, str):
        return Refusal("workers", found)
    wanted, current, sums = found
    more = wanted > current
    return Want("workers", wanted, sums) if more else Refusal("workers", f"{current} suffice: {sums}")


@solver("quota_for_load")
def quota_for_load(case: Case) -> Answer:
    """Percent of a core that would be 70 % busy with what arrives, in steps of ten, at most the whole machine."""
    g = given(case)
    d, current = g.demand, g.before.cpu_quota
    if d.rate is None or d.cpu_per_request is None:
        return Refusal("cpu_quota", "no CPU per request measured")
    if current is None:
        return Refusal("cpu_quota", "the unit's CPUQuota was not read")
    wanted = formulas.cpu_quota(d.rate, d.cpu_per_request)
    sums = (
        f"{d.rate:.1f} requests/s x {d.cpu_per_request:.3f} s of CPU / {formulas.TARGET_USE:g} = {wanted} % of a core"
    )
    if wanted <= current:
        return Refusal("cpu_quota", f"{current} % suffice for what was served: {sums}; more may wait outside")
    return Want("cpu_quota", wanted, sums)


@solver("class_for_waiting")
def class_for_waiting(case: Case) -> Answer:
    """Threads where requests mostly wait, processes where they mostly compute (over 0.6 of their time)."""
    g = given(case)
    kind, share = g.before.worker_class, g.demand.cpu_share
    if kind is None or share is None:
        return Refusal("worker_class", "how much of a request is computing was not measured")
    shown = f"{100 * share:.0f} % of a request's time is computing"
    if share > 0.6:
        return Want("worker_class", "sync", shown) if kind == "gthread" else Refusal("worker_class", f"{kind}: {shown}")
    if kind == "sync" and share < 0.4:
        return Want("worker_class", "gthread", f"{shown}; only if the app is thread-safe")
    return Refusal("worker_class", f"{kind} may stay: {shown}")


@solver("threads_for_load")
def threads_for_load(case: Case) -> Answer:
    """Slots for the load over the workers: a power of two, at most 8 and what one interpreter and the pool can feed."""
    g = given(case)
    plan = g.before
    if missing := _unmeasured(g):
        return Refusal("threads", missing)
    if plan.workers is None or plan.threads is None:
        return Refusal("threads", "how many workers and threads there are is not known")
    asked = class_for_waiting(case)
    if (asked.value if isinstance(asked, Want) else plan.worker_class) != "gthread":
        return Refusal("threads", "requests compute: threads of one interpreter would take turns")
    slots, sums = _slots(g.demand)
    wanted = min(formulas.MOST_THREADS, formulas.threads(slots, plan.workers))
    sums += f" on {plan.workers} workers, as a power of two up to {formulas.MOST_THREADS}"
    if wanted <= plan.threads:
        return Refusal("threads", f"{plan.threads} threads suffice: {sums}")
    return Want("threads", wanted, sums)


@solver("threads_for_cpu")
def threads_for_cpu(case: Case) -> Answer:
    """Threads that one interpreter can feed: 0.8 over the share of time a request computes; processes for the rest."""
    g = given(case)
    share, current = g.demand.cpu_share, g.before.threads
    if not share:
        return Refusal("threads", "no CPU per request measured")
    if current is None:
        return Refusal("threads", "the number of threads is not known")
    wanted = formulas.fed_threads(share)
    sums = f"{formulas.FED_THREADS:g} / {share:.2f} of a request's time is computing = {wanted}"
    if wanted >= current:
        return Refusal("threads", f"{sums}, no fewer than there are; threads that wait for each other hide their share")
    return Want("threads", wanted, sums)


@solver("connections_for_threads")
def connections_for_threads(case: Case) -> Answer:
    """One connection more than there are threads."""
    plan = given(case).before
    if plan.concurrency is None or plan.worker_connections is None:
        return Refusal("worker_connections", "threads or worker_connections are not known")
    wanted = plan.concurrency + 1
    if plan.worker_connections <= wanted:
        return Refusal("worker_connections", f"{plan.worker_connections} for {plan.concurrency} threads is in order")
    return Want("worker_connections", wanted, f"{plan.concurrency} threads + 1")


@solver("workers_for_footprint")
def workers_for_footprint(case: Case) -> Answer:
    """As many grown-up workers as fit nine tenths of the limit beside master and reserve; through a reload too."""
    found, boot = needed(case), boot_bytes(case)
    if found is None:
        return Refusal("workers", "the memory of workers older than ten minutes, or what they may use, was not read")
    wanted = found.fits(boot)
    rest = f"{format_bytes(found.reserve)} reserve - {format_bytes(found.master)} master"
    sums = f"({formulas.TIGHT_SHARE:g} x {format_bytes(found.limit)} - {rest}) / {format_bytes(found.per_worker)}"
    sums += " per worker"
    if boot:
        both = f"({format_bytes(found.per_worker)} + {format_bytes(boot)} of one that boots)"
        sums += f"; for a reload ({format_bytes(found.limit)} - {rest}) / {both}"
    if wanted < 1:
        return Refusal("workers", f"not even one fits: {sums}")
    if wanted >= found.workers:
        return Refusal("workers", f"{found.workers} workers fit: {sums}")
    return Want("workers", wanted, sums)


@solver("max_requests_for_growth")
def max_requests_for_growth(case: Case) -> Answer:
    """Recycle before a worker has used half of its share of the free memory, but no more often than booting allows."""
    found, rest = grown(case), room(case)
    most, least = max_requests(case), least_requests(case)
    if found is None:
        return Refusal("max_requests", "steady growth with the requests was not measured")
    if rest is None or not isinstance(most, int) or not isinstance(least, int):
        return Refusal("max_requests", "how much memory is left was not read")
    each = f"{format_bytes(rest.each(found.base_bytes))} for each of {rest.workers} workers"
    sums = f"0.5 x {each} / {format_bytes(found.high_bytes)} per request"
    sums += f"; at least {_boots_apart(given(case))} x {found.rate:.1f} requests/s = {least}"
    if most < max(1, least):
        return Refusal("max_requests", f"recycling costs too much: {sums}")
    return Want("max_requests", max(least, formulas.step_down(most)), sums, most=True)


@solver("max_requests_for_boots")
def max_requests_for_boots(case: Case) -> Answer:
    """Recycle so rarely that booting takes no more than a sixtieth of a worker's time."""
    g = given(case)
    current, rate = g.before.max_requests, rate_of_worker(g, g.before)
    if not current:
        return Refusal("max_requests", "gunicorn's max_requests is not known, or recycling is off")
    if rate is None:
        return Refusal("max_requests", "no requests were read")
    wanted = formulas.tidy(formulas.least_requests(g.demand.boot_s, rate))
    sums = f"{_boots_apart(g)} x {rate:.1f} requests/s of a worker"
    if wanted <= current:
        return Refusal("max_requests", f"{current} is rare enough: {sums} = {wanted}")
    return Want("max_requests", wanted, sums)


@solver("requests_for_recycling")
def requests_for_recycling(case: Case) -> Answer:
    """Ten times fewer recyclings, until gunicorn is upgraded."""
    g = given(case)
    current, rate = g.before.max_requests, rate_of_worker(g, g.before)
    if not current:
        return Refusal("max_requests", "gunicorn's max_requests is not known, or recycling is off")
    least = formulas.tidy(formulas.least_requests(g.demand.boot_s, rate)) if rate is not None else 0
    sums = f"{MORE_RARELY} x {current}: a tenth of the restarts, a tenth of the lost requests"
    if least <= MORE_RARELY * current:
        return Want("max_requests", MORE_RARELY * current, sums)
    return Want("max_requests", least, f"more than {sums}, for booting: {_boots_apart(g)} x {rate:.1f} requests/s")


@solver("jitter_for_waves")
def jitter_for_waves(case: Case) -> Answer:
    """Enough spread that workers boot one after the other: 5 x workers x boot time x requests/s of one worker."""
    g = given(case)
    plan = g.before
    rate, current = rate_of_worker(g, plan), plan.max_requests_jitter
    if not plan.max_requests or current is None:
        return Refusal("max_requests_jitter", "gunicorn's max_requests and its jitter are not known")
    if rate is None:
        return Refusal("max_requests_jitter", "no requests were read")
    least = least_jitter(g, plan)
    each = f"{plan.workers} workers x {g.demand.boot_s:g} s to boot x {rate:.1f} requests/s of a worker"
    sums = f"the larger of 0.2 x {plan.max_requests} and 5 x {each} = {least}"
    if least <= current:
        return Refusal("max_requests_jitter", f"{current} is enough: {sums}")
    return Want("max_requests_jitter", formulas.tidy(least), sums)


def _boots_apart(g: Given) -> str:
    return f"{formulas.BOOTS_APART:g} x {g.demand.boot_s:g} s to boot{'' if g.demand.boot_seen else ' (assumed)'}"
