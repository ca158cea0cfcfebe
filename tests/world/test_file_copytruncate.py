"""Logrotate's copytruncate: the copy holds what was not read yet."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.logs import append, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


def _copytruncate(log: Path, copy: Path) -> None:
    shutil.copyfile(log, copy)
    with log.open("r+b") as file:
        file.truncate(0)


def test_while_following(follow: Follow, tmp_path: Path) -> None:
    """Lines that came just before the copy are read from it, once."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 5))
        seen.until(lambda: seen.data == whole(lines(1, 5)))
        append(log, *lines(6, 7))
        _copytruncate(log, tmp_path / "error.log.1")
        append(log, *lines(8, 9))
        seen.until(lambda: seen.data == whole(lines(1, 9)))
    assert not seen.said("gap")


def test_while_away(follow: Follow, tmp_path: Path) -> None:
    """The same inode with another beginning is not mistaken for the file that was read."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as before:
        before.until(lambda: before.said("reading"))
        append(log, *lines(1, 5))
        before.until(lambda: before.data == whole(lines(1, 5)))
    append(log, *lines(6, 7))
    _copytruncate(log, tmp_path / "error.log.1")
    append(log, *lines(8, 40))
    with Collected(follow(log), before.checkpoint) as after:
        after.until(lambda: after.data == whole(lines(6, 40)))
    assert not after.said("gap")
