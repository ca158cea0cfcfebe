"""When journald drops a unit's lines, its own word about that is read."""

from collections.abc import Iterator

import pytest

from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald, why_not

pytestmark = pytest.mark.world


@pytest.fixture
def strict_journald() -> Iterator[Journald]:
    """Give a journald that lets five lines pass in 300 ms."""
    if why_not():
        pytest.skip(why_not())
    with Journald("RateLimitIntervalSec=300ms", "RateLimitBurst=5") as running:
        yield running


def test_suppressed_lines_are_counted(strict_journald: Journald) -> None:
    """The count of dropped lines arrives with the unit it is about."""
    with Collected(JournalSource(["chatty.service"], path=str(strict_journald.directory))) as seen:
        seen.until(lambda: seen.said("reading"))
        strict_journald.count("chatty.service", 1, 5000)

        def said() -> bool:
            # journald says it with the first line that passes again.
            strict_journald.say("chatty.service", "again")
            return any("N_DROPPED" in entry.fields for entry in seen.entries)

        seen.until(said)
    word = next(entry for entry in seen.entries if "N_DROPPED" in entry.fields)
    assert word.message.startswith(b"Suppressed ")
    assert b"chatty.service" in word.message
    assert word.fields["OBJECT_SYSTEMD_UNIT"] == "chatty.service"
    assert int(word.fields["N_DROPPED"]) > 0
    assert word.transport == "driver"
