"""Run a source in a thread and collect what it emits, with deadlines instead of sleeps."""

from __future__ import annotations

import threading
from collections.abc import Callable

from analyzerd.model import Batch, Checkpoint, Entries, Entry, Health, Lines
from analyzerd.ports import Source
from analyzerd.sources import Stopped
from tests.world.journald import until


class Collected:
    """A running source and its output; leaving the block stops it and fails on an uncaught error."""

    def __init__(self, source: Source, resume: tuple[Checkpoint, ...] = (), stop_after: int = 0) -> None:
        self.source, self.resume, self.stop_after = source, resume, stop_after
        self.batches: list[Batch] = []
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="source")

    def _run(self) -> None:
        try:
            self.source.run(self._emit, self.resume)
        except BaseException as error:  # noqa: BLE001  (handed to the test's own thread)
            self.error = error

    def _emit(self, batch: Batch) -> None:
        if self.stop_after and len(self.batches) >= self.stop_after:
            raise Stopped
        self.batches.append(batch)

    def __enter__(self) -> Collected:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.source.stop()
        self.thread.join(10)
        assert not self.thread.is_alive(), "the source did not stop"
        if self.error:
            raise self.error

    def until(self, condition: Callable[[], object], deadline_s: float = 5.0) -> None:
        """Wait for a condition on what was collected."""
        until(lambda: condition() or self.error or not self.thread.is_alive(), deadline_s)
        assert condition(), f"the source ended early: {self.error!r}"

    @property
    def entries(self) -> list[Entry]:
        """All journal entries, in order of arrival."""
        found = [item for batch in self.batches for item in batch.inputs if isinstance(item, Entries)]
        return [entry for entries in found for entry in entries.entries]

    @property
    def messages(self) -> list[bytes]:
        """The messages of all journal entries."""
        return [entry.message for entry in self.entries]

    @property
    def data(self) -> bytes:
        """All bytes of all files."""
        return b"".join(item.data for batch in self.batches for item in batch.inputs if isinstance(item, Lines))

    @property
    def health(self) -> list[Health]:
        """All reports of health."""
        return [item for batch in self.batches for item in batch.inputs if isinstance(item, Health)]

    def said(self, state: str) -> list[Health]:
        """Pick the reports of one state."""
        return [health for health in self.health if health.state == state]

    @property
    def checkpoint(self) -> tuple[Checkpoint, ...]:
        """The newest checkpoint, as the daemon would hand it to the next run."""
        return next((batch.checkpoints for batch in reversed(self.batches) if batch.checkpoints), ())
