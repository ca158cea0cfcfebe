"""The boot time of workers from coarse readings, beside the one they were made with."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from analyzerd.core.boots import Crew, boot_time_s, recycling
from analyzerd.core.ledger import AppLedger, Mark, Worker, note_reading
from analyzerd.core.measure import EVERYTHING
from analyzerd.model import AccessTally, ProcessReading, Sample

CREW = 4


def played(boot_s: float, life_s: float, *, fds: bool = True) -> Crew:
    """Ten minutes of workers that live for about ``life_s`` and serve ``boot_s`` after they were booted."""
    rng, ledger, pid = random.Random(3), AppLedger("app"), 100
    lives: list[tuple[int, float, float]] = []
    for slot in range(CREW):
        at_s = -life_s * slot / CREW
        while at_s < 600.0:
            end_s = at_s + life_s * rng.uniform(0.9, 1.1)
            lives.append((pid, at_s, end_s))
            ledger.workers[pid] = Worker(pid, at_s, end_s, end_s)
            ledger.marks.append(Mark(at_s, "boot"))
            at_s, pid = end_s, pid + 1
    samples = [Sample(t, processes=_present(lives, t, boot_s, fds=fds)) for t in range(2, 600, 5)]
    tallies = [
        AccessTally(
            t, "gunicorn.access", "", 9, {}, t, t + 9, {}, {p: 9 for p, a, b in lives if a + boot_s < t + 10 < b}
        )
        for t in range(0, 600, 10)
    ]
    for sample in samples:
        for reading in sample.processes:
            note_reading(ledger, reading, sample.time_s)
    return Crew(ledger, samples, tallies, EVERYTHING, 600.0)


def _present(
    lives: list[tuple[int, float, float]], at_s: float, boot_s: float, *, fds: bool
) -> tuple[ProcessReading, ...]:
    return tuple(
        ProcessReading(
            pid,
            "worker",
            fds=12 if fds else None,
            heartbeat_age_s=min(0.5, at_s - born_s - boot_s) if fds and at_s - born_s >= boot_s else None,
        )
        for pid, born_s, end_s in lives
        if born_s <= at_s < end_s
    )


@pytest.mark.parametrize("boot_s", [1.5, 3.0, 8.0])
def test_heartbeats_tell_how_long_a_boot_takes(boot_s: float) -> None:
    """Readings every five seconds come within a second of it."""
    assert boot_time_s(played(boot_s, 40.0)) == pytest.approx(boot_s, abs=1.0)


@pytest.mark.parametrize("boot_s", [4.0, 9.0])
def test_first_requests_tell_it_where_heartbeats_are_unseen(boot_s: float) -> None:
    """Counts by ten seconds come within two seconds of it."""
    assert boot_time_s(played(boot_s, 40.0, fds=False)) == pytest.approx(boot_s, abs=2.0)


def test_neither_seen_is_not_known() -> None:
    """No guess."""
    assert boot_time_s(replace(played(3.0, 40.0, fds=False), tallies=())) is None


def test_what_recycling_costs() -> None:
    """Four workers, a boot of three seconds every forty: 3 / 40 of their time."""
    found = recycling(played(3.0, 40.0), 300.0, 600.0)
    assert found is not None
    assert found.workers == CREW
    assert found.lost == pytest.approx(3.0 / 40.0, rel=0.35)


def test_a_few_recyclings_say_nothing() -> None:
    """Workers that live for ten minutes are not counted."""
    assert recycling(played(3.0, 600.0), 300.0, 600.0) is None
