"""Reads one line of gunicorn's error log, from a file or the journal. Tracebacks are assemble.py's."""

from __future__ import annotations

import re

from analyzerd.formats.clean import chomp, clean, endpoint_of
from analyzerd.formats.times import zoned_s
from analyzerd.model import Entry, Event, Stream, Value

# Literal blanks: a request can smuggle tabs and no-break spaces into a log, but no blank after a newline.
PREFIX = re.compile(
    rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\] \[(\d{1,10})\] "
    rb"\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\] ([^\n]*)\Z"
)
_RAW = re.compile(
    rb"(?:Error: (?:class uri |No such (?:user|group): |can't chdir to |Already running on PID |"
    rb"'[^']{0,4096}' (?:doesn't exist|isn't writable)|\S{1,4096} doesn't exist\. Can't create pidfile)"
    rb"|Failed to find (?:attribute|application object) '|Failed to parse '|Failed to read config file: "
    rb"|Invalid value for [a-z_]{1,40}: |gunicorn: error: |gunicorn\.errors\.(?:HaltServer|AppImportError)"
    rb"|Exception in worker\Z)"
)
_REQUEST = re.compile(r"Error handling request(?: (?P<method>[A-Z]{1,20})(?= /))? (?P<path>[^( ]\S*)")
_FLASK_REQUEST = re.compile(r"Exception on (?P<path>\S+) \[(?P<method>[A-Z]{1,20})\]")

LITERALS: tuple[bytes, ...] = (
    b"Error handling request",
    b"Exception in worker process",
    b"Exception on ",
    b"Socket error processing request.",
    b"Unhandled exception in main loop",
    b"Exception ignored in:",
    b"Error: class uri ",
    b"Traceback (most recent call last):",
)


def parse(line: bytes, stream: Stream) -> Event | None:
    """Read a line of a log file. The pid is what the text claims: not trusted.

    ``time_s`` is 0.0 for raw start-up errors, which bear no time.
    """
    line = chomp(line)
    match = PREFIX.match(line)
    if match is None:
        return _raw(line, stream) if _RAW.match(line) else None
    time_s = zoned_s(match[1])
    if time_s is None:
        return None
    text = clean(match[4])
    fields = {"level": match[3].decode(), **request_fields(text)}
    return Event(time_s, "gunicorn", text, stream.unit, int(match[2]), fields=fields, stream=stream.name)


def parse_entry(entry: Entry, stream: Stream) -> Event | None:
    """Read a journal entry. A prefix that names another pid than the journal's was forged: source ``app``."""
    line = chomp(entry.message)
    match = PREFIX.match(line)
    if match is None:
        if not _RAW.match(line):
            return None
        return _entry_event(entry, stream, "gunicorn", clean(line), {"level": ""})
    level = match[3].decode()
    if entry.pid is not None and entry.pid != int(match[2]):
        return _entry_event(entry, stream, "app", clean(line), {"level": level, "forged": True})
    text = clean(match[4])
    fields: dict[str, Value] = {"level": level, **request_fields(text)}
    stamp_s = zoned_s(match[1])
    if stamp_s is not None:
        fields["lag_s"] = round(entry.time_s - stamp_s, 3)
    return _entry_event(entry, stream, "gunicorn", text, fields)


def request_fields(text: str) -> dict[str, Value]:
    """Find method, path and endpoint of a headline that names the request."""
    match = _REQUEST.match(text) or _FLASK_REQUEST.search(text)
    if match is None:
        return {}
    path = match["path"][:2048]
    return {"method": match["method"] or "", "path": path, "endpoint": endpoint_of(path)}


def _raw(line: bytes, stream: Stream) -> Event:
    return Event(0.0, "gunicorn", clean(line), stream.unit, fields={"level": ""}, stream=stream.name)


def _entry_event(entry: Entry, stream: Stream, source: str, text: str, fields: dict[str, Value]) -> Event:
    return Event(
        entry.time_s,
        source,
        text,
        entry.unit or stream.unit,
        entry.pid,
        trusted=entry.pid is not None and entry.transport == "stdout",
        fields=fields,
        stream=stream.name,
    )
