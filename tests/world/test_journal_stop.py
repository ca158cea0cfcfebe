"""Stopping is quick, clean and possible at any moment."""

import threading
import time

import pytest

from analyzerd.model import Batch
from analyzerd.sources import Stopped
from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def test_stop_from_another_thread(journald: Journald) -> None:
    """run() returns within a tick or two of stop(), thirty times over."""
    for _ in range(30):
        with Collected(JournalSource(["stop.service"], path=str(journald.directory))) as seen:
            seen.until(lambda: seen.said("reading"))
            started_s = time.monotonic()
            seen.source.stop()
            seen.thread.join(2)
        assert time.monotonic() - started_s < 1


def test_stop_before_run(journald: Journald) -> None:
    """A source that was stopped first does not start."""
    source = JournalSource(["stop.service"], path=str(journald.directory))
    source.stop()
    with Collected(source) as seen:
        seen.thread.join(2)
        assert not seen.thread.is_alive()
    assert seen.batches == []


def test_a_full_inbox_holds_the_reader(journald: Journald) -> None:
    """While emit blocks nothing is read ahead, and nothing is lost; Stopped out of emit ends run()."""
    journald.count("full.service", 1, 1200)
    door, seen = threading.Semaphore(0), list[Batch]()

    def emit(batch: Batch) -> None:
        if not door.acquire(timeout=5):
            raise Stopped
        seen.append(batch)
        if len(seen) == 4:
            raise Stopped

    source = JournalSource(["full.service"], path=str(journald.directory), lookback_s=60)
    thread = threading.Thread(target=source.run, args=(emit, ()))
    thread.start()
    for _ in range(4):
        door.release()
    thread.join(5)
    assert not thread.is_alive()
    assert sum(len(item.entries) for batch in seen for item in batch.inputs if hasattr(item, "entries")) == 1200
