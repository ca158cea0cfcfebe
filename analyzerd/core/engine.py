"""The engine: inputs in, effects out. A dispatcher; the work stands in the modules it calls.

The daemon, ``diagnose``, ``replay`` and the tests drive this same object. Time is an input (Tick).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzerd.core import asking, changes, endings, growth, lifecycle, sight, trials, watch, whose
from analyzerd.core.apps import Apps, nginx_settings_for, ours_of
from analyzerd.core.case import Case, Witnesses
from analyzerd.core.correlate import Answer, Timing, fold, open_focus, told
from analyzerd.core.describe import Rules
from analyzerd.core.intake import Intake
from analyzerd.core.judge import Judged, judge
from analyzerd.core.ledger import AppLedger, is_forged, note, note_address, note_reading
from analyzerd.core.measure import threads_of
from analyzerd.core.past import HISTORY_S
from analyzerd.core.readings import add_sample, add_tally, counted, only_of, thin
from analyzerd.core.signals import AppSignals, keep, prune
from analyzerd.core.state import EngineState, Focus
from analyzerd.model import (
    AccessTally,
    Command,
    CountSignals,
    Effect,
    Entries,
    Event,
    Fields,
    Health,
    Input,
    Lines,
    Sample,
    Setting,
    Signal,
    Tick,
    Verdict,
)
from analyzerd.rules.schema import RuleSet, SignalRule

STORM_GRID_S = 5.0
STORM_QUESTIONS = 12
"""More new questions than this within the length of the grid are a storm: their deadlines fall on the grid."""

CLOCK_SET_BACK_S = 60.0
OTHER_PROTOCOLS = ("fastcgi:", "scgi:", "uwsgi:", "grpc:", "grpcs:")
KEEP_SEALED_S = 60.0
LEDGER_KEEP_S = 3600.0
PRUNE_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator chose."""

    apps: Apps = field(default_factory=Apps)
    timing: Timing = field(default_factory=Timing)
    stacks_per_hour: int = 0


