"""The stacks thread: takes the dumps the engine asks for, one at a time, when they are due. Chooses none itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

from analyzerd.daemon.clock import now_s
from analyzerd.model import Batch, Event, Probe

MAX_WAITING = 16
TOO_LATE_S = 10.0
Take = Callable[[Probe, float], Event | None]


class StackTaker:
    """Holds what was asked until it is due. ``take`` looks at one worker; ``emit`` hands its answer over."""

    def __init__(self, take: Take, emit: Callable[[Batch], object]) -> None:
        self._take, self._emit = take, emit
        self._waiting: list[Probe] = []
        self._changed = threading.Condition()
        self._ended = False

    def ask(self, probe: Probe) -> None:
        """Note a wish; safe from any thread, never waits. Beyond a few waiting ones it is dropped."""
        with self._changed:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(probe)
                self._changed.notify()

    def run(self) -> None:
        """Take dumps until stopped."""
        while (probe := self._next()) is not None:
            event = self._take(probe, now_s())
            if event is not None:
                self._emit(Batch((event,)))

    def stop(self) -> None:
        """Make run() return soon."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _next(self) -> Probe | None:
        """Wait for the next wish that is due; None once stopped. What is long overdue is forgotten."""
        with self._changed:
            while not self._ended:
                time_s = now_s()
                self._waiting = [probe for probe in self._waiting if probe.due_s > time_s - TOO_LATE_S]
                first = min(self._waiting, key=lambda probe: probe.due_s, default=None)
                if first is not None and first.due_s <= time_s:
                    self._waiting.remove(first)
                    return first
                self._changed.wait(first.due_s - time_s if first is not None else None)
        return None
