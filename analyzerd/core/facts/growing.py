"""Facts of memory that grows with the requests a worker serves."""

from __future__ import annotations

from dataclasses import dataclass

from analyzerd.core.case import Case
from analyzerd.core.facts.recycling import boot_s
from analyzerd.core.facts.registry import fact
from analyzerd.core.footprint import reserve_of
from analyzerd.core.growth import Growth, leak
from analyzerd.core.plan import formulas
from analyzerd.model import Value

YEAR_S = 365 * 86400.0


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


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that is left, below which limit, what the workers hold of it now, and how many they are. Bytes."""

    left: float
    limit: float
    held: float
    workers: int

    def each(self, base: float) -> float:
        """What a worker may grow by when all have been booted anew, at ``base``: its share, less the reserve."""
        return max(0.0, (self.left + self.held - reserve_of(self.limit)) / self.workers - base)


def room(case: Case) -> Room | None:
    """Memory that is left: below the unit's own limit or on the machine, whichever is less.

    Page cache in the unit's account does not count, the kernel takes it back: private memory does.
    """
    if not case.samples:
        return None
    last = case.samples[-1]
    mine = [p for p in last.processes if case.ours.unit(p.unit)]
    crew = max(1, sum(p.role == "worker" for p in mine))
    private = sum(p.anon_bytes or p.rss_bytes or 0 for p in mine)
    held = float(sum(p.anon_bytes or p.rss_bytes or 0 for p in mine if p.role == "worker"))
    limits = [float(c.memory_limit_bytes) for c in last.cgroups if case.ours.unit(c.unit) and c.memory_limit_bytes]
    found = [Room(max(0.0, limit - private), limit, held, crew) for limit in limits]
    free = last.host.memory_available_bytes
    if free is not None:
        found.append(Room(float(free), float(last.host.memory_total_bytes or free + private), held, crew))
    return min(found, key=lambda r: r.left, default=None)


def seconds_left(case: Case) -> float | None:
    """Until the memory is used up if all workers go on like this; None where they do not, or the rest is unknown."""
    found, rest = grown(case), room(case)
    if found is None or rest is None or found.bytes_per_s <= 0:
        return None
    return rest.left / (found.bytes_per_s / found.workers * max(rest.workers, found.workers))


@fact("growth.days_left")
def days_left(case: Case) -> Value:
    """Days until the memory is used up if it goes on like this."""
    left_s = seconds_left(case)
    return None if left_s is None else round(left_s / 86400, 2)


@fact("growth.hours_left")
def hours_left(case: Case) -> Value:
    """The same in hours."""
    left_s = seconds_left(case)
    return None if left_s is None else round(left_s / 3600, 2)


@fact("growth.full_at")
def full_at(case: Case) -> Value:
    """When the memory is used up if it goes on like this (Unix seconds); None beyond a year."""
    left_s = seconds_left(case)
    return None if left_s is None or left_s > YEAR_S else case.focus.t1_s + left_s


@fact("growth.max_requests")
def max_requests(case: Case) -> Value:
    """Requests after which a worker has used half of what it may grow by."""
    found, rest = grown(case), room(case)
    if found is None or rest is None or found.high_bytes <= 0:
        return None
    return formulas.max_requests(rest.each(found.base_bytes), found.high_bytes)


@fact("growth.least_requests")
def least_requests(case: Case) -> Value:
    """Requests a worker has to serve between two boots, so that booting takes no more than a sixtieth of its time."""
    found = grown(case)
    return None if found is None else formulas.least_requests(boot_s(case), found.rate)


@fact("growth.recycling_pays")
def recycling_pays(case: Case) -> Value:
    """Whether recycling can bound the growth without costing more than a sixtieth of the capacity."""
    most, least = max_requests(case), least_requests(case)
    if not isinstance(most, int) or not isinstance(least, int):
        return None
    return most >= max(1, least)
