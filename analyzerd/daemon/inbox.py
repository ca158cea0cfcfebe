"""The bounded queue between the readers and the engine. Readers wait while it is full: nothing is dropped."""

from __future__ import annotations

import threading
from collections import deque

from analyzerd.model import Batch
from analyzerd.sources import Stopped

MAX_BATCHES = 64


class Inbox:
    """Batches on their way to the engine; ends readers with Stopped when the daemon stops."""

    def __init__(self, max_batches: int = MAX_BATCHES) -> None:
        self._batches: deque[Batch] = deque()
        self._max_batches, self._closed = max_batches, False
        self._changed = threading.Condition()

    def put(self, batch: Batch) -> None:
        """Hand a batch over, waiting for room. Raises Stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._batches) < self._max_batches)
            if self._closed:
                raise Stopped
            self._batches.append(batch)
            self._changed.notify_all()

    def put_if_room(self, batch: Batch) -> bool:
        """Hand a batch over only if there is room at once: readings may be dropped, text may not."""
        with self._changed:
            if self._closed or len(self._batches) >= self._max_batches:
                return False
            self._batches.append(batch)
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float) -> list[Batch]:
        """All batches that are there, waiting at most ``timeout_s`` for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._batches, timeout_s)
            batches = list(self._batches)
            self._batches.clear()
            self._changed.notify_all()
            return batches

    def wake(self) -> None:
        """End a wait of take() that was begun; for what is not a batch."""
        self.put_if_room(Batch(()))

    def close(self) -> None:
        """Refuse further batches; whoever waits goes on at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
