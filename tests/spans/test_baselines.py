"""What becomes usual in eight days, what does not, and that it decides between busy and slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from analyzerd.core.apps import ours_of
from analyzerd.core.baselines import (
    MOST_ENDPOINTS,
    WHOLE,
    Baseline,
    Gathered,
    decode_baseline,
    encode_baseline,
    hour_of_week,
    learn,
    usual,
)
from analyzerd.core.past import compare, slower
from analyzerd.core.replay import finish, run_until
from analyzerd.core.state import decode, encode
from analyzerd.formats.clock import clock_of
from analyzerd.formats.scenario import UNIT
from analyzerd.model import (
    AccessTally,
    Effect,
    Event,
    Incident,
    SaveBaseline,
    SaveIncident,
)
from tests.core.loads import APP, bucket, reading, ready, started
from tests.core.stage import RULES, Engine

HOUR, DAY = 3600.0, 86400.0
MONDAY = 1_801_440_000.0
"""A Monday, 0:00 UTC."""
STEP_S = 300.0
"""Requests of one bucket in so long: enough to learn from, and eight days pass in seconds."""

Speed = Callable[[float], float]


def live(engine: Engine, from_s: float, to_s: float, speed: Speed, step_s: float = STEP_S) -> Iterator[Effect]:
    """Let time pass with requests that take what ``speed`` says of the moment; yields the effects."""
    time_s = from_s
    while time_s < to_s:
        for tally in bucket(time_s, 20, speed(time_s)):
            yield from engine.step(tally)
        yield from run_until(engine, time_s + step_s)
        time_s += step_s


def steady(_: float) -> float:
    """A service that always takes 50 ms."""
    return 0.05


def rush(time_s: float) -> float:
    """400 ms on Mondays from nine to ten, else 50 ms."""
    return 0.4 if hour_of_week(time_s) == 9 else 0.05


def lived(days: float, speed: Speed, from_s: float = MONDAY) -> Engine:
    """Return an engine that has seen so many days."""
    engine = started(from_s)
    list(live(engine, from_s, from_s + days * DAY, speed))
    return engine


def slow_now(engine: Engine, time_s: float, seconds: float) -> bool | None:
    """Say whether requests of that speed are slower than ever at a moment; None without anything to compare with."""
    tallies = [t for n in range(6) for t in bucket(time_s - 10.0 * n - 10.0, 20, seconds)]
    ours = ours_of(APP, engine.options.apps, engine.state.ledgers, ())
    found = compare(sorted(tallies, key=lambda t: t.time_s), ours, engine.state.baselines.get(APP), time_s)
    return slower(found) is not None if any(c.weeks for c in found) else None


def test_a_week_has_to_pass_first() -> None:
    """On the sixth day nothing is usual yet, on the eighth the hours of the week are."""
    engine = lived(6, steady)
    assert slow_now(engine, MONDAY + 6 * DAY, 0.5) is None
    list(live(engine, MONDAY + 6 * DAY, MONDAY + 8 * DAY, steady))
    assert slow_now(engine, MONDAY + 8 * DAY, 0.5) is True
    assert slow_now(engine, MONDAY + 8 * DAY, 0.06) is False
    whole = usual(engine.state.baselines[APP], WHOLE, MONDAY + 8 * DAY)
    assert whole is not None
    assert whole.service_p50_s == pytest.approx(0.05, rel=0.06)
    assert whole.upstream_p95_s == pytest.approx(0.05, rel=0.06)
    assert whole.rate == pytest.approx(20 / STEP_S, rel=0.1)
    assert whole.failed_share == 0.0


def test_the_rush_of_every_monday_is_usual_on_monday_alone() -> None:
    """The same 400 ms are an anomaly on a Tuesday, and what is beyond the rush is one on Mondays too."""
    engine = lived(8, rush)
    assert slow_now(engine, MONDAY + 7 * DAY + 9.5 * HOUR, 0.4) is False
    assert slow_now(engine, MONDAY + 7 * DAY + 9.5 * HOUR, 1.5) is True
    assert slow_now(engine, MONDAY + 8 * DAY + 9.5 * HOUR, 0.4) is True


@pytest.mark.parametrize("hours", [-1.0, 1.0], ids=["clocks put forward", "clocks put back"])
def test_a_rush_that_comes_with_summer_time_is_no_anomaly(hours: float) -> None:
    """Where people live by their own clock the rush moves by an hour of ours."""
    engine = lived(8, rush)
    assert slow_now(engine, MONDAY + 7 * DAY + (9.5 + hours) * HOUR, 0.4) is False
    assert slow_now(engine, MONDAY + 7 * DAY + (9.5 + 3 * hours) * HOUR, 0.4) is True


def told(engine: Engine, from_s: float, seconds: float) -> list[Incident]:
    """Play four minutes of requests with their readings; return the incidents told."""
    effects = list[Effect]()
    ready(engine, from_s)
    for number in range(24):
        at_s = from_s + 10.0 * number
        for item in (reading(at_s + 2), *bucket(at_s, 20, seconds), reading(at_s + 7)):
            effects += engine.step(item)
        effects += run_until(engine, at_s + 10.0)
    effects += finish(engine)
    return [e.incident for e in effects if isinstance(e, SaveIncident) and e.reason == "opened"]


def test_an_anomaly_is_told_with_the_weeks_it_was_compared_with() -> None:
    """No minute before was faster, and still it is slow: slower than at this hour a week ago."""
    incidents = told(lived(8, rush), MONDAY + 8 * DAY + 9.2 * HOUR, 0.4)
    assert [i.cause for i in incidents] == ["app-slow"]
    said = [e.says for h in incidents[0].hypotheses for e in h.evidence if h.cause == "app-slow" and e.id == "slower"]
    assert "took 0.052 s (the same hour a week ago)" in said[0]


def test_the_rush_itself_is_not_told() -> None:
    """What every Monday brings is no incident, though the minutes before were eight times as fast."""
    engine, nine_s = lived(7 + 9 / 24, rush), MONDAY + 7 * DAY + 9 * HOUR
    forgetful = lived(7 + 9 / 24, rush)
    forgetful.state.baselines.clear()
    assert told(engine, nine_s, 0.4) == []
    assert [i.cause for i in told(forgetful, nine_s, 0.4)] == ["app-slow"]


def give_up_all(engine: Engine, time_s: float) -> list[Effect]:
    """Let the arbiter time all workers out: an alert, where a single time-out would only be told as info."""
    effects: list[Effect] = []
    for pid in (12, 13):
        text = f"WORKER TIMEOUT (pid:{pid})"
        effects += engine.step(Event(time_s, "gunicorn", text, UNIT, 8, fields={"level": "CRITICAL"}))
    return effects


def test_an_hour_with_an_incident_teaches_nothing() -> None:
    """Nine to ten was slow while an incident was open: the hour stays unknown, the others are learnt."""
    engine, seen = started(MONDAY), list[Effect]()
    seen += live(engine, MONDAY, MONDAY + 9.0 * HOUR, steady)
    seen += live(engine, MONDAY + 9.0 * HOUR, MONDAY + 9.2 * HOUR, steady)
    seen += give_up_all(engine, MONDAY + 9.2 * HOUR)
    seen += live(engine, MONDAY + 9.2 * HOUR, MONDAY + 7.3 * DAY, lambda t: 2.0 if t < MONDAY + 9.4 * HOUR else 0.05)
    assert any(isinstance(effect, SaveIncident) for effect in seen)
    baseline = engine.state.baselines[APP]
    assert usual(baseline, "/report", MONDAY + 7 * DAY + 9.5 * HOUR) is None
    before = usual(baseline, "/report", MONDAY + 7 * DAY + 8.5 * HOUR)
    assert before is not None
    assert before.service_p50_s == pytest.approx(0.05, rel=0.06)


def test_what_a_deploy_does_is_passed_over() -> None:
    """Requests that waited for a reload do not count; the rest of their hour does."""
    engine = started(MONDAY)
    list(live(engine, MONDAY, MONDAY + 600, steady, 10.0))
    engine.step(Event(MONDAY + 600, "gunicorn", "Handling signal: hup", UNIT, 8, fields={"level": "INFO"}))
    list(live(engine, MONDAY + 600, MONDAY + 635, lambda _: 9.0, 10.0))
    list(live(engine, MONDAY + 640, MONDAY + HOUR + 200, steady, 10.0))
    found = usual(aged(engine.state.baselines[APP]), "/report", MONDAY + 7 * DAY)
    assert found is not None
    assert found.rate == pytest.approx(20 / 10 * 356 / 360, rel=0.02)


def aged(baseline: Baseline) -> Baseline:
    """Return the baseline as it will count when it is a week old."""
    return replace(baseline, since_s=baseline.since_s - 8 * DAY)


def test_a_restart_changes_nothing_of_what_is_learnt() -> None:
    """An engine stopped and started again, in the middle of an hour as well, learns what one left alone does."""
    alone, engine = lived(8, rush), started(MONDAY)
    at_s, saved = MONDAY, dict[str, bytes]()
    for hours in (0.5, 30.25, 100.0, 61.25):
        effects = list(live(engine, at_s, at_s + hours * HOUR, rush))
        at_s += hours * HOUR
        saved |= {effect.app: effect.content for effect in effects if isinstance(effect, SaveBaseline)}
        state = decode(encode(engine.state))
        assert state is not None
        kept = {app: decode_baseline(content) for app, content in saved.items()}
        state.baselines = {app: baseline for app, baseline in kept.items() if baseline is not None}
        engine = Engine(RULES, engine.options, state)
    assert at_s == MONDAY + 8 * DAY
    assert engine.state.baselines == alone.state.baselines


def test_a_clock_set_back_loses_the_hour_and_nothing_else() -> None:
    """Three hours back on the fifth day: the past stays, and the week still completes it."""
    engine = lived(5, steady)
    list(live(engine, MONDAY + 5 * DAY - 3 * HOUR, MONDAY + 8 * DAY, steady))
    assert engine.state.baselines[APP].since_s == MONDAY
    assert slow_now(engine, MONDAY + 8 * DAY, 0.5) is True
    assert slow_now(engine, MONDAY + 8 * DAY, 0.06) is False


def test_a_leap_of_the_clock_teaches_nothing() -> None:
    """A machine that slept for a day leaves those hours unknown."""
    engine = lived(2, steady)
    list(live(engine, MONDAY + 3 * DAY, MONDAY + 8 * DAY, steady))
    assert usual(engine.state.baselines[APP], WHOLE, MONDAY + 9.5 * DAY) is None
    assert usual(engine.state.baselines[APP], WHOLE, MONDAY + 8.5 * DAY) is not None


def taught(weeks: list[float]) -> float:
    """Return what is usual after the same hour of some weeks, each with its service time."""
    baseline = Baseline()
    for week, seconds in enumerate(weeks):
        at_s = MONDAY + 7 * DAY * week
        hour = Gathered(at_s, at_s, at_s + HOUR, service={"/x": clock_of([(seconds, 100)])})
        baseline = learn(baseline, hour)
    found = usual(aged(baseline), "/x", MONDAY)
    assert found is not None
    assert found.service_p50_s is not None
    return found.service_p50_s


def test_one_bad_week_moves_little_and_a_lasting_change_becomes_usual() -> None:
    """A poisoned hour that no incident marked is hardly believed; what stays is adopted within two months."""
    assert taught([0.1] * 4) == pytest.approx(0.1, rel=0.05)
    assert taught([0.1] * 4 + [10.0]) < 0.125
    assert taught([0.1] * 4 + [0.8] * 8) > 0.3
    assert taught([0.1] * 4 + [0.0001]) > 0.08


def test_what_has_lasted_a_week_has_become_usual() -> None:
    """An incident open for longer than a week no longer keeps the hours from being learnt."""
    engine = started(MONDAY)
    give_up_all(engine, MONDAY)
    list(live(engine, MONDAY, MONDAY + 600, steady))
    assert len(engine.state.incidents) == 1
    for entry in engine.state.incidents.values():
        entry.incident = replace(entry.incident, last_seen_s=MONDAY + 30 * DAY)
    list(live(engine, MONDAY + 600, MONDAY + 6 * DAY, steady))
    assert APP not in engine.state.baselines
    list(live(engine, MONDAY + 6 * DAY, MONDAY + 8 * DAY, steady))
    assert APP in engine.state.baselines


def test_scanners_do_not_become_usual() -> None:
    """Thousands of requests answered 404 change neither the failures nor the rate of what is served."""
    engine = started(MONDAY)
    for number in range(14):
        at_s = MONDAY + number * STEP_S
        scan = AccessTally(
            at_s, "nginx.access", "nginx.service", 6000, {"404": 5980, "200": 18, "502": 2}, at_s, at_s + 9
        )
        engine.step(replace(scan, clocks={"/report": clock_of([(0.05, 20)])}))
        list(run_until(engine, at_s + STEP_S))
    found = usual(aged(engine.state.baselines[APP]), WHOLE, MONDAY + 7 * DAY)
    assert found is not None
    assert found.rate is not None
    assert found.rate < 0.1
    assert found.failed_share == pytest.approx(0.1)


def test_ten_thousand_endpoints_take_thirty_places_and_the_busy_one_keeps_its_own() -> None:
    """Hostile paths fill neither the memory nor the table; what serves most is still known afterwards."""
    engine = lived(7.5, steady)
    for number in range(24 * 60):
        at_s = MONDAY + 7.5 * DAY + 60.0 * number
        for tally in bucket(at_s, 200, 0.05):
            names = [f"/{'a' * 200}{(11 * number + k) % 10_000}" for k in range(11)]
            engine.step(replace(tally, clocks={**tally.clocks, **dict.fromkeys(names, clock_of([(0.05, 20)]))}))
        list(run_until(engine, at_s + 60.0))
    baseline = engine.state.baselines[APP]
    assert len(baseline.endpoints) <= MOST_ENDPOINTS + 1
    assert usual(baseline, "/report", MONDAY + 8.5 * DAY) is not None
    assert len(encode_baseline(baseline)) < 130_000
    assert len(encode(engine.state)) < 300_000


def test_the_saved_state_holds_no_baselines() -> None:
    """A week of history costs the state that every commit writes only the hour under way."""
    before, after = len(encode(lived(0.1, steady).state)), len(encode(lived(8, steady).state))
    assert after < before + 2_000


@pytest.mark.parametrize("content", [b"", b"{}", b'{"endpoints":{"/x":{"hours":"AAAA"}}}', b"[1]"])
def test_a_damaged_baseline_is_set_aside(content: bytes) -> None:
    """What was saved by another version, or cut short, is no past."""
    assert decode_baseline(content) in (None, Baseline())
