"""What the watch raises and what it leaves alone, and what becomes of a measurement that is not clear."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzerd.core.growth import Curve, leak, note
from analyzerd.core.measure import EVERYTHING, Load, swap_rate
from analyzerd.core.state import decode, encode
from analyzerd.core.watch import short_of_memory
from analyzerd.formats.scenario import parse_scenario
from analyzerd.model import AccessTally, HostReading, ProcessReading, Sample
from tests.core.stage import RULES, Engine, causes, play

HEAD = """
+0s reads gunicorn, nginx.error, kernel
+0s setting gunicorn.timeout 30
+0s start 27.0.1 sync master=8 workers=12,13
"""
SILENT = """
+0s reads nginx.error, kernel
+0s setting gunicorn.timeout 30
+0s setting gunicorn.worker_class sync
"""
READINGS = "".join(
    f"+{t}s sample worker 12 cpu_user_s={1 + t / 10} cpu_system_s=0.1 wait_ns=0 voluntary_switches=1 major_faults=0"
    f"; worker 13 cpu_user_s={1 + t / 10} cpu_system_s=0.1 wait_ns=0 voluntary_switches=1 major_faults=0"
    f"; host cores=4 cpu.user={100 + t} cpu.idle={100 + 3 * t}\n"
    for t in range(50, 81, 6)
)
QUEUE = "+80s load 330 /report upstream=1.6 service=0.2 over=30s workers=12,13\n"


def test_a_queue_before_busy_workers_is_told() -> None:
    """The scenario the others below differ from in one thing."""
    assert causes(play(HEAD + READINGS + QUEUE)) == ["too-few-workers"]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + READINGS + QUEUE.replace("330", "40"),
        HEAD + READINGS + QUEUE.replace("upstream=1.6", "upstream=0.4"),
        HEAD + QUEUE,
        SILENT + READINGS + QUEUE,
        HEAD + READINGS + QUEUE.replace("service=0.2 ", ""),
        HEAD + READINGS + QUEUE.replace("upstream=1.6 ", ""),
    ],
    ids=["few requests", "hardly any wait", "no readings", "no gunicorn log", "no gunicorn times", "no nginx times"],
)
def test_what_is_not_clear_raises_nothing(text: str) -> None:
    """Too few requests, too little wait, or a witness missing: quiet."""
    assert causes(play(text)) == []


def test_a_restart_of_gunicorn_is_not_slowness() -> None:
    """Requests that waited for a reload are left alone."""
    assert causes(play(HEAD + READINGS + "+60s gunicorn [8] [INFO] Handling signal: hup\n" + QUEUE)) == []


def test_a_fault_that_is_known_explains_the_slowness() -> None:
    """A full backlog keeps its one incident."""
    full = (
        "+70s nginx.error [error] 77#77: *1 connect() to unix:/run/app.sock failed (11: Resource temporarily"
        ' unavailable) while connecting to upstream, client: 10.0.0.9, server: s, request: "GET /report HTTP/1.1",'
        ' upstream: "http://unix:/run/app.sock:/report", host: "s"\n'
    )
    start = HEAD.replace("workers=12,13", "workers=12,13 at=unix:/run/app.sock")
    assert causes(play(start + READINGS + full + QUEUE)) == ["backlog-overflow"]


GIVEN_UP = (
    "nginx.error [error] 77#77: *1 upstream timed out (110: Connection timed out) while reading response header from"
    ' upstream, client: 10.0.0.9, server: s, request: "GET /report HTTP/1.1", upstream: "http://127.0.0.1:8000/report"\n'
)
CROWD = "".join(
    f"+{t}s load 110 /report upstream=8 service=0.2 over=10s workers=12,13\n"
    f"+{t}s sample worker 12 cpu_user_s={1 + t / 10} cpu_system_s=0.1 wait_ns=0 voluntary_switches=1 major_faults=0"
    f"; worker 13 cpu_user_s={1 + t / 10} cpu_system_s=0.1 wait_ns=0 voluntary_switches=1 major_faults=0"
    f"; host cores=4 cpu.user={100 + t} cpu.idle={100 + 3 * t}\n"
    for t in range(50, 200, 5)
)


@pytest.mark.parametrize("at_s", [(70,), (120,), (180,), (120, 180, 215)])
def test_what_is_given_up_in_a_queue_belongs_to_the_queue(at_s: tuple[int, ...]) -> None:
    """Requests that waited for too long before slow workers are no second problem, before it is told or after."""
    found = play(HEAD + CROWD + "".join(f"+{at}s {GIVEN_UP}" for at in at_s))
    assert causes(found) == ["too-few-workers"]


def test_what_is_given_up_long_after_is_another_problem() -> None:
    """Minutes after the last slow request a queue explains nothing any more."""
    assert len(causes(play(HEAD + CROWD + f"+600s {GIVEN_UP}"))) == 2


def test_swap_counts_where_it_moves_and_requests_wait_for_it() -> None:
    """Not where it is calm, another program's alone, too fast to be felt, or not counted."""
    felt = Load(0.0, 60.0, service_p95=0.3, faults_per_request=2.0, major_faults=40.0, swapped=300.0)
    assert short_of_memory(felt, felt)
    for other in ({"swapped": 90.0}, {"swapped": None}, {"faults_per_request": 0.1}, {"service_p95": 0.02}):
        spared = replace(felt, **other)
        assert not short_of_memory(spared, spared)


