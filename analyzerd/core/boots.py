"""How long a worker takes from its boot until it serves, measured; and how often workers are recycled.

Judges nothing. None where neither heartbeats nor requests by worker are seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from analyzerd.core.ledger import AppLedger, Worker
from analyzerd.core.measure import BUCKET_S, Ours
from analyzerd.model import AccessTally, ProcessReading, Sample

LEAST_BOOTS = 4
NEVER_BEATEN_S = -1e6
LONGEST_S = 300.0
LEAST_RECYCLED = 6


@dataclass(frozen=True, slots=True)
class Recycling:
    """Recycling in a span: workers that reached max_requests, the crew's size, and the seconds a boot takes."""

    recycled: int
    span_s: float
    workers: float
    boot_s: float

    @property
    def lost(self) -> float:
        """Share of the workers' time that goes into booting."""
        return self.boot_s * self.recycled / self.span_s / self.workers


def recycling(
    samples: Sequence[Sample],
    tallies: Sequence[AccessTally],
    ledger: AppLedger,
    ours: Ours,
    from_s: float,
    to_s: float,
) -> Recycling | None:
    """What recycling costs between two moments; None where workers, boots or enough recyclings were not seen."""
    left = [w for w in ledger.workers.values() if w.autorestart_s is not None and from_s <= w.autorestart_s <= to_s]
    crews = [n for s in samples if from_s <= s.time_s <= to_s and (n := len(_crew(s, ours)))]
    boot_s = boot_time_s(samples, tallies, ledger, ours)
    if len(left) < LEAST_RECYCLED or not crews or boot_s is None:
        return None
    return Recycling(len(left), to_s - from_s, median(crews), boot_s)


def boot_time_s(
    samples: Sequence[Sample], tallies: Sequence[AccessTally], ledger: AppLedger, ours: Ours
) -> float | None:
    """Seconds from ``Booting worker`` to the first heartbeat, else to the first request."""
    booted = {w.pid: w for w in ledger.workers.values() if _seen_booting(w, ledger)}
    beaten = _by_heartbeat(samples, booted, ours)
    return beaten if beaten is not None else _by_request(tallies, booted, ours)


def _seen_booting(worker: Worker, ledger: AppLedger) -> bool:
    return any(mark.kind == "boot" and mark.time_s == worker.booted_s for mark in ledger.marks)


def _crew(sample: Sample, ours: Ours) -> list[ProcessReading]:
    return [p for p in sample.processes if p.role == "worker" and ours.unit(p.unit)]


Between = tuple[float, float]
"""The seconds after a boot between which a worker became ready."""


def _by_heartbeat(samples: Sequence[Sample], booted: Mapping[int, Worker], ours: Ours) -> float | None:
    """Between the last reading without a heartbeat and the first one with it; None where no reading lacks one."""
    seen: dict[int, list[tuple[float, bool]]] = {}
    for sample in samples:
        for p in _crew(sample, ours):
            if p.pid in booted and p.fds is not None:
                ready = p.heartbeat_age_s is not None and p.heartbeat_age_s > NEVER_BEATEN_S
                beat_s = sample.time_s - (p.heartbeat_age_s or 0.0) if ready else sample.time_s
                seen.setdefault(p.pid, []).append((beat_s - booted[p.pid].booted_s, ready))
    whole = [rows for rows in seen.values() if rows[-1][1]]
    if all(ready for rows in whole for _, ready in rows):
        return None
    return _common([_between(rows) for rows in whole])


def _between(rows: Sequence[tuple[float, bool]]) -> Between:
    last = max((t for t, ready in rows if not ready), default=0.0)
    return last, max(last, min(t for t, ready in rows if ready))


def _common(found: Sequence[Between]) -> float | None:
    """The time that fits all boots, or nearly all: readings are coarse, but fall on each boot at another moment."""
    if len(found) < LEAST_BOOTS:
        return None
    few = (len(found) - 1) // 10
    latest_start, earliest_end = sorted(a for a, _ in found)[-1 - few], sorted(b for _, b in found)[few]
    return max(0.0, (latest_start + earliest_end) / 2)


def _by_request(tallies: Sequence[AccessTally], booted: Mapping[int, Worker], ours: Ours) -> float | None:
    """Within the ten seconds in which a worker served first."""
    first: dict[int, float] = {}
    for tally in tallies:
        if ours.log(tally):
            for pid in tally.by_worker:
                first[pid] = min(first.get(pid, tally.time_s), tally.time_s)
    after = [first[pid] - w.booted_s for pid, w in booted.items() if pid in first]
    near = [(max(0.0, t), t + BUCKET_S) for t in after if -BUCKET_S < t <= LONGEST_S]
    return _common(near)
