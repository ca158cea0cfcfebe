"""The kernel's lines arrive whatever units are watched."""

import uuid
from pathlib import Path

import pytest

from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def test_kernel_line_arrives(journald_with_kernel: Journald) -> None:
    """A line of /dev/kmsg arrives as the kernel's, with no unit and no pid."""
    kmsg = Path("/dev/kmsg")
    try:
        kmsg.open("w").close()
    except OSError as error:
        pytest.skip(f"/dev/kmsg cannot be written: {error.strerror}")
    mark = f"analyzerd test {uuid.uuid4().hex}"
    source = JournalSource(["app.service"], path=str(journald_with_kernel.directory))
    with Collected(source) as seen:
        seen.until(lambda: seen.said("reading"))
        # A process's line has the facility of a user, and journald believes that, not us.
        kmsg.write_text(f"<3>{mark}\n")
        seen.until(lambda: any(mark.encode() in message for message in seen.messages))
    entry = next(entry for entry in seen.entries if mark.encode() in entry.message)
    assert entry.transport == "kernel"
    assert (entry.unit, entry.pid) == ("", None)
