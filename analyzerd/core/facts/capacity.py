"""Facts of a slow minute: who waits for what, measured. None where it was not measured.

Every number of measure.Load is a fact under ``load.<name>``; here stand also what follows from several of them.
"""

from __future__ import annotations

import math
from dataclasses import fields

from analyzerd.core.case import Case
from analyzerd.core.estimators import little_ratio
from analyzerd.core.facts.registry import FACTS, Fact, fact
from analyzerd.core.measure import Load, take_turns
from analyzerd.core.watch import switching
from analyzerd.model import Value

TARGET_USE = 0.70
PLENTY_OF_PROCESSES = 1.25
LEAST_IN_SYSTEM, MOST_APART = 3.0, 2.0
"""Fewer requests than that are no average; seen and expected may be apart by that factor."""


def _number(name: str) -> Fact:
    def read(case: Case) -> Value:
        value: Value = getattr(case.load, name)
        return round(value, 3) if isinstance(value, float) else value

    read.__doc__ = f"``{name}`` of the window in question, see measure.Load."
    return read


for _field in fields(Load):
    FACTS[f"load.{_field.name}"] = _number(_field.name)


def _percent(name: str) -> Fact:
    def read(case: Case) -> Value:
        value = getattr(case.load, name)
        return None if value is None else round(100 * value)

    read.__doc__ = f"``{name}`` of the window in question in percent, for sentences."
    return read


for _name in ("idle", "steal", "our_cpu", "run_queue", "utilisation", "imbalance", "accept_queue", "busiest"):
    FACTS[f"percent.{_name}"] = _percent(_name)


@fact("load.queue_over_service")
def queue_over_service(case: Case) -> Value:
    """Queue wait (p95) over the usual service time: above 1 requests wait longer than they take.

    None where fewer than half of those that wait are seen before the workers: they wait somewhere else.
    """
    load = case.load
    if load.queue_p95 is None or not load.service_p50 or hole(case) == "fewer":
        return None
    return round(load.queue_p95 / load.service_p50, 1)


@fact("load.hole")
def hole(case: Case) -> Value:
    """Whether the requests seen are those that must be there: ``none``, ``fewer`` than half or ``more`` than twice.

    Fewer: they wait where nothing is measured. More: idle kept connections, or another client of the socket.
    """
    seen, expected = case.load.in_system, case.load.in_system_expected
    if seen is None or expected is None or expected < LEAST_IN_SYSTEM:
        return None
    ratio = little_ratio(seen, expected)
    return "none" if ratio is None or 1 / MOST_APART <= ratio <= MOST_APART else "fewer" if ratio < 1 else "more"


@fact("load.imbalanced")
def imbalanced(case: Case) -> Value:
    """``load.imbalance``, None where the connections counted are clearly not all requests."""
    return None if hole(case) == "more" or case.load.imbalance is None else round(case.load.imbalance, 3)


@fact("load.slots")
def slots(case: Case) -> Value:
    """Requests that can run at once: workers x threads."""
    load = case.load
    return int(load.workers * load.threads) if load.workers and load.threads else None


@fact("load.slots_needed")
def slots_needed(case: Case) -> Value:
    """Slots that would be 70 % busy with what arrives: rate x mean service time / 0.7."""
    load = case.load
    if load.rate is None or load.service_mean is None:
        return None
    return math.ceil(load.rate * load.service_mean / TARGET_USE)


@fact("load.workers_per_core")
def workers_per_core(case: Case) -> Value:
    """Workers for every core of the machine."""
    load = case.load
    return round(load.workers / load.cores, 2) if load.workers and load.cores else None


@fact("load.cpu_in_service")
def cpu_in_service(case: Case) -> Value:
    """Share of the service time, waits for a CPU left out, that is computing; in percent."""
    ratio = case.load.cpu_ratio
    return None if ratio is None else round(100 * min(1.0, ratio))


@fact("load.computes")
def computes(case: Case) -> Value:
    """Whether requests mostly compute: CPU is over 0.6 of their time, waits for a CPU left out."""
    load = case.load
    if load.wait_in_service is not None and load.wait_in_service > 0.9:
        return True  # nearly all of the time they were ready to run
    return None if load.cpu_ratio is None else load.cpu_ratio > 0.6


@fact("load.waits")
def waits(case: Case) -> Value:
    """Whether requests mostly wait for something that is not a CPU."""
    load = case.load
    if load.wait_in_service is not None and load.wait_in_service > 0.9:
        return False
    return None if load.cpu_ratio is None else load.cpu_ratio < 0.35


@fact("cores.room")
def room(case: Case) -> Value:
    """Whether requests could be served faster by more workers: CPUs are idle, or these workers hardly want one.

    Others may use every CPU; workers that neither compute nor wait to run do not feel it.
    """
    load = case.load
    if load.idle is None:
        return None
    if load.idle > 0.15:
        return True
    return load.run_queue is not None and load.run_queue < 0.1 and load.cpu_ratio is not None and load.cpu_ratio < 0.2


