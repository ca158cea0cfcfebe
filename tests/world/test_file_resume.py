"""A stopped source goes on where it was: nothing lost, nothing twice."""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.model import Checkpoint, Stream
from analyzerd.sources.filemark import Mark, to_position
from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.journald import until
from tests.world.logs import append, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


def test_first_start_at_the_end(follow: Follow, tmp_path: Path) -> None:
    """Without a checkpoint only new lines are read."""
    log = tmp_path / "error.log"
    append(log, *lines(1, 3))
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.checkpoint)
        append(log, *lines(4, 4))
        seen.until(lambda: seen.data == whole(lines(4, 4)))


def test_backfill_begins_at_a_line(follow: Follow, tmp_path: Path) -> None:
    """A backfill that falls into a line begins at the start of that line."""
    log = tmp_path / "error.log"
    append(log, *lines(1, 3))
    with Collected(follow(log, backfill_bytes=len(whole(lines(1, 1))) + 3)) as seen:
        seen.until(lambda: seen.data == whole(lines(2, 3)))


@pytest.mark.parametrize("batches", [1, 2, 3, 5, 8])
def test_resume_from_any_batch(follow: Follow, tmp_path: Path, batches: int) -> None:
    """Wherever the daemon dies between two batches, also among rotations, the rest follows exactly."""
    log = tmp_path / "error.log"
    for first, name in ((1, "error.log.2"), (8001, "error.log.1")):
        append(log, *lines(first, first + 7999))
        log.rename(tmp_path / name)
        log.touch()
        if first == 1:
            start = _checkpoint_at_start(follow, tmp_path / name)
    append(log, *lines(16001, 16100))
    cut = Collected(follow(log), (Checkpoint(f"file:{log}", start),), stop_after=batches)
    with cut:
        until(lambda: not cut.thread.is_alive() or cut.data == whole(lines(1, 16100)))
    with Collected(follow(log), cut.checkpoint or (Checkpoint(f"file:{log}", start),)) as rest:
        rest.until(lambda: cut.data + rest.data == whole(lines(1, 16100)))
        append(log, "end")
        rest.until(lambda: rest.data.endswith(b"end\n"))
    assert cut.data + rest.data == whole(lines(1, 16100), ["end"])
    assert not rest.said("gap")


def test_unreadable_checkpoint_is_a_gap(follow: Follow, tmp_path: Path) -> None:
    """A position that makes no sense costs a named gap, not the source."""
    log = tmp_path / "error.log"
    append(log, *lines(1, 3))
    for position in ("", "nonsense", "[[1]]", '{"a":1}', "[" * 5000):
        with Collected(follow(log), (Checkpoint(f"file:{log}", position),)) as seen:
            seen.until(lambda seen=seen: seen.said("reading"))
        assert "not readable" in seen.said("gap")[0].why


def test_append_arrives_quickly(tmp_path: Path) -> None:
    """With events, half of all lines arrive within ten milliseconds."""
    log = tmp_path / "error.log"
    log.touch()
    delays: list[float] = []
    source = LogFileSource([(str(log), Stream("file:x", "nginx.error"))])
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        for number in range(20):
            started_s = time.monotonic()
            append(log, *lines(number, number))
            seen.until(lambda number=number: seen.data.count(b"\n") == number + 1)
            delays.append(time.monotonic() - started_s)
    # The test's own polling adds up to 5 ms.
    assert statistics.median(delays) < 0.015


def _checkpoint_at_start(follow: Follow, path: Path) -> str:
    status = path.stat()
    return to_position([Mark(status.st_dev, status.st_ino, 0, status.st_mtime_ns - 1)])


def test_without_watchdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where watchdog is not installed, looking every 50 ms does as well."""
    monkeypatch.setitem(sys.modules, "watchdog.events", None)
    log = tmp_path / "error.log"
    log.touch()
    with Collected(LogFileSource([(str(log), Stream("file:x", "nginx.error"))])) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 2))
        seen.until(lambda: seen.data == whole(lines(1, 2)))
