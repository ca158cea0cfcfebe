"""A stopped reader goes on behind the last entry it handed over: none lost, none twice."""

import pytest

from analyzerd.model import Batch, Checkpoint
from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def numbers(first: int, last: int) -> list[bytes]:
    """Spell the numbers as journald's messages."""
    return [b"%d" % number for number in range(first, last + 1)]


def test_first_start_reads_only_what_comes(journald: Journald) -> None:
    """Without a checkpoint reading begins at the end, also when that end is busy."""
    journald.say("first.service", "old")
    source = JournalSource(["first.service"], path=str(journald.directory))
    with Collected(source) as seen:
        seen.until(lambda: seen.checkpoint)
        journald.say("first.service", "new")
        seen.until(lambda: seen.messages)
    assert seen.messages == [b"new"]


def test_lookback_reads_recent_entries(journald: Journald) -> None:
    """A first start with a lookback reads what was written before it."""
    journald.say("back.service", "old")
    with Collected(JournalSource(["back.service"], path=str(journald.directory), lookback_s=60)) as seen:
        seen.until(lambda: seen.messages)
    assert seen.messages == [b"old"]


def test_resume_loses_and_repeats_nothing(journald: Journald) -> None:
    """Entries written while the reader was away are read once, after those it had read."""
    place = str(journald.directory)
    with Collected(JournalSource(["resume.service"], path=place)) as before:
        before.until(lambda: before.checkpoint)
        journald.count("resume.service", 1, 3)
        before.until(lambda: len(before.messages) == 3)
    journald.count("resume.service", 4, 1504)
    with Collected(JournalSource(["resume.service"], path=place), before.checkpoint) as after:
        after.until(lambda: len(after.messages) >= 1501)
        journald.say("resume.service", "end")
        after.until(lambda: after.messages[-1] == b"end")
    assert before.messages == numbers(1, 3)
    assert after.messages == [*numbers(4, 1504), b"end"]
    assert not after.said("gap")


@pytest.mark.parametrize("batches", [2, 3, 4])
def test_resume_from_any_batch(journald: Journald, batches: int) -> None:
    """Wherever the daemon dies between two batches, the next one follows exactly."""
    place, unit = str(journald.directory), f"batch{batches}.service"
    journald.count(unit, 1, 1700)
    cut = Collected(JournalSource([unit], path=place, lookback_s=60), stop_after=batches)
    with cut:
        cut.until(lambda: len(cut.batches) == batches)
        cut.thread.join(5)
    with Collected(JournalSource([unit], path=place, lookback_s=60), cut.checkpoint) as rest:
        rest.until(lambda: len(cut.messages) + len(rest.messages) >= 1700)
    assert cut.messages + rest.messages == numbers(1, 1700)
    assert max(_sizes(cut.batches + rest.batches)) <= 500


def test_checkpoint_moves_without_matches(journald: Journald) -> None:
    """A quiet unit's checkpoint follows the journal, so that a restart does not search all of it."""
    source = JournalSource(["quiet.service"], path=str(journald.directory), look_around_s=0.05)
    with Collected(source) as seen:
        seen.until(lambda: seen.checkpoint)
        first = seen.checkpoint
        journald.say("loud.service", "noise")
        seen.until(lambda: seen.checkpoint != first)
        second = seen.checkpoint
        journald.say("quiet.service", "at last")
        seen.until(lambda: seen.messages)
    assert seen.messages == [b"at last"]
    with Collected(JournalSource(["quiet.service"], path=str(journald.directory)), second) as again:
        again.until(lambda: again.messages)
    assert again.messages == [b"at last"]


def test_unreadable_checkpoint_is_a_gap(journald: Journald) -> None:
    """A position that is no cursor costs a named gap, not the source."""
    place = str(journald.directory)
    with Collected(JournalSource(["odd.service"], path=place), (Checkpoint("journal", "not a cursor"),)) as seen:
        seen.until(lambda: seen.said("reading"))
        journald.say("odd.service", "read")
        seen.until(lambda: seen.messages == [b"read"])
    assert "position" in seen.said("gap")[0].why


def _sizes(batches: list[Batch]) -> list[int]:
    return [len(item.entries) for batch in batches for item in batch.inputs if hasattr(item, "entries")]
