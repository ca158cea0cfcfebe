"""Hours of readings: memory that will not suffice is told once, and what is merely large or young is not."""

from __future__ import annotations

import pytest

from analyzerd.core.engine import Engine, Options
from analyzerd.core.replay import run_until
from analyzerd.formats.scenario import parse_scenario
from analyzerd.model import Incident, SaveIncident, Tick
from tests.core.stage import RULES, T0, restarted

MIB = 1 << 20
HEAD = """
+0s reads gunicorn, nginx.error, kernel
+0s setting gunicorn.workers 4
+0s start 27.0.1 sync master=8 workers=12,13,14,15
"""
HOUR_S = 3600


def readings(from_s: int, to_s: int, size: str, pids: tuple[int, ...] = (12, 13, 14, 15), others: int = 100) -> str:
    """A reading a minute of workers of one size (MiB, or a ramp), on a machine of 2 GiB with other programs."""
    ends = [int(part) for part in size.split("..")]
    bytes_ = "..".join(str(end * MIB) for end in ends)
    free = "..".join(str((2048 - others - 20 - end * len(pids)) * MIB) for end in ends)
    workers = "; ".join(f"worker {pid} pss_bytes={bytes_} anon_bytes={bytes_} rss_bytes={bytes_}" for pid in pids)
    host = f"host cores=2 memory_total_bytes={2048 * MIB} memory_available_bytes={free}"
    return f"+{to_s}s sample every=60s over={to_s - from_s}s; {workers}; master 8 anon_bytes={20 * MIB}; {host}\n"


def told(text: str, restart_at_s: float = -1.0) -> list[Incident]:
    """Play a scenario; the incidents that were opened, in order. May be interrupted by a restart."""
    engine, found = Engine(RULES, Options()), list[Incident]()
    for item in parse_scenario(HEAD + text):
        if isinstance(item, Tick) and 0 <= restart_at_s <= item.time_s - T0:
            engine, restart_at_s = restarted(engine), -1.0
        effects = run_until(engine, item.time_s) if isinstance(item, Tick) else engine.step(item)
        found += [e.incident for e in effects if isinstance(e, SaveIncident) and e.reason == "opened"]
    return found


@pytest.mark.parametrize("restart_at_s", [-1.0, 1500.0, 7200.0])
def test_memory_that_will_not_suffice_is_told_once(restart_at_s: float) -> None:
    """Six hours of it are one message, also when analyzerd is started anew in between."""
    found = told(readings(10, 6 * HOUR_S, "380"), restart_at_s)
    assert [one.cause for one in found] == ["memory-overcommit"]
    assert 600 + 900 <= found[0].first_seen_s - T0 <= 600 + 900 + 300


@pytest.mark.parametrize(
    "text",
    [
        readings(10, 6 * HOUR_S, "250"),
        readings(10, 590, "100..430") + readings(600, 6 * HOUR_S, "250"),
        readings(10, 2 * HOUR_S, "250")
        + readings(2 * HOUR_S + 60, 2 * HOUR_S + 300, "390")
        + readings(2 * HOUR_S + 360, 4 * HOUR_S, "250"),
        readings(10, 1400, "380"),
    ],
    ids=[
        "a plateau with room",
        "a warm-up above it",
        "five minutes of more",
        "not long enough",
    ],
)
def test_what_fits_or_passes_is_left_alone(text: str) -> None:
    """Nobody hears of memory that suffices, or that was short for a moment."""
    assert told(text) == []


def test_around_the_threshold_it_does_not_flap() -> None:
    """A need that swings about the threshold every half hour is one message, not twelve."""
    swings = "".join(readings(10 + n * 1800, (n + 1) * 1800, "390" if n % 2 else "355") for n in range(16))
    assert [one.cause for one in told(swings)] == ["memory-overcommit"]


def test_a_deploy_that_changes_nothing_is_not_told_again() -> None:
    """The new workers are as large as the old ones: the same day nobody hears it twice."""
    deploy = "+7230s gunicorn [8] [INFO] Handling signal: hup\n" + "".join(
        f"+7231s gunicorn [{pid}] [INFO] Booting worker with pid: {pid}\n" for pid in (22, 23, 24, 25)
    )
    later = readings(7235, 7235, "80", (22, 23, 24, 25)) + readings(7295, 6 * HOUR_S, "380", (22, 23, 24, 25))
    found = told(readings(10, 7200, "380") + deploy + later)
    assert [one.cause for one in found] == ["memory-overcommit"]


def test_a_reload_in_the_first_minutes_starts_the_clock_anew() -> None:
    """Readings of workers that have left say nothing about those of the new release."""
    deploy = "+1230s gunicorn [8] [INFO] Handling signal: hup\n"
    new = (22, 23, 24, 25)
    text = readings(10, 1200, "380") + deploy + readings(1235, 1235, "80", new) + readings(1295, 3 * HOUR_S, "200", new)
    assert told(text) == []
