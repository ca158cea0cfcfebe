"""Facts of what workers have open: files and sockets beside what they may, connections to databases.

None where that may not be read.
"""

from __future__ import annotations

from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.facts.service import pool_size
from analyzerd.model import ProcessReading, Value

NEAR_S = 60.0
KINDS = ("sockets", "files", "pipes")


def _fullest(case: Case) -> ProcessReading | None:
    """The reading, around the question, of the worker that was nearest to its limit."""
    known = [
        p
        for s in case.samples
        if case.distance_s(s.time_s) <= NEAR_S
        for p in s.processes
        if p.role == "worker" and case.ours.unit(p.unit) and p.fds is not None and p.fd_limit
    ]
    return max(known, key=_share, default=None)


def _share(reading: ProcessReading) -> float:
    return (reading.fds or 0) / (reading.fd_limit or 1)


@fact("fds.used_percent")
def used_percent(case: Case) -> Value:
    """What the worker nearest to its limit had open, in percent of what it may."""
    found = _fullest(case)
    return None if found is None else round(100 * _share(found))


@fact("fds.held")
def held(case: Case) -> Value:
    """The same in words, by kind: which kind leaks says where to look."""
    found = _fullest(case)
    if found is None:
        return None
    kinds = sorted(((n, kind) for kind in KINDS if (n := getattr(found, kind)) is not None), reverse=True)
    shown = f" ({', '.join(f'{n} {kind}' for n, kind in kinds)})" if kinds else ""
    return f"{found.fds} of {found.fd_limit}{shown}"


def _connected(case: Case) -> list[list[int]]:
    """By reading around the question: the connections to databases of each worker, where any were seen."""
    found = [
        [
            p.database_connections
            for p in s.processes
            if p.role == "worker" and case.ours.unit(p.unit) and p.database_connections is not None
        ]
        for s in case.samples
        if case.distance_s(s.time_s) <= NEAR_S
    ]
    return [one for one in found if any(one)]


@fact("database.connections")
def database_connections(case: Case) -> Value:
    """Most connections to databases that all workers held. None where none was seen: by a Unix socket, perhaps."""
    return max((sum(one) for one in _connected(case)), default=None)


@fact("pool.in_use")
def pool_in_use(case: Case) -> Value:
    """Most connections to databases that one worker held."""
    return max((max(one) for one in _connected(case)), default=None)


@fact("pool.taken")
def pool_taken(case: Case) -> Value:
    """Whether a worker was seen to hold as many connections to databases as its pool has."""
    held, size = pool_in_use(case), pool_size(case)
    return held >= size if isinstance(held, int) and isinstance(size, int) else None
