"""Requests that gunicorn logs to standard output are in the journal, in the format its command line names."""

from __future__ import annotations

from analyzerd.core.intake import Intake
from analyzerd.model import AccessTally, Entries, Entry, Event, Setting, Stream
from analyzerd.rules.schema import RuleSet

UNIT = "shop.service"
START_S = 1_800_000_000.0
COMMAND = "/venv/bin/gunicorn shop:app --access-logfile - --access-logformat '%(t)s \"%(r)s\" %(s)s us=%(D)s'"
STARTED = Entry(
    START_S,
    b"[2027-01-15 08:00:00 +0000] [8] [INFO] Starting gunicorn 27.0.1",
    8,
    UNIT,
    "stdout",
    fields={"_CMDLINE": COMMAND},
)


def request(path: str, status: int, seconds: float) -> Entry:
    """One request as gunicorn prints it."""
    line = f'[15/Jan/2027:08:00:09 +0000] "GET {path} HTTP/1.0" {status} us={int(seconds * 1e6)}'
    return Entry(START_S + 9, line.encode(), 12, UNIT, "stdout")


def fed(*entries: Entry) -> list[Event | AccessTally | Setting]:
    """What an intake without any rule makes of entries that arrive one after the other."""
    intake = Intake(RuleSet({}, {}), {})
    stream = Stream("journal", "journal")
    return [part for entry in entries for part in intake.feed(Entries(stream, (entry,)), START_S)]


def test_a_starting_master_shows_its_settings() -> None:
    """The command line in the journal is where a setting in effect is first seen."""
    settings = {part.name: part.value for part in fed(STARTED) if isinstance(part, Setting)}
    assert settings["gunicorn.accesslog"] == "-"
    assert "us=%(D)s" in str(settings["gunicorn.access_log_format"])


def test_slow_and_failed_requests_are_read_and_all_are_counted() -> None:
    """Only the requests worth a look become events; every one is in the tally of its ten seconds."""
    found = fed(STARTED, request("/fast", 200, 0.01), request("/slow", 200, 4.2), request("/broken", 500, 0.02))
    events = [part for part in found if isinstance(part, Event)]
    assert [(e.fields["endpoint"], e.fields["status"], e.fields["duration_s"]) for e in events] == [
        ("/slow", 200, 4.2),
        ("/broken", 500, 0.02),
    ]
    assert sum(part.requests for part in found if isinstance(part, AccessTally)) == 3


def test_a_unit_that_logs_requests_elsewhere_has_none_in_the_journal() -> None:
    """Without `--access-logfile -` a line of that shape is something the application printed."""
    assert not [part for part in fed(request("/slow", 200, 4.2)) if isinstance(part, Event)]
