"""Whatever is done to a log, in whatever order, every line arrives once and in order."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.model import Checkpoint
from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.logs import append, compress, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


class Writer:
    """Writes numbered lines and rotates as logrotate with ``delaycompress`` does."""

    def __init__(self, log: Path, chance: random.Random) -> None:
        """Begin with an empty log."""
        self.log, self.chance, self.count = log, chance, 0
        log.touch()

    def act(self) -> None:
        """Do one thing."""
        self.chance.choice((self.write, self.write, self.write, self.rotate))()

    def write(self) -> None:
        """Append some lines."""
        more = self.chance.choice((1, 3, 40, 3000))
        append(self.log, *lines(self.count + 1, self.count + more))
        self.count += more

    def rotate(self) -> None:
        """Move every file one number up, compress all but the newest, begin a new one."""
        if not self.log.exists():
            return
        for number in range(30, 0, -1):
            for end in ("", ".gz"):
                former = self.log.with_name(f"{self.log.name}.{number}{end}")
                if former.exists():
                    moved = former.rename(self.log.with_name(f"{self.log.name}.{number + 1}{end}"))
                    if not end:
                        compress(moved)
        self.log.rename(self.log.with_name(f"{self.log.name}.1"))
        if self.chance.random() < 0.7:
            self.log.touch()


@pytest.mark.parametrize("seed", range(12))
def test_restarts_among_rotations(follow: Follow, tmp_path: Path, seed: int) -> None:
    """The source dies at random batches while the log is written and rotated at random."""
    chance = random.Random(seed)
    writer = Writer(tmp_path / "error.log", chance)
    data, checkpoint = b"", tuple[Checkpoint, ...]()
    with Collected(follow(writer.log)) as first:
        first.until(lambda: first.checkpoint)
    checkpoint = first.checkpoint
    for _ in range(6):
        for _ in range(chance.randrange(4)):
            writer.act()
        with Collected(follow(writer.log), checkpoint, stop_after=chance.randrange(1, 9)) as run:
            for _ in range(chance.randrange(4)):
                writer.act()
            if chance.random() < 0.5:
                run.thread.join(0.02)
        data, checkpoint = data + run.data, run.checkpoint or checkpoint
        assert not run.said("gap")
    with Collected(follow(writer.log), checkpoint) as last:
        last.until(lambda: data + last.data == whole(lines(1, writer.count)))
    assert not last.said("gap")
