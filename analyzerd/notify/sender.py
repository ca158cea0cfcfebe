"""Converges the sinks to the outbox, one send per step. Reads no clock, sleeps nowhere, decides no words.

Exactly once, although the sinks know no idempotency key: before a first post the row is marked as under way;
a mark found later (kill, time-out, dropped connection) makes the sender look for the message before it posts.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping

from analyzerd.errors import DeliveryError
from analyzerd.notify.contract import (
    CannotLookError,
    Delivery,
    Found,
    InDoubtError,
    Label,
    MessageGoneError,
    Payload,
    Queue,
    Sink,
    Words,
)
from analyzerd.notify.rate import Bucket

Say = Callable[[str], None]

BACKOFF_CAP_S = 300.0
LOOK_AFTER_S = 3.0
"""A post whose outcome is unknown may still be on its way: wait this long before looking for it."""
CLOCK_SKEW_S = 300.0
"""How far the sink's clock may be ahead or behind when looking for a message by time."""
IDLE_LOOK_S = 30.0


class Sender:
    """Drives the sinks; ``say`` gets one sentence for whatever an operator should know."""

    def __init__(
        self,
        queue: Queue,
        sinks: Mapping[str, tuple[Sink, Words]],
        *,
        say: Say = lambda _: None,
        catch_up_over: int = 5,
        late_s: float = 300.0,
        per_s: float = 1.0,
        burst: int = 3,
    ) -> None:
        """``sinks`` is keyed as in the outbox. ``catch_up_over`` 0 turns the catch-up summary off."""
        self._queue, self._sinks, self._say = queue, dict(sinks), say
        self._catch_up_over, self._late_s = catch_up_over, late_s
        self._buckets = {name: Bucket(per_s, burst) for name in sinks}
        self._said: set[str] = set()

    def run(self, clock: Callable[[], float], stop: threading.Event, wake: threading.Event) -> None:
        """Step until ``stop``; ``wake`` ends a wait early (new rows, or the stop)."""
        while not stop.is_set():
            now_s = clock()
            due_s = self.step(now_s)
            wait_s = IDLE_LOOK_S if due_s is None else min(IDLE_LOOK_S, due_s - now_s)
            if wait_s > 0:
                wake.wait(wait_s)
                wake.clear()

    def step(self, now_s: float) -> float | None:
        """Make at most one send; return when to step next, None when all is shown.

        Raises StoreError when the outbox cannot be used; a sink's failures never leave here.
        """
        if self._catch_up_over:
            self._queue.fold_backlog(now_s, self._catch_up_over, self._late_s)
        row = self._queue.claim(now_s)
        if row is None:
            return self._queue.next_due_s()
        if row.sink not in self._sinks:
            self._queue.give_up(row.id, row.target, "this sink is no longer configured")
            return now_s
        wait_s = self._buckets[row.sink].wait_s(now_s)
        if wait_s > 0:
            return now_s + wait_s
        self._converge(row, now_s)
        return now_s

    def _converge(self, row: Delivery, now_s: float) -> None:
        try:
            answered = self._send(row, now_s)
        except MessageGoneError as error:
            self._gone(row, str(error))
        except DeliveryError as error:
            self._failed(row, error, now_s)
        else:
            if answered:
                self._queue.release(row.sink)

    def _send(self, row: Delivery, now_s: float) -> bool:
        """Bring one row to its sink; True when the sink was asked and did what it should."""
        sink, words = self._sinks[row.sink]
        payload = _payload(sink, words, row)
        key = _key(sink, words, row, payload)
        if payload is None or (row.ref and key == row.shown_key):
            self._queue.done(row.id, row.ref or "-", row.target, row.shown_key or key, now_s)
            return False
        self._buckets[row.sink].take(now_s)
        label = Label(row.key, row.part, row.target)
        if row.ref and sink.edits:
            sink.edit(row.ref, payload, label)
            self._queue.done(row.id, row.ref, row.target, key, now_s)
            return True
        if row.in_doubt and (asked := self._settle_doubt(row, sink, label, now_s)) is not None:
            return asked
        self._queue.begin(row.id, now_s)
        ref = sink.post(payload, label, row.parent_ref)
        self._queue.done(row.id, ref, row.target, key, now_s)
        return True

    def _settle_doubt(self, row: Delivery, sink: Sink, label: Label, now_s: float) -> bool | None:
        """Look for a message that may have arrived; None when it did not and is to be posted.

        True: it was found. False: it is too early to look.
        """
        may_look_s = (row.last_attempt_s or 0.0) + LOOK_AFTER_S
        if 0 < may_look_s - now_s <= LOOK_AFTER_S:
            self._queue.retry(row.id, may_look_s, "waiting to see whether the message arrived", in_doubt=True)
            return False
        found = self._find(row, sink, label, now_s)
        if found is None:
            return None
        self._queue.done(row.id, found.ref, found.revision, "", now_s)
        return True

    def _find(self, row: Delivery, sink: Sink, label: Label, now_s: float) -> Found | None:
        since_s = (now_s if row.first_attempt_s is None else row.first_attempt_s) - CLOCK_SKEW_S
        near = self._queue.any_ref(row.sink)
        try:
            return sink.find(label, row.parent_ref, since_s, row.after_ref, near)
        except CannotLookError as error:
            self._say_once(f"{error}; a message may be posted twice after a crash")
            return None

    def _gone(self, row: Delivery, why: str) -> None:
        if row.ref:
            self._queue.lost(row.id)
            return
        self._queue.give_up(row.id, row.target, why)
        self._say(f"{row.key} ({row.part}) is not shown in {row.sink}: {why}")

    def _failed(self, row: Delivery, error: DeliveryError, now_s: float) -> None:
        in_doubt = isinstance(error, InDoubtError) or (row.in_doubt and not error.permanent)
        if error.permanent and not row.plain:
            self._queue.retry(row.id, now_s, f"refused: {error}; trying the short form", plain=True)
            return
        if error.permanent:
            self._queue.give_up(row.id, row.target, str(error))
            self._say(f"{row.key} ({row.part}) is not shown in {row.sink}: {error}")
            return
        until_s = now_s + self._pause_s(row.sink, error)
        self._queue.retry(row.id, until_s, str(error), in_doubt=in_doubt)
        if self._queue.hold(row.sink, until_s, str(error)) == 1:
            self._say(f"{row.sink} does not take messages: {error}; they are kept and sent later")

    def _pause_s(self, sink: str, error: DeliveryError) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s
        return float(min(BACKOFF_CAP_S, 2.0 ** min(self._queue.failures(sink), 9)))

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _payload(sink: Sink, words: Words, row: Delivery) -> Payload | None:
    """Choose the words for a row; None when this sink has nothing to show for it."""
    if row.part == "summary":
        return words.summary(row.members)
    if row.verified is not None:
        return (words.plain_verdict if row.plain else words.verdict)(row.verified)
    if row.incident is None or (row.part == "thread" and not sink.edits):
        return None
    if row.part == "thread":
        return words.plain(row.incident, row.reason) if row.plain else words.thread(row.incident)
    if row.ref and not sink.edits:
        return words.followup(row.incident, row.reason)
    return (words.plain if row.plain else words.message)(row.incident, row.reason)


def _key(sink: Sink, words: Words, row: Delivery, payload: Payload | None) -> str:
    """Tell what is shown: all of it where it can be edited, else only the state."""
    if not sink.edits and row.incident is not None and row.verified is None:
        return _digest(words.followup(row.incident, row.reason))
    return _digest(payload)


def _digest(payload: Payload | None) -> str:
    if payload is None:
        return ""
    return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()[:32]
