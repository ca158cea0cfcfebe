"""A log is emptied in place: what is written after is read from the start."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.logs import append, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


@pytest.mark.parametrize("after", [1, 50])
def test_emptied_in_place(follow: Follow, tmp_path: Path, after: int) -> None:
    """Shorter or longer than before, the new content is read once and the loss is named."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 5))
        seen.until(lambda: seen.data == whole(lines(1, 5)))
        with log.open("r+b") as file:
            file.truncate(0)
        append(log, *lines(101, 100 + after))
        seen.until(lambda: seen.data == whole(lines(1, 5), lines(101, 100 + after)))
    assert "emptied" in seen.said("gap")[0].why


def test_writer_that_keeps_its_offset(follow: Follow, tmp_path: Path) -> None:
    """A writer that did not open for appending leaves a hole of zeros, which is no text."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen, log.open("r+b", buffering=0) as writer:
        seen.until(lambda: seen.said("reading"))
        writer.write(whole(lines(1, 2000)))
        seen.until(lambda: seen.data == whole(lines(1, 2000)))
        writer.truncate(0)
        writer.write(whole(lines(2001, 2001)))
        seen.until(lambda: seen.data == whole(lines(1, 2001)))


def test_cut_in_the_middle(follow: Follow, tmp_path: Path) -> None:
    """When the end is cut off, the rest is not read a second time."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 20))
        seen.until(lambda: seen.data == whole(lines(1, 20)))
        with log.open("r+b") as file:
            file.truncate(len(whole(lines(1, 10))))
        seen.until(lambda: seen.said("gap"))
        append(log, *lines(30, 31))
        seen.until(lambda: seen.data == whole(lines(1, 20), lines(30, 31)))
