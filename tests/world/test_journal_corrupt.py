"""Damaged journal files cost what they held, by name, and nothing else."""

from pathlib import Path

import pytest

from analyzerd.sources.journal import JournalSource, read_all
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def _three_files(journald: Journald) -> list[Path]:
    for first in (1, 101):
        journald.count("app.service", first, first + 99)
        journald.rotate()
    journald.count("app.service", 201, 300)
    return journald.archived()


@pytest.mark.parametrize("damage", ["header", "body", "cut", "empty"])
def test_damaged_archive(own_journald: Journald, damage: str) -> None:
    """The files around a damaged one are read in full, and the gap names the file."""
    damaged = _three_files(own_journald)[1]
    spoil(damaged, damage)
    source = JournalSource(["app.service"], path=str(own_journald.directory), lookback_s=600)
    with Collected(source) as seen:
        seen.until(lambda: b"300" in seen.messages)
        own_journald.say("app.service", "new")
        seen.until(lambda: seen.messages[-1:] == [b"new"])
    sound = [b"%d" % n for n in (*range(1, 101), *range(201, 301))]
    assert [m for m in seen.messages if m in set(sound)] == sound
    assert any(str(damaged) in gap.why for gap in seen.said("gap"))


def test_damage_under_the_reader(own_journald: Journald) -> None:
    """The live file is damaged while it is followed: journald begins another one, and so do we."""
    source = JournalSource(["app.service"], path=str(own_journald.directory), retry_s=0.1)
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        own_journald.say("app.service", "before")
        seen.until(lambda: seen.messages)
        spoil(own_journald.directory / "system.journal", "body")
        own_journald.rotate()
        own_journald.say("app.service", "after")
        seen.until(lambda: b"after" in seen.messages)
    assert seen.messages == [b"before", b"after"]


def test_reading_once_around_damage(own_journald: Journald) -> None:
    """Reading a stretch once goes around a damaged file as well."""
    spoil(_three_files(own_journald)[0], "header")
    found = [e.message for part in read_all(str(own_journald.directory), ["app.service"]) for e in part.entries]
    assert found == [b"%d" % n for n in range(101, 301)]


def spoil(path: Path, damage: str) -> None:
    """Damage a journal file in one of the ways disks and crashes do."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(300)
        elif damage == "empty":
            file.truncate(0)
        elif damage == "header":
            file.write(b"\0" * 64)
        else:
            file.seek(272)
            file.write(b"\xff" * (size - 272))
