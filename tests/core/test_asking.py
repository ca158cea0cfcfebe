"""Whose stack is asked for, when, and how often: time is an input."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from analyzerd.core.engine import Engine, Options
from analyzerd.model import Event, Probe, ProcessReading, Sample, Setting, Tick
from tests.core.stage import RULES, T0

UNIT = "app.service"


class World:
    """An engine that is told about workers of one unit."""

    def __init__(self, per_hour: int = 12, timeout: object = 30, worker_class: str = "sync") -> None:
        self.engine = Engine(RULES, Options(stacks_per_hour=per_hour))
        for name, value in (("timeout", timeout), ("worker_class", worker_class)):
            self.engine.step(Setting(T0, UNIT, f"gunicorn.{name}", value, "test"))

    def sees(self, at_s: float, ages: dict[int, float | None], **more: object) -> list[Probe]:
        """Take a reading of workers with heartbeats of these ages."""
        self.engine.step(Tick(T0 + at_s))
        readings = tuple(
            ProcessReading(pid, "worker", UNIT, start_s=float(pid), heartbeat_age_s=age, **more)  # type: ignore[arg-type]
            for pid, age in ages.items()
        )
        found = self.engine.step(Sample(T0 + at_s, processes=readings))
        return [effect for effect in found if isinstance(effect, Probe)]


def about(found: Iterable[Probe]) -> list[tuple[int, float, float]]:
    """Give pid, when (after the start) and how silent."""
    return [(probe.pid, round(probe.due_s - T0, 3), probe.silent_s) for probe in found]


def test_a_silent_worker_is_asked_about_at_four_fifths_of_its_time() -> None:
    """Planned as soon as it is more silent than an idle worker can be; once for each silence."""
    world = World()
    assert world.sees(0, {12: 14.9, 13: 1.0}) == []
    assert about(world.sees(5, {12: 19.9, 13: 6.0})) == [(12, 9.1, 24.0)]
    assert world.sees(10, {12: 24.9, 13: 11.0}) == []
    assert world.sees(15, {12: 1.0, 13: 1.0}) == []
    assert about(world.sees(65, {12: 26.0, 13: 1.0})) == [(12, 65.0, 24.0)]


def test_the_process_is_named_by_its_start() -> None:
    """A later process with the same pid is another one."""
    (probe,) = World().sees(5, {12: 20.0})
    assert (probe.unit, probe.start_s) == (UNIT, 12.0)


@pytest.mark.parametrize("timeout", [0, "unknown", None])
def test_without_a_limit_nobody_is_late(timeout: object) -> None:
    """``timeout = 0`` switches gunicorn's limit off, and an unreadable one is not guessed."""
    assert World(timeout=timeout).sees(5, {12: 20.0}) == []


def test_an_unreadable_heartbeat_is_no_silence() -> None:
    """What was not measured asks for nothing."""
    assert World().sees(5, {12: None}) == []


def test_a_worker_that_boots_for_too_long() -> None:
    """It has never beaten, and nothing in gunicorn ends it: asked about once."""
    world = World()
    assert world.sees(0, {12: -1.7e9}) == []
    assert world.sees(20, {12: -1.7e9}) == []
    assert about(world.sees(25, {12: -1.7e9})) == [(12, 25.0, 0.0)]
    assert world.sees(30, {12: -1.7e9}) == []


def test_off_asks_for_nothing() -> None:
    """It is the default."""
    assert World(per_hour=0).sees(5, {12: 20.0}) == []


def test_workers_that_hang_together_are_asked_about_three_at_a_time() -> None:
    """They hang at the same line; the rest of the budget is kept for the next trouble."""
    world = World()
    crew: dict[int, float | None] = dict.fromkeys(range(10, 26), 20.0)
    assert len(world.sees(5, crew)) == 3
    assert world.sees(10, dict.fromkeys(crew, 25.0)) == []


def test_the_budget_of_an_hour() -> None:
    """Not more than allowed in any hour, however many silences there are; then again."""
    world = World(per_hour=4)
    asked = [at_s for at_s in range(0, 3600, 70) if world.sees(at_s, {100 + at_s: 20.0})]
    assert asked == [0, 70, 140, 210]
    assert world.sees(3601, {9: 20.0})


def given_up(world: World, at_s: float) -> None:
    """Let nginx give a request up."""
    fields = {"errno": 110, "action": "reading response header from upstream", "upstream_address": "127.0.0.1:8000"}
    text = "upstream timed out (110: Connection timed out) while reading response header from upstream"
    world.engine.step(Event(T0 + at_s, "nginx.error", text, fields={**fields, "message": text}))


def test_threads_that_hold_requests_nginx_gave_up() -> None:
    """Their heartbeat is young: those with most connections are asked about, once a minute, while that lasts."""
    world = World(worker_class="gthread")
    start = (int(T0) // 60 + 1) * 60 - T0
    assert world.sees(start, {12: 0.5, 13: 0.2}, connections=4) == []
    given_up(world, start + 1)
    assert about(world.sees(start + 5, {12: 0.5, 13: 0.2}, connections=4)) == [
        (12, start + 5, 0.0),
        (13, start + 5, 0.0),
    ]
    assert world.sees(start + 10, {12: 0.5, 13: 0.2}, connections=4) == []


def test_a_sync_worker_is_left_to_its_heartbeat() -> None:
    """Gunicorn ends its request itself, and the silence is asked about on its own."""
    world = World(worker_class="sync")
    world.sees(0, {12: 0.5}, connections=1)
    given_up(world, 1)
    assert world.sees(5, {12: 5.5}, connections=1) == []
