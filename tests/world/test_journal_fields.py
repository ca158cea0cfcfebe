"""Messages and fields arrive as they were written, whatever they hold."""

import sys

import pytest

from analyzerd.sources.journal import JournalSource
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world


def read(journald: Journald, unit: str, count: int) -> Collected:
    """Read what a unit wrote."""
    with Collected(JournalSource([unit], path=str(journald.directory), lookback_s=60)) as seen:
        seen.until(lambda: len(seen.messages) >= count)
    return seen


def test_traceback_lines_belong_together(journald: Journald) -> None:
    """All lines of one traceback carry one pid and one microsecond, in order."""
    program = "import sys, traceback\ntry: 1/0\nexcept ZeroDivisionError: text = traceback.format_exc()\n"
    process = journald.start("trace.service", [sys.executable, "-c", program + "sys.stderr.write(text)"])
    assert process.wait(10) == 0
    journald.sync()
    entries = read(journald, "trace.service", 3).entries
    assert entries[0].message == b"Traceback (most recent call last):"
    assert entries[-1].message == b"ZeroDivisionError: division by zero"
    assert {entry.pid for entry in entries} == {process.pid}
    assert len({entry.time_s for entry in entries}) == 1
    assert {entry.transport for entry in entries} == {"stdout"}


def test_binary_message(journald: Journald) -> None:
    """Bytes that are no text come through unchanged."""
    message = b"\x1b[31mred\xff\xfe\x00end"
    journald.send("binary.service", "app", message)
    assert read(journald, "binary.service", 1).messages == [message]


def test_line_longer_than_journald_keeps(journald: Journald) -> None:
    """A line is cut at 48 KiB by journald; its parts arrive one after another, nothing missing."""
    program = ["sh", "-c", "head -c 60000 /dev/zero | tr '\\0' x; echo; echo after"]
    assert journald.start("long-line.service", program).wait(10) == 0
    journald.sync()
    messages = read(journald, "long-line.service", 3).messages
    assert messages[-1] == b"after"
    assert b"".join(messages[:-1]) == b"x" * 60000


def test_huge_message_is_capped(journald: Journald) -> None:
    """A message of any size costs at most 64 KiB."""
    journald.send("huge.service", "app", "y" * 150_000)
    assert read(journald, "huge.service", 1).messages == [b"y" * 65536]


def test_command_line_of_a_starting_gunicorn(journald: Journald) -> None:
    """The line that names gunicorn's version comes with the sender's command line; other lines do not."""
    journald.send("gu.service", "gunicorn", "[INFO] Starting gunicorn 23.0.0", "[INFO] Listening at: x")
    starting, listening = read(journald, "gu.service", 2).entries
    assert "in_unit.py send" in starting.fields["_CMDLINE"]
    assert listening.fields == {}
    assert listening.identifier == "gunicorn"


def test_time_is_the_moment_of_reception(journald: Journald) -> None:
    """A sender's own idea of the time is not believed."""
    journald.send("clock.service", "app", "now", SYSLOG_TIMESTAMP="Jan  1 00:00:00")
    assert read(journald, "clock.service", 1).entries[0].time_s > 1_700_000_000
