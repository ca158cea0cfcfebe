"""How long slowness has to last before it is told, and that it is told once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from analyzerd.core.baselines import Hour
from analyzerd.core.measure import Load
from analyzerd.core.patience import is_severe, is_usual
from analyzerd.core.replay import run_until
from analyzerd.model import Effect, Incident, SaveIncident
from tests.core.loads import APP, bucket, reading, ready, started
from tests.core.stage import restarted

T0 = 1_801_000_000.0
SERVICE_S = 0.2
N = 95
"""Requests of ten seconds that keep two workers 95 % busy."""

Wait = Callable[[float], float]


def lived(wait: Wait, seconds: float, n: int = N, *, restarts: bool = False) -> list[tuple[float, Incident]]:
    """Let requests wait for a worker as long as ``wait`` says of each moment; what was told, and when."""
    engine, told = started(T0), list[tuple[float, Incident]]()
    ready(engine, T0)
    for number in range(int(seconds / 10)):
        passed_s = 10.0 * number
        effects = list[Effect]()
        queue = round(n / 10 * wait(passed_s))
        for item in (reading(T0 + passed_s + 2, queue), reading(T0 + passed_s + 7, queue)):
            effects += engine.step(item)
        for item in bucket(T0 + passed_s, n, SERVICE_S * N / n, SERVICE_S * N / n + wait(passed_s)):
            effects += engine.step(item)
        for tick in range(1, 11):
            effects += run_until(engine, T0 + passed_s + tick)
        told += [(engine.state.now_s - T0, e.incident) for e in effects if isinstance(e, SaveIncident)]
        engine = restarted(engine) if restarts and number % 7 == 0 else engine
    return told


def opened(told: list[tuple[float, Incident]]) -> list[float]:
    """Return when each incident was told first."""
    first: dict[str, float] = {}
    for at_s, incident in told:
        first.setdefault(incident.id, at_s)
    return list(first.values())


def test_what_is_severe_is_told_within_a_minute() -> None:
    """Requests that wait for two seconds are not left waiting for a third window."""
    told = lived(lambda t: 2.0 if t >= 120 else 0.01, 240)
    assert len(opened(told)) == 1
    assert opened(told)[0] <= 120 + 75


def test_what_is_mild_is_told_when_it_lasts() -> None:
    """Half a second is told after three windows, and stays one incident for as long as it lasts."""
    told = lived(lambda t: 0.6 if t >= 120 else 0.01, 900)
    assert len(opened(told)) == 1
    assert 120 + 90 <= opened(told)[0] <= 120 + 210


@pytest.mark.parametrize(("lasts_s", "n"), [(60, 95), (80, 95), (150, 20)], ids=["a minute", "longer", "few requests"])
def test_a_mild_stretch_that_passes_is_left_alone(lasts_s: float, n: int) -> None:
    """Less than three windows of it: nobody is told."""
    assert lived(lambda t: 0.6 if 120 <= t < 120 + lasts_s else 0.01, 600, n) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("middle", [0.35, 0.5, 0.65])
def test_a_load_that_hovers_round_the_threshold_for_an_hour_tells_at_most_one_incident(
    seed: int, middle: float
) -> None:
    """Each ten seconds above it or below, by chance, with slow tides: one message at most, restarts or not."""
    rng = random.Random(f"{seed} {middle}")
    level = [middle]
    for _ in range(400):
        level.append(min(0.9, max(0.1, level[-1] + 0.1 * (middle - level[-1]) + rng.gauss(0, 0.08))))
    told = lived(lambda t: level[int(t / 10)], 3600, restarts=seed % 2 == 1)
    assert len(opened(told)) <= 1


def test_it_is_over_when_it_has_been_well_and_needs_patience_again() -> None:
    """A quarter of an hour without a slow moment ends it; the next mild minute is not told."""
    told = lived(lambda t: 0.6 if t < 400 or 1800 <= t < 1860 else 0.01, 2400)
    assert len(opened(told)) == 1
    assert told[-1][1].resolution
    assert told[-1][0] < 1700


def test_what_was_told_before_has_to_last_longer_to_be_told_again() -> None:
    """Five mild minutes every half hour, as a job in cron makes them: told twice, not eight times."""
    told = lived(lambda t: 0.6 if t % 1800 >= 1500 else 0.01, 4 * 3600)
    assert len(opened(told)) == 2


def test_what_every_week_brings_is_not_told_unless_it_is_severe() -> None:
    """A wait of 0.6 s that is usual at this hour is left alone; one of two seconds would be left alone by nobody."""
    load = Load(T0, T0 + 60, requests=600, upstream_p95=0.8)
    usual = Hour(weeks=3, upstream_p95_s=0.7)
    assert is_usual(load, usual)
    assert not is_severe(load, usual)
    assert not is_usual(load, None)
    assert not is_usual(replace(load, upstream_p95=1.3), usual)
    assert is_severe(replace(load, upstream_p95=2.5), usual)
    assert not is_severe(replace(load, upstream_p95=1.9), usual)


def test_an_app_that_fails_is_not_given_time() -> None:
    """Mild waits beside one failed request of ten are told at once."""
    engine, effects = started(T0), list[Effect]()
    ready(engine, T0)
    for number in range(24):
        at_s, slow = T0 + 10.0 * number, number >= 12
        for tally in bucket(at_s, N, SERVICE_S, SERVICE_S + (0.6 if slow else 0.01)):
            effects += engine.step(replace(tally, by_status={"200": N - 10, "500": 10}) if slow else tally)
        effects += [
            *engine.step(reading(at_s + 2, 6)),
            *engine.step(reading(at_s + 7, 6)),
            *run_until(engine, at_s + 10.0),
        ]
    first = next(e.incident for e in effects if isinstance(e, SaveIncident))
    assert first.cause == "too-few-workers"
    assert engine.state.watched[APP].spell.telling_s <= T0 + 120 + 40
