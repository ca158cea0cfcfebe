"""journald changes its files while they are read: none lost, none twice."""

import threading

import pytest

from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def test_rotation_while_reading(own_journald: Journald) -> None:
    """Every line arrives once and in order while the file is rotated under the reader six times."""
    source = JournalSource(["app.service"], path=str(own_journald.directory))
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        writer = threading.Thread(target=_write, args=(own_journald,))
        writer.start()
        for _ in range(6):
            own_journald.rotate()
        writer.join()
        own_journald.rotate()
        own_journald.say("app.service", "end")
        seen.until(lambda: seen.messages[-1:] == [b"end"])
    assert seen.messages == [b"%d" % number for number in range(1, 2001)] + [b"end"]
    assert not seen.said("gap")


def test_rotation_while_away(own_journald: Journald) -> None:
    """A cursor in a file that was rotated meanwhile still names the place."""
    place = str(own_journald.directory)
    with Collected(JournalSource(["app.service"], path=place)) as before:
        before.until(lambda: before.said("reading"))
        own_journald.count("app.service", 1, 5)
        before.until(lambda: len(before.messages) == 5)
    own_journald.rotate()
    own_journald.count("app.service", 6, 8)
    own_journald.rotate()
    with Collected(JournalSource(["app.service"], path=place), before.checkpoint) as after:
        after.until(lambda: len(after.messages) >= 3)
    assert after.messages == [b"6", b"7", b"8"]
    assert not after.said("gap")


def _write(journald: Journald) -> None:
    for start in range(0, 2000, 200):
        journald.count("app.service", start + 1, start + 200)
