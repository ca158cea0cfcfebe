"""Brings changes, measurements and promises together in the engine's state. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzerd.core import changes, meter, promises
from analyzerd.core.buckets import GRID_S, encode_bucket
from analyzerd.core.signals import AppSignals
from analyzerd.core.state import EngineState
from analyzerd.core.watch import View
from analyzerd.model import Change, Command, Effect, SaveBucket, SaveChange, SaveIncident
from analyzerd.rules.schema import RuleSet


def changed(state: EngineState, change: Change | None) -> list[Effect]:
    """Remember a change and begin the trials it is about."""
    if change is None or not changes.remember(state.changes, change):
        return []
    return [SaveChange(change), *promises.on_change(state.promises, state.changes, change)]


def told(state: EngineState, effects: Iterable[Effect], rules: RuleSet) -> Iterator[Effect]:
    """Register what the incidents among the effects recommend."""
    for effect in effects:
        if isinstance(effect, SaveIncident) and effect.reason != "merged":
            incident = effect.incident
            yield from promises.register(state.promises, incident, rules.causes, rules.signals, state.now_s)


def look(state: EngineState, view: View, signals: AppSignals, rules: RuleSet) -> list[Effect]:
    """Measure the half-minutes that have ended, and ask the trials that waited for them."""
    known = state.measured.setdefault(view.app, [])
    meter.forget_future(known, view.now_s)
    counted = [name for name, rule in rules.signals.items() if rule.opens and "derived" not in rule.sources]
    effects: list[Effect] = []
    for bucket in meter.new_buckets(view, known, signals, counted):
        meter.keep(known, bucket)
        effects.append(SaveBucket(bucket.time_s, view.app, encode_bucket(bucket)))
    incidents = [entry.incident for entry in state.incidents.values()]
    if effects or view.now_s % GRID_S == 0:
        effects += promises.advance(state.promises, view.app, known, incidents, view.now_s)
    return effects


def obey(state: EngineState, command: Command) -> list[Effect]:
    """A deploy that somebody announces or ends, or a recommendation that somebody dismisses."""
    if command.kind == "dismiss":
        return list(promises.dismiss(state.promises, command.incident, command.actor, command.time_s))
    named = [ledger for app, ledger in state.ledgers.items() if command.app in ("", app)]
    return changed(state, changes.of_command(command, named))
