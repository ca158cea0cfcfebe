"""A log is renamed and written anew: both files are read whole, in order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.logs import append, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


def test_lines_around_a_rename(follow: Follow, tmp_path: Path) -> None:
    """Writers that still hold the old file are read on, then the new file follows."""
    log = tmp_path / "error.log"
    append(log, *lines(1, 2))
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        with log.open("a") as slow_worker:
            append(log, *lines(3, 4))
            seen.until(lambda: seen.data == whole(lines(3, 4)))
            log.rename(tmp_path / "error.log.1")
            slow_worker.write(whole(lines(5, 6)).decode())
        append(log, *lines(7, 8))
        seen.until(lambda: seen.data == whole(lines(3, 8)))
        append(log, *lines(9, 9))
        seen.until(lambda: seen.data == whole(lines(3, 9)))
    assert not seen.said("gap")
    assert not seen.said("blind")


def test_twice_between_two_looks(follow: Follow, tmp_path: Path) -> None:
    """A file that came and went between two looks is read too."""
    log = tmp_path / "error.log"
    log.touch()
    source = follow(log)
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 2))
        seen.until(lambda: seen.data == whole(lines(1, 2)))
        log.rename(tmp_path / "error.log.2")
        append(log, *lines(3, 4))
        log.rename(tmp_path / "error.log.1")
        append(log, *lines(5, 6))
        seen.until(lambda: seen.data == whole(lines(1, 6)))
    assert not seen.said("gap")


def test_former_files_are_let_go(follow: Follow, tmp_path: Path) -> None:
    """After ten rotations only the live file is held open."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log, grace_s=0.05)) as seen:
        seen.until(lambda: seen.said("reading"))
        for number in range(1, 11):
            append(log, *lines(number, number))
            seen.until(lambda number=number: seen.data == whole(lines(1, number)))
            log.rename(tmp_path / f"error.log.{number}")
        append(log, "end")
        seen.until(lambda: seen.data.endswith(b"end\n"))
        seen.until(lambda: len(_held(tmp_path)) == 1)


def _held(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue
    return [name for name in found if name.startswith(f"{directory}/")]
