"""Reads what the application itself prints: Flask's dated lines and any other text, as they are."""

from __future__ import annotations

import re

from analyzerd.formats.clean import chomp, clean
from analyzerd.formats.gunicorn import request_fields
from analyzerd.formats.times import local_s
from analyzerd.model import Entry, Event, Stream, Value

DATED = re.compile(rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3})\] (DEBUG|INFO|WARNING|ERROR|CRITICAL) ([^\n]*)\Z")
_LEVEL = re.compile(r"(?:\S+ ){0,3}?\[?(DEBUG|INFO|WARNING|ERROR|CRITICAL)\]?[: ]")


def parse(line: bytes, stream: Stream) -> Event | None:
    """Read any line; blank ones are None. ``time_s`` is 0.0 where the line bears no time."""
    line = chomp(line)
    if not line.strip():
        return None
    match = DATED.match(line)
    time_s = local_s(match[1], stream.utc_offset_s) if match else None
    if match is None or time_s is None:
        return Event(0.0, "app", clean(line), stream.unit, fields=_plain(line), stream=stream.name)
    text, fields = _dated(match)
    return Event(time_s + int(match[2]) / 1000, "app", text, stream.unit, fields=fields, stream=stream.name)


def parse_entry(entry: Entry, stream: Stream) -> Event:
    """Read a journal entry of the app; its pid and unit are the journal's."""
    line = chomp(entry.message)
    match = DATED.match(line)
    text, fields = _dated(match) if match else (clean(line), _plain(line))
    unit = entry.unit or stream.unit
    trusted = entry.pid is not None
    return Event(entry.time_s, "app", text, unit, entry.pid, trusted, fields, stream.name)


def _dated(match: re.Match[bytes]) -> tuple[str, dict[str, Value]]:
    text = clean(match[3] + b" " + match[4])
    return text, {"level": match[3].decode(), **request_fields(text)}


def _plain(line: bytes) -> dict[str, Value]:
    match = _LEVEL.match(line[:200].decode("utf-8", "replace"))
    return {"level": match[1] if match else ""}
