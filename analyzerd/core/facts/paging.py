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


@fact("memory.paged")
def paged(case: Case) -> Value:
    """Pages per second read from disk or moved to swap and back, whichever is more."""
    known = paged_from(case) is not None
    return round(max(case.load.major_faults or 0.0, case.load.swapped or 0.0)) if known else None
