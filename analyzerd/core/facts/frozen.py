"""Facts of processes that stood still: stopped, frozen, or without a machine to run on. None where not measured."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.ledger import worker_of
from analyzerd.model import ProcessReading, Sample, Value

STOPPED = ("T", "t")
FREEZERS = ("__refrigerator", "do_freezer_trap")
"""What the kernel sleeps in while a cgroup is frozen, in version 1 and 2."""
STILL_SHARE = 0.3
HELD_SHARE = 0.5
STOLEN = 0.5
RAN = 0.5
"""Of the CPU time a running machine would have counted; an idle one counts it as idle."""
LEAST_GAPS = 5
UNUSUAL, MORE_S = 3.0, 3.0
TOGETHER_S = 2.0
SAYS = {
    "stopped": "the process was stopped by a signal (SIGSTOP, or a debugger) in the readings before",
    "freezer": "the cgroup of the app was frozen",
    "machine": "the whole machine stood still: between two readings it counted hardly any CPU time, not even idle",
    "paused": "analyzerd itself stood still meanwhile, with idle CPUs: everything beside it was paused too",
    "steal": "the hypervisor gave this machine's CPUs to others",
}


def _span(case: Case) -> tuple[float, float]:
    """The silence in question: gunicorn's or nginx's patience before it, and a moment after."""
    given_up = any(rule.startswith("gunicorn.") for rule in case.focus.rules)
    limit_s = case.number("gunicorn.timeout" if given_up else "nginx.proxy_read_timeout")
    return case.focus.t0_s - (limit_s or 30.0) - 1.0, case.focus.t1_s + 1.0


def _samples(case: Case) -> list[Sample]:
    from_s, to_s = _span(case)
    return [sample for sample in case.samples if from_s <= sample.time_s <= to_s]


def _asked(case: Case, sample: Sample) -> Iterator[ProcessReading]:
    """The worker in question; all workers where it is about none."""
    for reading in sample.processes:
        if reading.role == "worker" and case.ours.unit(reading.unit) and case.worker in (None, reading.pid):
            yield reading


def _stopped(case: Case, samples: list[Sample]) -> float | None:
    states = [r.state for s in samples for r in _asked(case, s) if r.state]
    return sum(state in STOPPED for state in states) / len(states) if len(states) >= 2 else None


def _frozen(case: Case, samples: list[Sample]) -> float | None:
    """Share of instants with the app's cgroup frozen, as it says itself or as its workers' sleep shows."""
    seen: list[bool] = []
    for sample in samples:
        told = [c.frozen for c in sample.cgroups if case.ours.unit(c.unit) and c.frozen is not None]
        sleeps = [r.wchan for r in _asked(case, sample) if r.wchan]
        if told or sleeps:
            seen.append(any(told) or any(name in FREEZERS for name in sleeps))
    return sum(seen) / len(seen) if len(seen) >= 2 else None


def _stolen(samples: list[Sample]) -> float | None:
    known = [s.host.cpu_s for s in samples if "steal" in s.host.cpu_s]
    if len(known) < 2:
        return None
    moved = {name: known[-1][name] - known[0].get(name, 0.0) for name in known[-1]}
    return moved["steal"] / sum(moved.values()) if sum(moved.values()) > 0 else None


def _standstill(case: Case) -> str | None:
    """``machine``, ``paused`` or ``none``: what the longest unusual gap between readings was."""
    times = [s.time_s for s in case.samples]
    gaps = [b - a for a, b in pairwise(times)]
    from_s, to_s = _span(case)
    near = [(b.time_s - a.time_s, a, b) for a, b in pairwise(case.samples) if b.time_s > from_s and a.time_s < to_s]
    if len(gaps) < LEAST_GAPS or not near:
        return None
    gap_s, before, after = max(near, key=lambda pair: pair[0])
    usual_s, patience_s = median(gaps), (to_s - from_s) / 2 - 1.0
    if gap_s < max(UNUSUAL * usual_s, usual_s + MORE_S, patience_s):
        return "none"
    return _kind_of_gap(gap_s, before, after)


def _kind_of_gap(gap_s: float, before: Sample, after: Sample) -> str | None:
    """A reading that was dropped leaves a gap too: then neither the sampler was late nor the machine at rest."""
    first, last, cores = before.host.cpu_s, after.host.cpu_s, after.host.cores
    if not first or not last or not cores:
        return None
    late = None if after.late_s is None else after.late_s >= gap_s / 2
    moved = {name: last[name] - first.get(name, 0.0) for name in last if name != "steal"}
    if sum(moved.values()) < RAN * gap_s * cores:
        return "none" if late is False else "machine"
    return "paused" if late and moved.get("idle", 0.0) >= RAN * gap_s * cores else "none"


@fact("frozen.how")
def frozen_how(case: Case) -> Value:
    """How the processes stood still: stopped, freezer, machine, paused, steal; ``none`` where they did not."""
    if "frozen" not in case.remembered:
        case.remembered["frozen"] = _how(case)
    kept = case.remembered["frozen"]
    return kept if isinstance(kept, str) else None


def _how(case: Case) -> str | None:
    samples = _samples(case)
    stopped, frozen, stolen, gap = _stopped(case, samples), _frozen(case, samples), _stolen(samples), _standstill(case)
    for name, share, least in (("stopped", stopped, STILL_SHARE), ("freezer", frozen, STILL_SHARE)):
        if share is not None and share >= least:
            return name
    if gap in ("machine", "paused"):
        return gap
    if stolen is not None and stolen >= STOLEN:
        return "steal"
    return None if stopped is None or held(case) else "none"


@fact("frozen.says")
def frozen_says(case: Case) -> Value:
    """The same as a sentence."""
    return SAYS.get(str(frozen_how(case)))


@fact("frozen.held")
def held(case: Case) -> Value:
    """Whether the master and all workers sat in uninterruptible sleep: a frozen cgroup, or a disk all of them need."""
    seen = [[r for r in s.processes if r.state and case.ours.unit(r.unit)] for s in _samples(case)]
    whole = [found for found in seen if any(r.role == "master" for r in found)]
    if len(whole) < 2:
        return None
    return sum(all(r.state == "D" for r in found) for found in whole) >= HELD_SHARE * len(whole)


@fact("timeout.together")
def timeout_together(case: Case) -> Value:
    """Other workers that were given up within two seconds of this one."""
    if case.worker is None or not case.witnesses.reads("gunicorn"):
        return None
    given_up = {worker_of(s) for s in case.find("gunicorn.worker-timeout", within_s=TOGETHER_S)}
    return len(given_up - {case.worker})
