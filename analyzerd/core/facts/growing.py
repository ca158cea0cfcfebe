"""Facts of memory that grows with the requests a worker serves."""

from __future__ import annotations

from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.growth import Growth, leak
from analyzerd.model import Value


def grown(case: Case) -> Growth | None:
    """The growth in question: from everything known at its time."""
    kept: Growth | bool | None = case.remembered.get("growth", False)  # type: ignore[assignment]
    if isinstance(kept, bool):
        kept = leak(case.curves, case.tallies, case.ours)
        case.remembered["growth"] = kept
    return kept


@fact("growth.per_request_bytes")
def per_request(case: Case) -> Value:
    """Bytes a worker keeps of every request; 0 where it does not grow."""
    found = grown(case)
    return round(found.per_request_bytes) if found else 0


@fact("growth.workers")
def workers(case: Case) -> Value:
    """Workers that grow alike."""
    found = grown(case)
    return found.workers if found else 0


@fact("growth.half_ratio")
def half_ratio(case: Case) -> Value:
    """Growth in the second half over the first: near 1 is steady, a warm-up is far below."""
    found = grown(case)
    return round(found.half_ratio, 2) if found else None


def room_bytes(case: Case) -> float | None:
    """Memory that is left: below the unit's own limit where there is one, else on the host."""
    if not case.samples:
        return None
    last = case.samples[-1]
    for c in last.cgroups:
        if case.ours.unit(c.unit) and c.memory_limit_bytes and c.memory_bytes is not None:
            return float(max(0, c.memory_limit_bytes - c.memory_bytes))
    free = last.host.memory_available_bytes
    return None if free is None else float(free)


@fact("growth.days_left")
def days_left(case: Case) -> Value:
    """Days until the memory is used up if it goes on like this."""
    found, room = grown(case), room_bytes(case)
    if found is None or room is None or found.bytes_per_s <= 0:
        return None
    return round(room / found.bytes_per_s / 86400, 2)
