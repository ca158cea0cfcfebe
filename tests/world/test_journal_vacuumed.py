"""What journald deletes before it was read is missed by name; what remains is read."""

import pytest

from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def _read_five(journald: Journald) -> Collected:
    with Collected(JournalSource(["app.service"], path=str(journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        journald.count("app.service", 1, 5)
        seen.until(lambda: len(seen.messages) == 5)
    return seen


def test_deleted_unread_entries_are_a_gap(own_journald: Journald) -> None:
    """The gap says how much is missing and what setting keeps more; reading goes on with the oldest left."""
    before = _read_five(own_journald)
    own_journald.count("app.service", 6, 9)
    own_journald.rotate()
    own_journald.count("app.service", 10, 12)
    for archived in own_journald.archived():
        archived.unlink()
    with Collected(JournalSource(["app.service"], path=str(own_journald.directory)), before.checkpoint) as after:
        after.until(lambda: after.messages)
    assert after.messages == [b"10", b"11", b"12"]
    gap = after.said("gap")[0]
    assert "no longer holds" in gap.why
    assert "MaxUse" in gap.mend


def test_deleted_but_read_entries_are_no_gap(own_journald: Journald) -> None:
    """The cursor's own file may go: when nothing unread went with it, nothing is missing."""
    before = _read_five(own_journald)
    own_journald.rotate()
    own_journald.count("app.service", 6, 7)
    for archived in own_journald.archived():
        archived.unlink()
    with Collected(JournalSource(["app.service"], path=str(own_journald.directory)), before.checkpoint) as after:
        after.until(lambda: len(after.messages) == 2)
    assert after.messages == [b"6", b"7"]
    assert not after.said("gap")


def test_vacuum_while_following(own_journald: Journald) -> None:
    """Files that vanish behind the reader's back cost nothing that was read already."""
    with Collected(JournalSource(["app.service"], path=str(own_journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        for number in range(1, 6):
            own_journald.say("app.service", str(number))
            seen.until(lambda number=number: len(seen.messages) == number)
            own_journald.rotate()
            for archived in own_journald.archived():
                archived.unlink()
        own_journald.say("app.service", "6")
        seen.until(lambda: len(seen.messages) == 6)
    assert seen.messages == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_another_journal_altogether(own_journald: Journald) -> None:
    """After a reinstall the numbering is new: time decides, and what was lost is said."""
    before = _read_five(own_journald)
    with Journald() as other:
        other.say("app.service", "elsewhere")
        source = JournalSource(["app.service"], path=str(other.directory))
        with Collected(source, before.checkpoint) as after:
            after.until(lambda: after.messages)
    assert after.messages == [b"elsewhere"]
    assert "no longer holds" in after.said("gap")[0].why
