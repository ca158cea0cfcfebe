"""Facts of memory that is read back from disk or swap while requests wait. None where it was not measured."""

from __future__ import annotations

from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.watch import swapping, thrashing
from analyzerd.model import Value


@fact("memory.paged_from")
def paged_from(case: Case) -> Value:
    """Where requests wait for their pages from: ``swap``, ``disk``, or ``none`` where they do not."""
    load = case.load
    if load.faults_per_request is None or load.major_faults is None:
        return None
    if swapping(load, load):
        return "swap"
    if thrashing(load, load):
        return "disk"
    return None if load.swapped is None and load.faults_per_request >= 1 else "none"


@fact("memory.limit_hits")
def limit_hits(case: Case) -> Value:
    """How often in that time the unit's memory was held at its own limits, MemoryHigh and MemoryMax."""
    from_s, to_s = case.load.from_s, case.load.to_s
    known = [
        c.high_hits + c.max_hits
        for s in case.samples
        if from_s - 0.5 <= s.time_s <= to_s + 0.5
        for c in s.cgroups
        if case.ours.unit(c.unit) and c.high_hits is not None and c.max_hits is not None
    ]
    return max(0, known[-1] - known[0]) if len(known) >= 2 else None


@fact("memory.paged")
def paged(case: Case) -> Value:
    """Pages per second read from disk or moved to swap and back, whichever is more."""
    known = paged_from(case) is not None
    return round(max(case.load.major_faults or 0.0, case.load.swapped or 0.0)) if known else None
