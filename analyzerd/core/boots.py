"""How long a worker takes from its boot until it serves, measured; and how often workers are recycled.

Judges nothing. None where neither heartbeats nor requests by worker are seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from analyzerd.core.ledger import AppLedger, Worker
from analyzerd.core.measure import BUCKET_S, Ours
from analyzerd.model import AccessTally, Sample

LEAST_BOOTS = 4
JUST_NOW_S = 60.0
LONGEST_S = 300.0
LEAST_RECYCLED = 6


@dataclass(frozen=True, slots=True)
class Crew:
    """What boots and recyclings are measured on: one app's processes, its newest readings, its requests by worker."""

    ledger: AppLedger
    samples: Sequence[Sample]
    tallies: Sequence[AccessTally]
    ours: Ours
    now_s: float

    @property
    def size(self) -> float | None:
        """Workers that serve side by side, by the readings of the last minute: older ones may not survive a restart."""
        newest = [s for s in self.samples if self.now_s - JUST_NOW_S <= s.time_s <= self.now_s]
        present = [n for s in newest if (n := _present(s, self.ours))]
        return median(present) if present else None


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


def recycling(seen: Crew, from_s: float, to_s: float) -> Recycling | None:
    """What recycling costs between two moments; None where workers, boots or enough recyclings were not seen."""
    workers = seen.ledger.workers.values()
    left = [w for w in workers if w.autorestart_s is not None and from_s <= w.autorestart_s <= to_s]
    boot_s, size = boot_time_s(seen), seen.size
    if len(left) < LEAST_RECYCLED or size is None or boot_s is None:
        return None
    return Recycling(len(left), to_s - from_s, size, boot_s)


def boot_time_s(seen: Crew) -> float | None:
    """Seconds from ``Booting worker`` to the first heartbeat, else to the first request."""
    boots = {mark.time_s for mark in seen.ledger.marks if mark.kind == "boot"}
    booted = {w.pid: w for w in seen.ledger.workers.values() if w.booted_s in boots}
    beaten = _by_heartbeat(booted)
    return beaten if beaten is not None else _by_request(seen.tallies, booted, seen.ours)


def _present(sample: Sample, ours: Ours) -> int:
    return sum(p.role == "worker" and ours.unit(p.unit) for p in sample.processes)


Between = tuple[float, float]
"""The seconds after a boot between which a worker became ready."""


def _by_heartbeat(booted: Mapping[int, Worker]) -> float | None:
    """Between the last reading without a heartbeat and the first heartbeat; None where no reading lacks one."""
    beaten = [(w, w.ready_s) for w in booted.values() if w.ready_s is not None]
    if all(w.unready_s is None for w, _ in beaten):
        return None
    lacked = [max(0.0, (w.unready_s or w.booted_s) - w.booted_s) for w, _ in beaten]
    return _common([(a, max(a, ready_s - w.booted_s)) for a, (w, ready_s) in zip(lacked, beaten, strict=True)])


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
