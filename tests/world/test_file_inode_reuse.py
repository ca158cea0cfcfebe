"""A new file may get the inode of the old one: the content decides, not the number."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.logs import append, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


def test_same_inode_other_content(follow: Follow, tmp_path: Path) -> None:
    """A file at the same inode, longer than the saved offset, is read from its start."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as before:
        before.until(lambda: before.said("reading"))
        append(log, *lines(1, 3))
        before.until(lambda: before.data == whole(lines(1, 3)))
    inode = log.stat().st_ino
    # The surest way to one inode twice: the same file with other bytes.
    log.write_bytes(whole(lines(101, 120)))
    assert log.stat().st_ino == inode
    with Collected(follow(log), before.checkpoint) as after:
        after.until(lambda: after.data)
        append(log, "end")
        after.until(lambda: after.data.endswith(b"end\n"))
    assert after.data == whole(lines(101, 120), ["end"])
    assert after.said("gap")


def test_same_name_and_size_other_inode(follow: Follow, tmp_path: Path) -> None:
    """A replaced file of the very same size is not taken for the old one."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 3))
        seen.until(lambda: seen.data == whole(lines(1, 3)))
        append(tmp_path / "new", *lines(4, 6))
        (tmp_path / "new").replace(log)
        seen.until(lambda: seen.data == whole(lines(1, 6)))
