"""Audit of how many requests run at once: workers, their class, threads, connections. Measured before assumed."""

from __future__ import annotations

import math

from analyzerd.core.audit.item import (
    GUNICORN,
    LEAST_FOR_CLASS,
    LEAST_FOR_SIZE,
    Answer,
    Item,
    Subject,
    failed,
    passed,
    setting_page,
    unknown,
    unread,
)
from analyzerd.core.estimators import mean
from analyzerd.core.facts import FACTS
from analyzerd.core.plan import Want, formulas
from analyzerd.core.plan.formulas import MOST_THREADS, TARGET_USE

FULL_USE = 0.85
CLEAN_RUN_QUEUE = 0.10
LOGS = "log gunicorn's own time, %(D)s, and audit again after some hundred requests"


def cores_of(s: Subject) -> float | None:
    """Cores the app may use: the machine's, or fewer by the unit's CPUQuota."""
    cores, quota = s.load.cores, str(s.value("unit.CPUQuota") or "")
    limit = float(quota[:-1]) / 100 if quota.endswith("%") and quota[:-1].isdecimal() else None
    return min(cores, limit) if cores and limit else (cores or limit)


def workers(s: Subject) -> Answer:
    """Enough for the measured load, and not far more; without a measured load only the extremes are judged."""
    count, cores, places = s.workers, cores_of(s), s.places("gunicorn.workers")
    if count is None:
        return unread("the number of workers")
    if count == 1:
        return failed(
            "1 worker: while it restarts or hangs nobody answers",
            "workers = 2",
            places,
            Want("workers", 2, "one is none"),
        )
    if s.load.threads is None or s.service.n < LEAST_FOR_SIZE or s.peak_rate is None:
        return _by_starting_point(count, cores, s.service.n, places)
    return _too_many(s, count, cores, places) or _waiting(s, count, places) or _by_load(s, count, cores, places)


def _by_starting_point(count: float, cores: float | None, n: int, places: tuple[str, ...]) -> Answer:
    measured = f"{count:g} workers, but only {n} requests with a duration were read (it takes {LEAST_FOR_SIZE})"
    if not cores:
        return unknown(f"{measured}, and the number of cores is not known", LOGS, places)
    start = formulas.starting_workers(cores)
    where = "above" if count > start else "within"
    note = f"unmeasured starting point 2 x {cores:g} cores + 1 = {start}"
    return unknown(f"{measured}; {where} the {note}", LOGS, places)


def _too_many(s: Subject, count: float, cores: float | None, places: tuple[str, ...]) -> Answer | None:
    """Workers that wait for each other, as measured; or twice what is needed and more than 2 x cores + 1."""
    contended, own = FACTS["cores.contended"](s.case), FACTS["workers.own_the_cpu"](s.case)
    if contended and own and not FACTS["cores.limited"](s.case) and s.watched:
        share = round(100 * (s.load.run_queue or 0.0))
        fewer = max(2, formulas.most_workers(cores or 1))
        change, want = f"workers = {fewer}", Want("workers", fewer, "see workers")
        reason = f"{count:g} workers on {cores or 0:g} cores wait for a CPU {share} % of the time"
        return failed(reason, change, places, want)
    needed, sums = _needed(s)
    if cores and count > max(2 * cores + 1, 2 * needed) and (s.load.run_queue or 0.0) <= CLEAN_RUN_QUEUE:
        reason = f"{count:g} workers for a load that needs {needed} ({sums}), on {cores:g} cores"
        reason = f"{reason}: each costs memory and a place in the CPU's queue"
        return failed(reason, f"workers = {needed}", places, Want("workers", needed, "see workers"))
    return None


def _waiting(s: Subject, count: float, places: tuple[str, ...]) -> Answer | None:
    """Where workers wait for a CPU their times hold that wait, and say nothing about how many it takes."""
    share = s.load.run_queue
    if share is None or share <= CLEAN_RUN_QUEUE:
        return None
    reason = (
        f"{count:g} workers, whose times hold {100 * share:.0f} % of waiting for a CPU: no number follows from them"
    )
    return unknown(reason, "see run-queue first", places)


def _needed(s: Subject) -> tuple[int, str]:
    """Workers for the peak rate at 70 % use, with the arithmetic."""
    service_s, threads = mean(s.service) or 0.0, s.load.threads or 1
    slots = formulas.slots(s.peak_rate or 0.0, service_s)
    sums = f"{s.peak_rate or 0:.1f} requests/s x {service_s:.3f} s / {TARGET_USE:g} = {slots} at once"
    return max(2, math.ceil(slots / threads)), sums


def _by_load(s: Subject, count: float, cores: float | None, places: tuple[str, ...]) -> Answer:
    needed, sums = _needed(s)
    busy = (s.peak_rate or 0.0) * (mean(s.service) or 0.0) / (count * (s.load.threads or 1))
    if busy <= FULL_USE:
        return passed(f"{count:g} workers are {100 * busy:.0f} % busy at the peak ({sums})", places)
    cpu = (s.peak_rate or 0.0) * (s.load.cpu_per_request or 0.0)
    reason = f"{count:g} workers are {min(100.0, 100 * busy):.0f} % busy at the peak ({sums})"
    if cores and cpu > FULL_USE * cores:
        return failed(f"{reason}, and the {cores:g} cores are full: more workers would not help", "", places)
    if s.worker_class == "sync" and cores and needed > 2 * cores + 1:
        return failed(f"{reason}: that many at once want threads", 'worker_class = "gthread"', places)
    return failed(reason, f"workers = {needed}", places, Want("workers", needed, "see workers"))


