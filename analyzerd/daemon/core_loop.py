"""The core thread: the engine and the only writer of the database.

A step's effects, the checkpoints that became true with it and the engine's state are committed together, so a
kill at any moment loses nothing and repeats nothing. Quiet steps are committed once a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from analyzerd.core.engine import Engine
from analyzerd.core.state import FORMAT, decode, encode
from analyzerd.daemon.clock import now_s
from analyzerd.daemon.inbox import Inbox
from analyzerd.model import Batch, Blind, Checkpoint, Effect, Health, Incident, SaveIncident, Tick
from analyzerd.render.redact import redact
from analyzerd.rules.schema import RuleSet
from analyzerd.store.db import Store

IDLE_S = 1.0
BLOCK_TICK_S = 0.25
COMMIT_EVERY_S = 1.0

LoadRules = Callable[[RuleSet | None], RuleSet]


class CoreLoop:
    """Takes batches, steps the engine, commits. ``wake_sender`` is set when there is something to send."""

    def __init__(
        self, engine: Engine, store: Store, inbox: Inbox, load_rules: LoadRules, wake_sender: threading.Event
    ) -> None:
        self.engine, self._store, self._inbox, self._load_rules = engine, store, inbox, load_rules
        self._wake_sender = wake_sender
        self.reload = threading.Event()
        self.stop = threading.Event()
        self.progress_s = 0.0
        self._effects: list[Effect] = []
        self._checkpoints: dict[str, Checkpoint] = {}
        self._changed = False
        self._committed_s = 0.0

    def run(self) -> None:
        """Work until stopped, then commit what is left."""
        self._report_rules(self.engine.rules)
        while not self.stop.is_set():
            if self.reload.is_set():
                self._reload()
            self._turn(self._inbox.take(self._wait_s()))
        self._turn(self._inbox.take(0.0))
        self._commit(now_s(), force=True)

    def _wait_s(self) -> float:
        due = self.engine.next_deadline()
        wait = IDLE_S if due is None else min(IDLE_S, max(0.0, due - now_s()))
        return min(wait, BLOCK_TICK_S) if self.engine.waiting else wait

    def _turn(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for item in batch.inputs:
                self._effects += self.engine.step(item)
            self._checkpoints.update({c.stream: c for c in batch.checkpoints})
            self._changed = True
        time_s = now_s()
        effects = self.engine.step(Tick(time_s))
        self._effects += effects
        self._commit(time_s, force=any(isinstance(e, SaveIncident) for e in self._effects))
        self.progress_s = time_s

    def _commit(self, time_s: float, *, force: bool) -> None:
        if not (self._changed or self._effects):
            return
        if not force and time_s - self._committed_s < COMMIT_EVERY_S:
            return
        effects = [_redacted(effect) for effect in self._effects]
        state = encode(self.engine.state)
        self._store.commit(effects, tuple(self._checkpoints.values()), state, time_s)
        if any(isinstance(e, SaveIncident) for e in effects):
            self._wake_sender.set()
        self._effects, self._checkpoints, self._changed, self._committed_s = [], {}, False, time_s

    def _reload(self) -> None:
        self.reload.clear()
        rules = self._load_rules(self.engine.rules)
        self.engine.use(rules)
        self._report_rules(rules)

    def _report_rules(self, rules: RuleSet) -> None:
        """Broken rule files are a blind spot; the last good rules stay in force."""
        state = "blind" if rules.problems else "reading"
        why = "; ".join(rules.problems[:5])
        mend = "mend the named lines; `analyzerctl rules lint` checks them" if rules.problems else ""
        self._effects += self.engine.step(Health(now_s(), "rules", state, why, mend))
        self._changed = True


def restored(store: Store, build: Callable[..., Engine]) -> Engine:
    """The engine with the state it had when it was last committed; fresh when there is none that fits."""
    blob = store.load_state()
    return build(decode(blob) if blob else None)


def state_format() -> str:
    """Tag of the state's layout, for the store."""
    return FORMAT


def _redacted(effect: Effect) -> Effect:
    """Secrets in log text end here: neither the database nor a sink ever sees them."""
    if isinstance(effect, SaveIncident):
        return replace(effect, incident=_redacted_incident(effect.incident))
    if isinstance(effect, Blind):
        return replace(effect, health=replace(effect.health, why=redact(effect.health.why)))
    return effect


def _redacted_incident(incident: Incident) -> Incident:
    hypotheses = tuple(
        replace(h, evidence=tuple(replace(e, says=redact(e.says)) for e in h.evidence))
        for h in incident.hypotheses
    )
    return replace(
        incident,
        title=redact(incident.title),
        summary=redact(incident.summary),
        samples_of_log=tuple(redact(text) for text in incident.samples_of_log),
        hypotheses=hypotheses,
        recommendations=tuple(replace(r, says=redact(r.says)) for r in incident.recommendations),
    )