class Engine:
    """Holds the state and the rules; ``step`` is the whole interface, with ``next_deadline`` for the clock."""

    def __init__(self, rules: RuleSet, options: Options | None = None, state: EngineState | None = None) -> None:
        self.options = options or Options()
        self.state = state or EngineState()
        self._counts: dict[tuple[str, str], int] = {}
        self._judged: dict[int, list[Judged]] = {}
        self._views: dict[str, AppSignals] = {}
        self._pruned_s = 0.0
        self._asked = asking.Asked(self.options.stacks_per_hour)
        self.use(rules)

    def use(self, rules: RuleSet) -> None:
        """Put a rule set in force; questions already open are judged with it from now on."""
        self.rules = rules
        self.intake = Intake(rules, self.state.streams)
        for setting in [s for known in self.state.settings.values() for s in known.values()]:
            self.intake.learn(setting)
        self._life = Rules(rules.signals, rules.causes)

    # ---- inputs ----------------------------------------------------------------------------------------

    def step(self, item: Input) -> list[Effect]:
        """Take one input; return what is to be done about it."""
        match item:
            case Tick():
                return self._tick(item.time_s)
            case Lines() | Entries():
                return [effect for part in self.intake.feed(item, self.state.now_s) for effect in self.step(part)]
            case Event():
                return self._event(item)
            case AccessTally():
                self._tally(item)
            case Sample():
                return self._sample(item)
            case Setting():
                return self._setting(item)
            case Health():
                return self._health(item)
            case Command():
                return self._command(item)
        return []

    def flush(self) -> list[Effect]:
        """Text has ended: finish half-read blocks."""
        effects = [effect for event in self.intake.flush() for effect in self.step(event)]
        return effects + self._watch(self.state.now_s, ended=True)

    def _watch(self, time_s: float, *, ended: bool = False) -> list[Effect]:
        """Let the watch look at the apps that are due, and take what it raises like any event."""
        effects: list[Effect] = []
        for app in sorted(self.state.ledgers):
            known = self.state.watched.setdefault(app, watch.Watched())
            if not ended and time_s - known.looked_s < watch.EVERY_S:
                continue  # looked at on a grid of the clock, so that the order of arrival leaves no trace
            known.looked_s = time_s
            view = self._watch_view(app, time_s, ended=ended)
            for event in watch.look(view, known):
                for rule, captures in self.intake.match(event):
                    effects += self._signal(rule, event, captures)
            lifecycle.keep_open(self.state, app, known.spell)
            effects += lifecycle.learn_usual(self.state, app, view.ours, time_s)
            effects += trials.look(self.state, view, self._signals_of(app), self.rules)
        return effects

    def _watch_view(self, app: str, time_s: float, *, ended: bool) -> watch.View:
        state = self.state
        ours = ours_of(app, self.options.apps, state.ledgers, state.tallies)
        ledger, past, settings = state.ledgers[app], state.baselines.get(app), self._settings_of(app)
        threads = threads_of(ledger.worker_class, settings)
        read = (app, state.samples, state.tallies, state.curves, ledger)
        return watch.View(*read, ours, threads, time_s, ended, past, settings)

    def _event(self, event: Event) -> list[Effect]:
        self._witness(event.source, event.time_s)
        effects: list[Effect] = []
        for rule, captures in self.intake.match(event):
            effects += self._signal(rule, event, captures)
        return effects

    def _witness(self, source: str, time_s: float) -> None:
        if source not in self.state.witnesses:
            self.state.witnesses[source] = Health(time_s, source, "reading")

    def _signal(self, rule: SignalRule, event: Event, captures: Fields) -> list[Effect]:
        app = self._app_of_event(event)
        signal = Signal(
            event.time_s,
            rule.id,
            app,
            event.source,
            event.pid,
            {**event.fields, **captures},
            event.text,
            event.trusted,
        )
        if event.source == "gunicorn" and app not in self.state.ledgers:
            self.state.ledgers[app] = AppLedger(app)
        ledger = self.state.ledgers.get(app)
        moved: list[Effect] = []
        if ledger is not None:
            note(ledger, signal)
            moved = trials.changed(self.state, changes.of_signal(signal, ledger))
        keep(self.state.signals, signal)
        cut = endings.cut_short(rule.id, event, self._settings_of(app)) if rule.id in endings.SOURCES else None
        if cut is not None:
            self._tally(cut)
        self._counts[app, rule.id] = self._counts.get((app, rule.id), 0) + 1
        if rule.opens and not _is_foreign(signal) and not (ledger is not None and is_forged(ledger, signal)):
            scope = app or f"@{signal.fields.get('upstream_address') or ''}"
            focus = open_focus(self.state, rule, signal, scope, self.options.timing)
            if focus is not None and focus.rules[rule.id] == 1:  # a new question, or a new kind of evidence in it
                soon_s = self._on_grid(max(focus.asked_s, self.state.now_s) + self.options.timing.settle_s)
                focus.due_s = min(focus.due_s or soon_s, soon_s)
        if rule.benign and not rule.opens:
            return [*moved, lifecycle.count_benign(self.state, app, rule.benign, 1, rule.benign_because)]
        return moved

    def _app_of_event(self, event: Event) -> str:
        if event.source == "derived":
            return event.unit
        if event.source in ("nginx.error", "nginx.access"):
            return ""
        if event.source == "kernel":  # the report names the unit of its victim, or no unit at all
            unit = str(event.fields.get("unit") or "")
            return self.options.apps.of_unit(unit) if unit else ""
        return self.options.apps.of_unit(event.unit)

    def _sample(self, sample: Sample) -> list[Effect]:
        add_sample(self.state.samples, sample)
        growth.note(self.state.curves, sample)
        self._witness("samples", sample.time_s)
        for reading in sample.processes:
            app = self.options.apps.of_unit(reading.unit)
            note_reading(self._ledger(app), reading, sample.time_s)
        for listener in sample.listeners:
            note_address(self._ledger(self.options.apps.of_unit(listener.unit)), listener.address)
        apps, asked = self.options.apps, self._asked
        return asking.about(sample, self.state, apps, asked, self._settings_of, self._app_of_focus)

    def _tally(self, item: AccessTally) -> None:
        if tally := counted(self.state.logged, item):
            add_tally(self.state.tallies, tally)
            endings.add_ending(self.state.endings, tally)

    def _ledger(self, app: str) -> AppLedger:
        return self.state.ledgers.setdefault(app, AppLedger(app))

    def _setting(self, setting: Setting) -> list[Effect]:
        known = self.state.settings.setdefault(setting.unit, {})
        app = "" if "nginx" in setting.unit or not setting.unit else self.options.apps.of_unit(setting.unit)
        change = changes.of_setting(known.get(setting.name), setting, app)
        if change is not None and "nginx" in setting.unit:
            change = changes.of_nginx(change, known, self.state.ledgers)
        if setting.name not in known or known[setting.name].time_s <= setting.time_s:
            known[setting.name] = setting
        if setting.name == "gunicorn.bind" and setting.value:
            note_address(self._ledger(self.options.apps.of_unit(setting.unit)), str(setting.value))
        self.intake.learn(setting)
        return trials.changed(self.state, change)

    def _health(self, health: Health) -> list[Effect]:
        effects = sight.hear(self.state.heard, health)
        self.state.witnesses[health.source] = sight.of_source(self.state.heard, health.source)
        return effects

    def _command(self, command: Command) -> list[Effect]:
        if command.kind == "resolve":
            return lifecycle.resolve_by(self.state, command.incident, command.actor)
        return trials.obey(self.state, command)

    # ---- time ------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether a half-read block of text waits for a Tick to be finished."""
        return self.intake.waiting

    def next_deadline(self) -> float | None:
        """When a Tick is due although nothing arrives; None when nothing waits."""
        quiet_s = self.options.timing.resolve_after_s
        due = [focus.due_s for focus in self.state.foci if not focus.sealed]
        due += [e.quiet_since_s + quiet_s for e in self.state.incidents.values() if not e.closed]
        return min(due, default=None)

    def _tick(self, time_s: float) -> list[Effect]:
        if time_s < self.state.now_s - CLOCK_SET_BACK_S:
            self._clock_set_back(time_s)
        due_s = self.next_deadline()
        now_s = self.state.now_s = max(self.state.now_s, time_s)
        effects = [effect for event in self.intake.expire(now_s) for effect in self.step(event)]
        if due_s is not None and due_s <= now_s:
            effects += self._judge_due()
            effects += lifecycle.resolve_quiet(self.state, self.options.timing)
        effects += self._watch(math.floor((now_s - watch.LATE_S) / watch.EVERY_S) * watch.EVERY_S)
        self._prune()
        if self._counts:
            effects.append(CountSignals(now_s, self._counts))
            self._counts = {}
        return effects

    def _clock_set_back(self, time_s: float) -> None:
        """Follow a clock that was set back, instead of waiting until it has caught up."""
        self.state.now_s, self._pruned_s = time_s, 0.0
        for focus in self.state.foci:
            focus.asked_s = min(focus.asked_s, time_s)
            focus.due_s = min(focus.due_s, time_s + self.options.timing.settle_s)

    def _judge_due(self) -> list[Effect]:
        """Judge every app that has a question due; questions not due keep their last judgement."""
        effects: list[Effect] = []
        by_app: dict[str, list[Focus]] = {}
        for focus in self.state.foci:
            if focus.sealed:
                continue
            app = self._app_of_focus(focus)
            if app is not None:
                focus.app = app
                by_app.setdefault(app, []).append(focus)
        for app in sorted(by_app):
            if any(f.due_s <= self.state.now_s for f in by_app[app]):
                effects += self._judge_app(app, by_app[app])
        return effects + self._reschedule()

    def _judge_app(self, app: str, foci: list[Focus]) -> list[Effect]:
        view, samples = self._signals_of(app), self._samples_of(app)
        cases = {id(f): self._case(app, f, view, samples) for f in foci}
        for focus in foci:
            # What had no answer may have one by now, and then belongs to the same incident from its first word on.
            if id(focus) not in self._judged or not focus.cause or focus.due_s <= self.state.now_s:
                self._judged[id(focus)] = judge(cases[id(focus)], self.rules.causes, self.rules.signals)
        answers = [Answer(f, self._judged[id(f)]) for f in foci]
        fold(answers, told(self.state, app), self.rules.causes)
        for answer in answers:
            best, focus = answer.best, answer.focus
            focus.folded = answer.root is not None
            focus.cause = best.rule.id if best else ""
            focus.verdict = best.hypothesis.verdict.value if best else ""
        effects = lifecycle.publish(self.state, app, answers, cases, self._life, self.options.timing)
        return [*effects, *trials.told(self.state, effects, self.rules)]

    def _signals_of(self, app: str) -> AppSignals:
        return self._views.setdefault(app, AppSignals(self.state.signals, app, self.state.ledgers)).refresh()

    def _reschedule(self) -> list[Effect]:
        """Seal the questions whose time is over; give the others their next deadline."""
        timing, effects = self.options.timing, list[Effect]()
        for focus in self.state.foci:
            if focus.sealed or focus.due_s > self.state.now_s:
                continue
            seal_s = self._on_grid(focus.asked_s + timing.seal_s)
            if self.state.now_s >= seal_s:
                effects += lifecycle.seal(self.state, focus, self._life)
                self._judged.pop(id(focus), None)
                continue
            patience_s = self._on_grid(focus.asked_s + timing.patience_s)
            sure = focus.verdict == Verdict.CONFIRMED.value
            focus.due_s = seal_s if sure or patience_s <= self.state.now_s else min(patience_s, seal_s)
        return effects

    def _case(self, app: str, focus: Focus, view: AppSignals, samples: tuple[Sample, ...]) -> Case:
        ledger = self.state.ledgers.get(app) or AppLedger(app)
        witnesses = Witnesses(self.state.witnesses)
        settings = self._settings_of(app)
        ours = ours_of(app, self.options.apps, self.state.ledgers, self.state.tallies)
        return Case(
            app,
            focus,
            self.state.now_s,
            view,
            ledger,
            settings,
            witnesses,
            samples,
            self.state.tallies,
            self.state.curves,
            ours,
            self.state.baselines.get(app),
            self.state.endings,
        )

    def _samples_of(self, app: str) -> tuple[Sample, ...]:
        """The readings without what they hold of other apps."""
        samples, of_unit = self.state.samples, self.options.apps.of_unit
        return tuple(samples if len(self.state.ledgers) < 2 else only_of(samples, lambda unit: of_unit(unit) == app))

    def _settings_of(self, app: str) -> Mapping[str, Setting]:
        merged: dict[str, Setting] = {}
        for unit, settings in self.state.settings.items():
            if "nginx" in unit:
                alone, known = len(self.state.ledgers) < 2, self.state.ledgers.get(app)
                merged.update(nginx_settings_for(settings, known.addresses if known else (), alone=alone))
            elif not unit or self.options.apps.of_unit(unit) == app:
                merged.update(settings)
        return merged

    def _app_of_focus(self, focus: Focus) -> str | None:
        return whose.app_of_focus(focus, self.state.ledgers, self.options.apps)

    def _on_grid(self, time_s: float) -> float:
        """Let the questions of a storm fall due together; a few are answered as soon as they may be."""
        since_s = self.state.now_s - STORM_GRID_S
        new = sum(not focus.sealed and focus.asked_s > since_s for focus in self.state.foci)
        return time_s if new <= STORM_QUESTIONS else math.ceil(time_s / STORM_GRID_S) * STORM_GRID_S

    def _prune(self) -> None:
        state, timing = self.state, self.options.timing
        if state.now_s - self._pruned_s < PRUNE_EVERY_S:
            return
        self._pruned_s = state.now_s
        limit_s = timing.seal_s + KEEP_SEALED_S
        kept = [f for f in state.foci if not f.sealed or state.now_s < f.asked_s + limit_s]
        if len(kept) < len(state.foci):
            state.foci = kept
        # A question that concerns nobody we watch is never judged and ends here.
        lost_s = state.now_s - timing.seal_s
        state.foci = [f for f in state.foci if f.sealed or f.asked_s > lost_s or self._app_of_focus(f) is not None]
        alive = {id(f) for f in state.foci}
        self._judged = {key: judged for key, judged in self._judged.items() if key in alive}
        prune(state.signals, state.now_s - timing.keep_s)
        thin(state.tallies, state.now_s - max(timing.keep_s, HISTORY_S + watch.WINDOW_S))
        for ledger in state.ledgers.values():
            ledger.prune(state.now_s - LEDGER_KEEP_S)


def _is_foreign(signal: Signal) -> bool:
    """Whether nginx speaks of a backend that cannot be gunicorn (PHP and its like)."""
    return str(signal.fields.get("upstream") or "").startswith(OTHER_PROTOCOLS)
