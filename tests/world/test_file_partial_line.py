"""A line is handed over when it is whole, however slowly it is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


def test_slow_writer(follow: Follow, tmp_path: Path) -> None:
    """Pieces of a line wait for its end; whole lines before them do not."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen, log.open("ab", buffering=0) as writer:
        seen.until(lambda: seen.said("reading"))
        for piece in (b"first\nsec", b"o", b"nd"):
            writer.write(piece)
            seen.until(lambda: seen.data)
            assert seen.data == b"first\n"
        writer.write(b"\nth")
        seen.until(lambda: seen.data == b"first\nsecond\n")


def test_partial_line_at_a_restart(follow: Follow, tmp_path: Path) -> None:
    """A line that was half written at the stop comes whole after the start."""
    log = tmp_path / "error.log"
    log.write_bytes(b"old\nha")
    with Collected(follow(log)) as before:
        before.until(lambda: before.checkpoint)
    with log.open("ab") as writer:
        writer.write(b"lf\n")
    with Collected(follow(log), before.checkpoint) as after:
        after.until(lambda: after.data == b"half\n")


def test_last_line_of_a_rotated_file(follow: Follow, tmp_path: Path) -> None:
    """The last line of a file nobody writes any more comes without its newline."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        log.write_bytes(b"whole\nkilled in the mid")
        seen.until(lambda: seen.data == b"whole\n")
        log.rename(tmp_path / "error.log.1")
        log.touch()
        seen.until(lambda: seen.data == b"whole\nkilled in the mid")


def test_endless_line(follow: Follow, tmp_path: Path) -> None:
    """A line beyond 1 MiB is cut and said to be, and memory stays bounded."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        log.write_bytes(b"x" * 2_500_000 + b"\nafter\n")
        seen.until(lambda: seen.data.endswith(b"after\n"))
    assert seen.data == b"x" * 2_500_000 + b"\nafter\n"
    assert "longer than 1 MiB" in seen.said("gap")[0].why


def test_long_but_bounded_line(follow: Follow, tmp_path: Path) -> None:
    """A line longer than a block comes in one piece."""
    log = tmp_path / "error.log"
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        log.write_bytes(b"y" * 700_000 + b"\nafter\n")
        seen.until(lambda: seen.data.endswith(b"after\n"))
    assert not seen.said("gap")
    assert all(item.data.endswith(b"\n") for b in seen.batches for item in b.inputs if hasattr(item, "data"))