@fact("interpreter.contended")
def interpreter_contended(case: Case) -> Value:
    """Whether the threads of a worker take turns in one busy interpreter."""
    load = case.load
    if load.busiest is None or take_turns(load, load) is None or load.threads is None:
        return None
    if load.cpu_per_request is None or load.cpu_ratio is None or load.service_p95 is None:
        return None
    return switching(load, load)


@fact("cores.free_beside_busy_worker")
def free_beside(case: Case) -> Value:
    """Whether one worker fills a core while there are fewer workers than cores and other cores idle."""
    load = case.load
    if load.busiest is None or load.idle is None or load.cores is None or load.workers is None:
        return None
    return load.busiest > 0.93 and load.idle > 0.15 and load.workers < load.cores


@fact("cores.quota_suspected")
def quota_suspected(case: Case) -> Value:
    """Whether workers wait for a CPU although the host has idle ones: only a limit of their own does that."""
    load = case.load
    if load.run_queue is None or load.idle is None:
        return None
    return load.run_queue > 0.25 and load.idle > 0.2


@fact("load.connections_unlimited")
def connections_unlimited(case: Case) -> Value:
    """Whether a worker may accept more connections than its threads can serve, and one more."""
    limit, threads = case.number("gunicorn.worker_connections"), case.load.threads
    return None if limit is None or threads is None else limit > threads + 1


@fact("worker_class.mismatch")
def worker_class_mismatch(case: Case) -> Value:
    """Why the worker class cannot serve this load: ``sync-waits``, ``one-interpreter``, or ``none``.

    Sync workers that wait do not fit when there are more of them than cores already, or when it would take more than
    twice the cores of them; threads do not fit computing when one process fills its core and others are idle.
    """
    load, kind = case.load, case.setting("gunicorn.worker_class")
    if kind == "sync":
        waiting, needed, cores = waits(case), slots_needed(case), load.cores
        if waiting is None or not isinstance(needed, int) or cores is None or load.workers is None:
            return None
        return "sync-waits" if waiting and (load.workers > cores or needed > 2 * cores + 1) else "none"
    if kind == "gthread":
        contended, free = interpreter_contended(case), free_beside(case)
        if contended is None or free is None:
            return None
        return "one-interpreter" if contended and free else "none"
    return None if kind is None else "none"


@fact("workers.own_the_cpu")
def own_the_cpu(case: Case) -> Value:
    """Whether it is these workers that use the CPUs: over 60 % of what is used, or so many that they must."""
    load, per_core = case.load, workers_per_core(case)
    if load.our_cpu is None or not isinstance(per_core, int | float):
        return None
    return load.our_cpu > 0.6 or (per_core > 2 and load.our_cpu > 0.4)


@fact("workers.starved_by_others")
def starved_by_others(case: Case) -> Value:
    """Whether others use the CPUs that the workers wait for: most of the busy time, or the hypervisor's."""
    load, per_core = case.load, workers_per_core(case)
    if load.our_cpu is None or not isinstance(per_core, int | float):
        return None
    return (load.our_cpu < 0.5 and per_core <= 2) or (load.steal or 0.0) > 0.10


@fact("cores.limited")
def cores_limited(case: Case) -> Value:
    """Whether the app's own CPU limit stops it: as its cgroup counts, else as idle CPUs beside waiting workers show."""
    throttled = case.load.throttled
    if throttled is not None:
        return throttled > 0.25
    return quota_suspected(case)


@fact("cores.throttled_percent")
def throttled_percent(case: Case) -> Value:
    """Periods in which the unit's CPU quota ran out."""
    return None if case.load.throttled is None else round(100 * case.load.throttled)


@fact("cores.contended")
def cores_contended(case: Case) -> Value:
    """Whether there are clearly more workers than cores, and they wait for each other."""
    load, per_core = case.load, workers_per_core(case)
    if load.run_queue is None or not isinstance(per_core, int | float):
        return None
    return load.run_queue > 0.25 and per_core > PLENTY_OF_PROCESSES


@fact("load.cpu_wanted")
def cpu_wanted(case: Case) -> Value:
    """Cores that would be 70 % busy with what arrives."""
    load = case.load
    if load.rate is None or load.cpu_per_request is None:
        return None
    return round(load.rate * load.cpu_per_request / TARGET_USE, 1)


@fact("logs.gunicorn_tells")
def gunicorn_tells(case: Case) -> Value:
    """Never true: False where gunicorn's log is read (then it would have named its own faults), else unknown."""
    return False if case.witnesses.reads("gunicorn") else None


@fact("logs.nginx_tells")
def nginx_tells(case: Case) -> Value:
    """Never true: False where nginx's error log is read (then it would have named its own limits), else unknown."""
    return False if case.witnesses.reads("nginx.error") else None
