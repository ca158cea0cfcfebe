"""The core thread: the engine and the only writer of the database.

A step's effects, the checkpoints that became true with it and the engine's state are committed together, so a
kill at any moment loses nothing and repeats nothing. Quiet steps are committed once a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from analyzerd.core.baselines import decode_baseline
from analyzerd.core.buckets import GRID_S, KEPT, decode_bucket
from analyzerd.core.engine import Engine
from analyzerd.core.state import FORMAT, decode, encode
from analyzerd.daemon.clock import now_s
from analyzerd.daemon.diffs import Diffs
from analyzerd.daemon.inbox import Inbox
from analyzerd.daemon.redacted import redacted
from analyzerd.model import Batch, Blind, Checkpoint, Effect, Health, Probe, Sample, SaveIncident, SaveVerified, Tick
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.proposed import Here
from analyzerd.store.db import Store

IDLE_S = 1.0
SHORT_TICK_S = 0.25
COMMIT_EVERY_S = 1.0
PRUNE_EVERY_S = 3600.0
KEEP_S = 400 * 86400.0
"""Thirteen months: the report compares with the same week a year ago."""
CAUGHT_UP_AFTER_S = 0.5
"""After a restart time stands still until the readers were quiet for this long: what was written meanwhile is
read before anything is judged."""
CATCH_UP_AT_MOST_S = 10.0

LoadRules = Callable[[RuleSet | None], RuleSet]


class CoreLoop:
    """Takes batches, steps the engine, commits. ``wake_sender`` is set when there is something to send."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        inbox: Inbox,
        load_rules: LoadRules,
        wake_sender: threading.Event,
        ask: Callable[[Probe], None] | None = None,
        diffs: Diffs | None = None,
    ) -> None:
        self.engine, self._store, self._inbox, self._load_rules = engine, store, inbox, load_rules
        self._wake_sender, self._ask = wake_sender, ask
        self._diffs = diffs or Diffs(Here())
        self.reload = threading.Event()
        self.stop = threading.Event()
        self.progress_s = self._began_s = self._read_s = time.monotonic()
        self._caught_up = not engine.state.now_s
        self._effects: list[Effect] = []
        self._checkpoints: dict[str, Checkpoint] = {}
        self._done: list[int] = []
        self._changed = False
        self._committed_s = 0.0
        self._pruned_s = 0.0

    def run(self) -> None:
        """Work until stopped, then commit what is left. Raises StoreError."""
        self._forget_blind_spots()
        self._report_rules(self.engine.rules)
        while not self.stop.is_set():
            if self.reload.is_set():
                self._reload()
            self._turn(self._inbox.take(self._wait_s()))
        self._turn(self._inbox.take(0.0))
        self._commit(now_s(), at_once=True)

    def _wait_s(self) -> float:
        if not self._caught_up:
            return SHORT_TICK_S
        due_s = self.engine.next_deadline()
        wait_s = IDLE_S if due_s is None else min(IDLE_S, max(0.0, due_s - now_s()))
        return min(wait_s, SHORT_TICK_S) if self.engine.waiting else wait_s

    def _turn(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._take(batch)
        time_s = now_s()
        if self._may_tick(batches):
            self._obey()
            due_s = self.engine.next_deadline()
            self._changed |= due_s is not None and due_s <= time_s
            self._effects += self.engine.step(Tick(time_s))
        self._commit(time_s, at_once=_is_to_be_sent(self._effects))
        self.progress_s = time.monotonic()
        if self.progress_s - self._pruned_s >= PRUNE_EVERY_S:
            self._pruned_s = self.progress_s
            self._store.prune(time_s - KEEP_S)

    def _obey(self) -> None:
        """Carry out what people have asked for; each is done with the commit that holds its effects."""
        for number, command in self._store.commands():
            if number not in self._done:
                self._do(self.engine.step(command))
                self._done.append(number)
                self._changed = True

    def _take(self, batch: Batch) -> None:
        for item in batch.inputs:
            self._do(self.engine.step(item))
            # Readings are not kept over a restart.
            self._changed |= not isinstance(item, Sample)
        self._checkpoints.update({c.stream: c for c in batch.checkpoints})

    def _do(self, effects: Iterable[Effect]) -> None:
        """Keep what is to be stored; a wish for evidence goes to those who can look, if there are any."""
        for effect in effects:
            if not isinstance(effect, Probe):
                self._effects.append(effect)
            elif self._ask is not None:
                self._ask(effect)

    def _may_tick(self, batches: Sequence[Batch]) -> bool:
        if not self._caught_up:
            time_s = time.monotonic()
            self._read_s = time_s if batches else self._read_s
            quiet = time_s - self._read_s >= CAUGHT_UP_AFTER_S
            self._caught_up = quiet or time_s - self._began_s >= CATCH_UP_AT_MOST_S
        return self._caught_up

    def _commit(self, time_s: float, *, at_once: bool) -> None:
        # Counts become effects by a tick: what is read while time stands still is read again after a kill.
        if not self._caught_up or not (self._changed or self._effects or self._checkpoints):
            return
        if not at_once and abs(time_s - self._committed_s) < COMMIT_EVERY_S:
            return
        effects = [redacted(self._diffs.added(effect)) for effect in self._effects]
        state = encode(self.engine.state) if self._changed or effects else None
        self._store.commit(effects, tuple(self._checkpoints.values()), state, time_s, self._done)
        if _is_to_be_sent(effects):
            self._wake_sender.set()
        self._effects, self._checkpoints, self._done, self._changed = [], {}, [], False
        self._committed_s = time_s

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

    def _forget_blind_spots(self) -> None:
        """Whoever is still blind says so again in this life; who is no longer configured cannot."""
        heard = self.engine.state.heard
        for name in [name for name, word in heard.items() if word.state in ("blind", "gap")]:
            del heard[name]
        self._effects += [Blind(replace(h, state="closed"), open=False) for h in self._store.blind_spots()]


def restored(store: Store, build: Callable[..., Engine]) -> Engine:
    """Give the engine the state it had when it was last committed, none when there is none that fits, and the past."""
    blob = store.load_state()
    engine = build(decode(blob) if blob else None)
    known = {app: decode_baseline(content) for app, content in store.baselines().items()}
    engine.state.baselines = {app: baseline for app, baseline in known.items() if baseline is not None}
    for app, content in store.buckets(engine.state.now_s - KEPT * GRID_S):
        if (bucket := decode_bucket(content)) is not None:
            engine.state.measured.setdefault(app, []).append(bucket)
    return engine


def state_format() -> str:
    """Tag of the state's layout, for the store."""
    return FORMAT


def _is_to_be_sent(effects: Iterable[Effect]) -> bool:
    return any(isinstance(effect, SaveIncident | SaveVerified) for effect in effects)