def test_the_rate_of_swapping() -> None:
    """Pages both ways over the seconds between the first and last count; a reading without counts is passed over."""

    def counted(time_s: float, **vmstat: int) -> Sample:
        return Sample(time_s, HostReading(vmstat=vmstat))

    rows = [counted(0.0), counted(5.0, pswpin=100, pswpout=50), counted(10.0), counted(15.0, pswpin=1600, pswpout=550)]
    assert swap_rate(rows) == 200.0
    assert swap_rate(rows[:3]) is None
    assert swap_rate([rows[1], counted(25.0, pswpin=0, pswpout=0)]) == 0.0


def test_a_warm_up_is_no_leak() -> None:
    """Memory that stops growing is left alone, memory that goes on is not; page cache does not count."""
    assert _grown(lambda n: 23e6 + 200e3 * n) is not None
    assert _grown(lambda n: 23e6 + 200e3 * min(n, 120)) is None
    assert _grown(lambda n: 23e6 + (80e6 if n > 200 else 0)) is None


def _grown(size) -> object:  # type: ignore[no-untyped-def]
    curves: dict[int, Curve] = {}
    for n in range(400):
        readings = tuple(ProcessReading(pid, "worker", anon_bytes=int(size(n))) for pid in (12, 13))
        note(curves, Sample(1000.0 + n, processes=readings))
    tallies = [
        AccessTally(t, "gunicorn.access", "", 20, {"200": 20}, t, t + 9, {}, {12: 10, 13: 10})
        for t in range(1000, 1400, 10)
    ]
    return leak(curves, tallies, EVERYTHING)


def test_a_curve_stays_small() -> None:
    """A week of readings is kept in less than a hundred points."""
    curves: dict[int, Curve] = {}
    for n in range(20_000):
        note(curves, Sample(5.0 * n, processes=(ProcessReading(12, "worker", anon_bytes=n),)))
    assert len(curves[12].points) < 100
    assert curves[12].points[0][0] == 0.0


def test_the_saved_state_stays_small() -> None:
    """An hour of request clocks is saved as the last minutes of it."""
    engine = Engine(RULES)
    text = "".join(f"+{t}s load 50 /r{t % 7} upstream=0.3 service=0.2 over=10s\n" for t in range(60, 3600, 10))
    for item in parse_scenario(HEAD + text):
        engine.step(item)
    blob = encode(engine.state)
    assert len(blob) < 200_000
    assert decode(blob) is not None