def worker_class(s: Subject) -> Answer:
    """Sync for requests that compute, threads for requests that wait, as measured."""
    kind, load, places = s.worker_class, s.load, s.places("gunicorn.worker_class")
    if not kind:
        return unread("the worker class")
    if kind not in ("sync", "gthread"):
        return unknown(f"{kind}: whether the app's drivers block its loop cannot be seen from outside", "", places)
    if load.requests < LEAST_FOR_CLASS or load.cpu_ratio is None or load.utilisation is None:
        short = f"{load.requests} requests were seen beside readings of the workers (it takes {LEAST_FOR_CLASS})"
        return unknown(f"{kind}, but only {short}", "audit under load, with --for 60s or a longer recording", places)
    share = min(1.0, load.cpu_ratio)
    shown = f"{100 * share:.0f} % of a request's time is computing, workers {100 * load.utilisation:.0f} % busy"
    if kind == "sync" and share < 0.2 and load.utilisation > 0.8:
        return failed(f"sync, but requests wait: {shown}", 'worker_class = "gthread"', places)
    if kind == "gthread" and FACTS["worker_class.mismatch"](s.case) == "one-interpreter":
        return failed(f"threads of one interpreter share one core while others idle: {shown}", "", places)
    return passed(f"{kind}: {shown}", places)


def class_written(s: Subject) -> Answer:
    """What is written is what runs: several threads turn sync into gthread."""
    written, threads = s.setting("gunicorn.worker_class_written"), s.number("gunicorn.threads")
    places = s.places("gunicorn.worker_class_written", "gunicorn.threads")
    if written is not None:
        reason = f"worker_class says {written.value}, threads = {threads or 0:g} makes it gthread without a word"
        return failed(reason, 'worker_class = "gthread"  # or threads = 1', places)
    if threads is None or not s.worker_class:
        return unread("worker class or threads")
    return passed(f"{s.worker_class} with threads = {threads:g} runs as it is written", places)


def threads(s: Subject) -> Answer:
    """Threads only where they help requests that wait, and not more than one interpreter can feed."""
    count, load, places = s.number("gunicorn.threads"), s.load, s.places("gunicorn.threads")
    if not s.worker_class or count is None:
        return unread("the number of threads")
    if s.worker_class != "gthread" or count == 1:
        return passed(f"{s.worker_class} with one request at a time in each worker: no threads compete", places)
    if load.requests < LEAST_FOR_SIZE or load.cpu_ratio is None or load.cpu_ratio <= 0:
        size = "more than the usual 2 to 8" if count > MOST_THREADS else "within the usual 2 to 8"
        change = "audit under load, with --for 60s or a longer recording"
        return unknown(f"{count:g} threads ({size}), but what requests spend on computing was not measured", change)
    share = min(1.0, load.cpu_ratio)
    most = formulas.fed_threads(share)
    sums = f"0.8 / {share:.2f} of a request's time is computing = {most}"
    if count > most and (load.busiest or 0.0) > 0.8:
        reason = f"{count:g} threads keep one interpreter {100 * (load.busiest or 0):.0f} % busy; it feeds {sums}"
        fewer = min(most, MOST_THREADS)
        return failed(reason, f"threads = {fewer}", places, Want("threads", fewer, "see threads"))
    return passed(f"{count:g} threads; one interpreter can feed {sums}", places)


def worker_connections(s: Subject) -> Answer:
    """Behind nginx a gthread worker accepts no more than it can run, and one more."""
    limit, count = s.number("gunicorn.worker_connections"), s.number("gunicorn.threads")
    places = s.places("gunicorn.worker_connections")
    if not s.worker_class:
        return unread("the worker class")
    if s.worker_class != "gthread":
        return passed(f"does not arise: {s.worker_class} workers do not hoard connections for threads", places)
    if limit is None or count is None:
        return unread("worker_connections or threads")
    if limit <= count + 1:
        return passed(f"worker_connections = {limit:g} for {count:g} threads", places)
    reason = f"a worker takes up to {limit:g} connections for its {count:g} threads while others idle"
    change = f"worker_connections = {count + 1:g}  # only behind nginx"
    if not s.routes:
        return unknown(f"{reason}; whether nginx stands in front was not read", change, places)
    want = Want("worker_connections", int(count) + 1, "see worker-connections")
    return failed(f"{reason}: requests queue unseen inside the worker", change, places, want)


ITEMS = (
    Item(
        "workers",
        "Does the number of workers follow from the load, the cores and the requests' time?",
        "Checklist: worker count is based on CPU and RAM, not guesswork",
        ("too-few-workers", "too-many-workers", "cpu-saturated"),
        (f"{GUNICORN}design.html#how-many-workers", setting_page("workers")),
        workers,
    ),
    Item(
        "worker-class",
        "Does the worker class match what requests do, compute or wait?",
        "Checklist: Gunicorn worker class matches the app workload",
        ("wrong-worker-class",),
        (f"{GUNICORN}design.html#choosing-a-worker-type", setting_page("worker_class")),
        worker_class,
    ),
    Item(
        "class-as-written",
        "Is the worker class that runs the one that is written?",
        "",
        ("wrong-worker-class",),
        (setting_page("threads"),),
        class_written,
    ),
    Item(
        "threads",
        "Do threads help requests that wait, rather than compete for one interpreter?",
        "Checklist: threads are used only when they improve I/O-bound concurrency",
        ("too-many-threads",),
        (setting_page("threads"),),
        threads,
    ),
    Item(
        "worker-connections",
        "Does a threaded worker accept only what it can run?",
        "",
        ("gthread-hoarding",),
        (setting_page("worker_connections"),),
        worker_connections,
    ),
)
