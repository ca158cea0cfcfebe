"""The file was rotated and compressed meanwhile: the rest of it is read from the gzip."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.logs import append, compress, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


@pytest.mark.parametrize("name", ["error.log.1", "error.log-20261123", "error.log-20261123-1763883900"])
def test_rest_of_a_compressed_file(follow: Follow, tmp_path: Path, name: str) -> None:
    """Found by its beginning under any of logrotate's names, and followed by the live file."""
    log = tmp_path / "error.log"
    before = _read_five(follow, log)
    append(log, *lines(6, 9000))
    log.rename(tmp_path / name)
    compress(tmp_path / name)
    append(log, *lines(9001, 9003))
    with Collected(follow(log), before.checkpoint) as after:
        after.until(lambda: after.data == whole(lines(6, 9003)))
        append(log, "end")
        after.until(lambda: after.data.endswith(b"end\n"))
    assert not after.said("gap")


def test_rotated_three_times(follow: Follow, tmp_path: Path) -> None:
    """All files between the one that was being read and the live one are read, older ones are not."""
    log = tmp_path / "error.log"
    append(log, "long ago")
    log.rename(tmp_path / "error.log.4")
    compress(tmp_path / "error.log.4")
    before = _read_five(follow, log)
    for first, name in ((6, "error.log.3"), (11, "error.log.2"), (16, "error.log.1")):
        append(log, *lines(first, first + 4))
        log.rename(tmp_path / name)
    compress(tmp_path / "error.log.3")
    compress(tmp_path / "error.log.2")
    append(log, *lines(21, 22))
    with Collected(follow(log), before.checkpoint) as after:
        after.until(lambda: after.data == whole(lines(6, 22)))
        append(log, "end")
        after.until(lambda: after.data.endswith(b"end\n"))
    assert after.data == whole(lines(6, 22), ["end"])
    assert not after.said("gap")


def test_stopped_within_the_gzip(follow: Follow, tmp_path: Path) -> None:
    """Stopped half way through the gzip, the next run goes on there."""
    log = tmp_path / "error.log"
    before = _read_five(follow, log)
    append(log, *lines(6, 20000))
    log.rename(tmp_path / "error.log.1")
    compress(tmp_path / "error.log.1")
    append(log, *lines(20001, 20002))
    cut = Collected(follow(log), before.checkpoint, stop_after=2)
    with cut:
        cut.thread.join(5)
    assert cut.data
    with Collected(follow(log), cut.checkpoint) as rest:
        rest.until(lambda: cut.data + rest.data == whole(lines(6, 20002)))


def test_damaged_gzip_is_a_gap(follow: Follow, tmp_path: Path) -> None:
    """What cannot be unpacked is named, and the live file is read."""
    log = tmp_path / "error.log"
    before = _read_five(follow, log)
    append(log, *lines(6, 9000))
    log.rename(tmp_path / "error.log.1")
    packed = compress(tmp_path / "error.log.1")
    with packed.open("r+b") as file:
        file.truncate(packed.stat().st_size // 2)
    append(log, "live")
    with Collected(follow(log), before.checkpoint) as after:
        after.until(lambda: after.data.endswith(b"live\n"))
    assert "error.log.1.gz" in after.said("gap")[0].why


def test_deleted_unread_is_a_gap(follow: Follow, tmp_path: Path) -> None:
    """When the file is gone altogether, that is said, and everything written since is read."""
    log = tmp_path / "error.log"
    before = _read_five(follow, log)
    log.unlink()
    append(log, *lines(6, 7))
    log.rename(tmp_path / "error.log.1")
    append(log, *lines(8, 9))
    with Collected(follow(log), before.checkpoint) as after:
        after.until(lambda: after.data == whole(lines(6, 9)))
    assert "rotated away" in after.said("gap")[0].why


def _read_five(follow: Follow, log: Path) -> Collected:
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 5))
        seen.until(lambda: seen.data == whole(lines(1, 5)))
    return seen
