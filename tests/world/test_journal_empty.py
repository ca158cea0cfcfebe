"""A journal without a single matching entry, or without any entry, is followed from its start."""

import pytest

from analyzerd.sources.journal import JournalSource, read_all
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


@pytest.mark.parametrize("lookback_s", [0, 60])
def test_nothing_matches_yet(own_journald: Journald, lookback_s: float) -> None:
    """The first entry ever of a unit is read."""
    source = JournalSource(["app.service"], path=str(own_journald.directory), lookback_s=lookback_s)
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        own_journald.say("app.service", "first")
        seen.until(lambda: seen.messages)
    assert seen.messages == [b"first"]


def test_a_file_without_entries(own_journald: Journald) -> None:
    """Just after a rotation with all archives gone the journal is empty, and no reason for a gap."""
    own_journald.rotate()
    for archived in own_journald.archived():
        archived.unlink()
    with Collected(JournalSource(["app.service"], path=str(own_journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        own_journald.say("app.service", "first")
        seen.until(lambda: seen.messages)
    assert seen.messages == [b"first"]
    assert not seen.said("gap")


def test_reading_once_ends(own_journald: Journald) -> None:
    """Reading what is there of a unit that never spoke ends with nothing."""
    assert list(read_all(str(own_journald.directory), ["app.service"])) == []
