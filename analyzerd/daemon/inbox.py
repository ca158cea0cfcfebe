"""The bounded queue between the readers and the engine. Readers wait while it is full: nothing is dropped."""

from __future__ import annotations

import queue
import threading

from analyzerd.model import Batch
from analyzerd.sources import Stopped

MAX_BATCHES = 64


class Inbox:
    """Batches on their way to the engine; ends readers with Stopped when the daemon stops."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Batch] = queue.Queue(MAX_BATCHES)
        self._stopped = threading.Event()

    def put(self, batch: Batch) -> None:
        """Hand a batch over, waiting for room. Raises Stopped."""
        while not self._stopped.is_set():
            try:
                self._queue.put(batch, timeout=0.5)
            except queue.Full:
                continue
            return
        raise Stopped

    def put_if_room(self, batch: Batch) -> bool:
        """Hand a batch over only if there is room at once: readings may be dropped, text may not."""
        try:
            self._queue.put_nowait(batch)
        except queue.Full:
            return False
        return True

    def take(self, timeout_s: float) -> list[Batch]:
        """All batches that are there, waiting at most ``timeout_s`` for the first."""
        try:
            batches = [self._queue.get(timeout=max(timeout_s, 0.001))]
        except queue.Empty:
            return []
        while len(batches) < MAX_BATCHES:
            try:
                batches.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batches

    def close(self) -> None:
        """Refuse further batches."""
        self._stopped.set()
