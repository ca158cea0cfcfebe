"""Many rotations do not leave files open or mapped behind."""

from pathlib import Path

import pytest

from analyzerd.sources import journal
from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def _open_files(directory: Path) -> list[str]:
    """List what this process holds open under a directory, deleted or not."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except OSError:
            continue
    return [link for link in links if f"/journal/{directory.name}/" in link]


def test_open_files_stay_bounded(own_journald: Journald) -> None:
    """After thirty rotations with old files removed, only the files still there are open."""
    with Collected(JournalSource(["app.service"], path=str(own_journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        for number in range(30):
            own_journald.rotate()
            own_journald.say("app.service", str(number))
            for old in own_journald.archived()[:-2]:
                old.unlink()
        seen.until(lambda: len(seen.messages) == 30)
        seen.until(lambda: len(_open_files(own_journald.directory)) <= 3)
        assert not any("deleted" in link for link in _open_files(own_journald.directory))
    assert seen.messages == [b"%d" % number for number in range(30)]
    assert _open_files(own_journald.directory) == []


def test_reopens_after_a_long_backfill(journald: Journald, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader that worked through a backlog is closed and follows on as a new one, at the same place."""
    monkeypatch.setattr(journal, "REOPEN_AFTER_ENTRIES", 1000)
    journald.count("long.service", 1, 2300)
    with Collected(JournalSource(["long.service"], path=str(journald.directory), lookback_s=60)) as seen:
        seen.until(lambda: len(seen.messages) == 2300)
        journald.say("long.service", "end")
        seen.until(lambda: seen.messages[-1] == b"end")
    assert seen.messages == [b"%d" % number for number in range(1, 2301)] + [b"end"]
