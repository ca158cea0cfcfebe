"""The shipped rules, and ways to play written scenarios through the engine: in order, shuffled, cut, restarted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from analyzerd.core.engine import Engine, Options
from analyzerd.core.facts import FACTS
from analyzerd.core.intake import Intake
from analyzerd.core.replay import finish, run_until
from analyzerd.core.solvers import SOLVERS
from analyzerd.core.state import decode, encode
from analyzerd.formats.scenario import START_S, parse_scenario
from analyzerd.model import (
    AccessTally,
    Benign,
    Effect,
    Entries,
    Event,
    Health,
    Incident,
    Input,
    Lines,
    Sample,
    SaveBenign,
    SaveIncident,
    Setting,
    Tick,
)
from analyzerd.rules.layers import Layer, build
from analyzerd.rules.schema import CauseRule

ROOT = Path(__file__).parents[2] / "rules.d"
RULES = build(
    [Layer("rules.d", {str(path.relative_to(ROOT)): path.read_text() for path in ROOT.rglob("*.yaml")})],
    facts=FACTS,
    solvers=SOLVERS,
)
T0 = START_S
WINDOW_S = 4.5
"""Inputs this close to each other may arrive in any order; less than the settle window."""

Timed = Event | AccessTally | Sample | Setting | Health
Outcome = tuple[dict[str, Incident], dict[tuple[str, str], Benign]]


def inputs(text: str) -> list[Input]:
    """Return the inputs of a scenario without its ticks."""
    return [item for item in parse_scenario(text) if not isinstance(item, Tick)]


def timed(text: str) -> list[Timed]:
    """Return a scenario as events in the order of their time: what intake makes of it."""
    intake = Intake(RULES, {})
    found: list[Timed] = []
    for item in inputs(text):
        if isinstance(item, Lines | Entries):
            found += [*intake.feed(item, 0.0), *intake.flush()]
        else:
            assert isinstance(item, Timed)
            found.append(item)
    return sorted(found, key=lambda item: item.time_s)


def windows(items: Sequence[Timed]) -> list[list[Timed]]:
    """Group items that are close enough in time to arrive in any order."""
    groups: list[list[Timed]] = []
    for item in items:
        if groups and item.time_s - groups[-1][0].time_s <= WINDOW_S:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def play(text: str) -> Outcome:
    """Play a scenario as it is written."""
    engine, effects = Engine(RULES, Options()), list[Effect]()
    for item in parse_scenario(text):
        effects += run_until(engine, item.time_s) if isinstance(item, Tick) else engine.step(item)
    return outcome([*effects, *engine.flush(), *finish(engine)])


def play_windows(
    groups: Iterable[Sequence[Input]], restart: Callable[[], bool] = lambda: False, engine: Engine | None = None
) -> Outcome:
    """Play groups of inputs, the clock held while a group arrives; ``restart`` saves and restores the engine."""
    engine, effects = engine or Engine(RULES, Options()), list[Effect]()
    for group in groups:
        times = [item.time_s for item in group if isinstance(item, Timed)]
        effects += run_until(engine, min(times))
        for item in group:
            effects += engine.step(item)
            if restart():
                engine = restarted(engine)
        effects += run_until(engine, max(times))
    return outcome([*effects, *engine.flush(), *finish(engine)])


def restarted(engine: Engine) -> Engine:
    """Return a new engine with what the old one would have saved."""
    state = decode(encode(engine.state))
    assert state is not None
    return Engine(RULES, engine.options, state)


def outcome(effects: Iterable[Effect]) -> Outcome:
    """Return the incidents that stand at the end, whole but for their revision, and the harmless findings."""
    incidents: dict[str, Incident] = {}
    benign: dict[tuple[str, str], Benign] = {}
    for effect in effects:
        if isinstance(effect, SaveIncident):
            incidents[effect.incident.id] = replace(effect.incident, revision=1)
            if effect.reason == "merged" or effect.incident.resolution.startswith("not a problem"):
                del incidents[effect.incident.id]
        elif isinstance(effect, SaveBenign):
            benign[effect.benign.app, effect.benign.id] = effect.benign
    return incidents, benign


def shuffled(groups: Iterable[Sequence[Timed]], rng: random.Random) -> list[list[Timed]]:
    """Return every group in an order of its own."""
    return [rng.sample(list(group), len(group)) for group in groups]


def causes(found: Outcome) -> list[str]:
    """Return the causes of the incidents, sorted."""
    return sorted(incident.cause for incident in found[0].values())


def is_measured(rule: CauseRule) -> bool:
    """Say whether a cause is judged on loads of hundreds of requests."""
    derived = any(signal.startswith("derived.") for signal in rule.opens_on)
    return derived or any(" load " in line for test in rule.tests for line in test.stream.splitlines())


def stands_any_order_and_a_restart(rule: CauseRule) -> None:
    """Play the scenarios of a rule shuffled and interrupted; their answers must stay."""
    rng = random.Random(rule.id)
    for test in rule.tests:
        groups = windows(timed(test.stream))
        mixed = play_windows(shuffled(groups, rng), restart=lambda: rng.random() < 0.2)
        assert mixed == play_windows(groups), test.name
