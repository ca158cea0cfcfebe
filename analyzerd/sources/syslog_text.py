"""journalctl's text outputs (short, short-iso, with-unit ...), syslog files and dmesg -> Entries.

What the text does not say (year, zone, boot time) is an argument; it never asks a clock.
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TypeAlias

from analyzerd.model import Entry

MAX_CONTINUATION_BYTES = 1 << 16
_TAIL = rb" (?P<host>\S{1,255}) (?P<tag>[^\s\[\]:]{1,255})(?:\[(?P<pid>\d{1,10})\])?: ?(?P<text>.*)"
_SHORT = re.compile(
    rb"(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)(?P<part>\.\d{1,6})?" + _TAIL, re.ASCII | re.DOTALL
)
_ISO = re.compile(
    rb"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<part>\.\d{1,9})?(?P<zone>Z|[+-]\d\d:?\d\d)" + _TAIL,
    re.ASCII | re.DOTALL,
)
_FULL = re.compile(
    rb"[A-Z][a-z]{2} (?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?P<part>\.\d{1,9})? "
    rb"(?P<zone>[A-Z]{3,5}|[+-]\d\d)" + _TAIL,
    re.ASCII | re.DOTALL,
)
_TIMED = re.compile(
    rb"(?P<clock>\d\d:\d\d:\d\d\.\d{1,6}) (?P<tag>[^\s\[\]:]{1,255}) \[(?P<pid>\d{0,10})\] P[0-7] ?(?P<text>.*)",
    re.ASCII | re.DOTALL,
)
"""A journal boiled down to time of day, identifier, [pid], priority and text."""
_DMESG_LEVEL = rb"(?:<\d{1,3}>|[a-z]{2,8} *:[a-z]{2,8} *: )?"
_DMESG = re.compile(_DMESG_LEVEL + rb"\[ *(?P<uptime>\d{1,10}\.\d{6})\] ?(?P<text>.*)", re.ASCII | re.DOTALL)
_DMESG_T = re.compile(
    _DMESG_LEVEL + rb"\[[A-Z][a-z]{2} (?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] ?(?P<text>.*)",
    re.ASCII | re.DOTALL,
)
_DMESG_ISO = re.compile(
    _DMESG_LEVEL + rb"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<part>,\d{6})(?P<zone>[+-]\d\d:?\d\d) (?P<text>.*)",
    re.ASCII | re.DOTALL,
)
_KERNEL_UPTIME = re.compile(rb"\[ *\d{1,10}\.\d{6}\] ", re.ASCII)
_FULL_DATE = re.compile(rb"\b(20\d\d)[-/](\d\d)[-/](\d\d)\b", re.ASCII)
_SHAPES = {"journal-short": (_SHORT, _ISO, _FULL, _TIMED), "dmesg": (_DMESG, _DMESG_T, _DMESG_ISO)}

ReadLine: TypeAlias = Callable[[bytes], Entry | None]


def text_kind(head: bytes) -> str:
    """Name what most of the first lines are: ``journal-short``, ``dmesg`` or ''."""
    lines = [line for line in head.splitlines()[:200] if line.strip() and not line.startswith(b"-- ")]
    for kind, shapes in _SHAPES.items():
        hits = sum(any(shape.match(line) for shape in shapes) for line in lines)
        if lines and hits * 2 > len(lines):
            return kind
    return ""


def prints_uptime_only(head: bytes) -> bool:
    """Tell whether this dmesg prints seconds since boot rather than dates."""
    return _DMESG.match(head.lstrip(b"\n").split(b"\n", 1)[0]) is not None


def last_uptime_s(tail: bytes) -> float:
    """Return the last seconds-since-boot stamp of a dmesg text, 0.0 when there is none."""
    for line in reversed(tail.splitlines()):
        if match := _DMESG.match(line):
            return float(match["uptime"])
    return 0.0


def reference_time_s(head: bytes, written_s: float) -> float:
    """Return a time shortly after the first lines: a full date inside them, else when the file was written.

    It decides the year of stamps that print none.
    """
    match = _FULL_DATE.search(head)
    try:
        if match:
            return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC).timestamp() + 86400
    except ValueError:
        pass
    return written_s


def read_text(
    blocks: Iterable[bytes], notes: list[str], *, reference_s: float, boot_s: float, utc_offset_s: int
) -> Iterator[tuple[Entry, ...]]:
    """Yield the entries of each block; indented and unknown lines continue the entry before them.

    ``reference_s``: see reference_time_s. ``boot_s``: Unix time of uptime zero, for dmesg.
    """
    read = _reader(_Clock(reference_s, utc_offset_s), boot_s)
    homeless = 0
    for block in blocks:
        entries: list[Entry] = []
        for line in block.splitlines():
            entry = read(line)
            if entry is not None:
                entries.append(entry)
            elif entries and not line.startswith(b"-- "):
                entries[-1] = _continued(entries[-1], line)
            elif line.strip() and not line.startswith(b"-- "):
                homeless += 1
        if entries:
            yield tuple(entries)
    if homeless:
        notes.append(f"{homeless} lines have no time stamp and no entry before them")


def _continued(entry: Entry, line: bytes) -> Entry:
    if len(entry.message) > MAX_CONTINUATION_BYTES:
        return entry
    return replace(entry, message=entry.message + b"\n" + line.strip())


class _Clock:
    """Turns printed stamps into Unix times; remembers the last one, since most repeat."""

    def __init__(self, reference_s: float, utc_offset_s: int) -> None:
        self._not_after = datetime.fromtimestamp(reference_s, UTC) + timedelta(days=1)
        self._local = timezone(timedelta(seconds=utc_offset_s))
        self._before: datetime | None = None
        self._seen: tuple[bytes, bytes, float] = (b"", b"", 0.0)

    def short_s(self, stamp: bytes) -> float:
        """Read ``Nov 23 07:09:22``: first the latest year not after the reference, then the nearest one."""
        if stamp != self._seen[0]:
            self._before = self._nearest(stamp.decode("ascii"))
            self._seen = (stamp, b"", self._before.timestamp())
        return self._seen[2]

    def _nearest(self, text: str) -> datetime:
        before = self._before
        year = (before or self._not_after).year
        choices = [self._in_year(text, year + step) for step in (-1, 0, 1)]
        if before is not None:
            return min(choices, key=lambda when: abs(when - before))
        return max((when for when in choices if when <= self._not_after), default=choices[0])

    def _in_year(self, text: str, year: int) -> datetime:
        if text.startswith("Feb 29") and not isleap(year):
            year = min(range(year - 3, year + 4), key=lambda near: (not isleap(near), abs(near - year)))
        return datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=self._local)

    def iso_s(self, stamp: bytes, zone: bytes | None) -> float:
        """Read ``2026-11-23T07:09:22`` in its own zone, or in local time when it names none we know."""
        if (stamp, zone or b"") != self._seen[:2]:
            when = datetime.fromisoformat(stamp.decode("ascii"))
            self._seen = (stamp, zone or b"", when.replace(tzinfo=self._zone(zone)).timestamp())
        return self._seen[2]

    def _zone(self, zone: bytes | None) -> tzinfo:
        if zone in (b"Z", b"UTC", b"GMT"):
            return UTC
        if zone and zone[:1] in b"+-":
            seconds = int(zone[1:3]) * 3600 + (int(zone[-2:]) * 60 if len(zone) > 3 else 0)
            return timezone(timedelta(seconds=-seconds if zone[:1] == b"-" else seconds))
        return self._local

    def of_day_s(self, text: bytes) -> float:
        """Read ``07:09:22.123`` as a moment of the reference's day."""
        hours, minutes, seconds = text.decode("ascii").split(":")
        day = self._not_after.astimezone(self._local) - timedelta(days=1)
        midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.timestamp() + int(hours) * 3600 + int(minutes) * 60 + float(seconds)

    def dated_s(self, stamp: bytes) -> float:
        """Read dmesg -T's ``Nov 23 07:09:22 2026``."""
        when = datetime.strptime(stamp.decode("ascii"), "%b %d %H:%M:%S %Y").replace(tzinfo=self._local)
        return when.timestamp()


def _reader(clock: _Clock, boot_s: float) -> ReadLine:
    def read(line: bytes) -> Entry | None:
        try:
            return _read_dmesg(line, clock, boot_s) or _read_short(line, clock)
        except (ValueError, OverflowError):
            return None

    return read


def _read_dmesg(line: bytes, clock: _Clock, boot_s: float) -> Entry | None:
    if match := _DMESG.match(line):
        time_s = boot_s + float(match["uptime"])
    elif match := _DMESG_T.match(line):
        time_s = clock.dated_s(match["stamp"])
    elif match := _DMESG_ISO.match(line):
        time_s = clock.iso_s(match["stamp"], match["zone"]) + float(b"0." + match["part"][1:])
    else:
        return None
    return Entry(time_s, match["text"], transport="kernel", identifier="kernel")


def _read_short(line: bytes, clock: _Clock) -> Entry | None:
    if match := _SHORT.match(line):
        time_s = clock.short_s(match["stamp"])
    elif match := _ISO.match(line) or _FULL.match(line):
        time_s = clock.iso_s(match["stamp"], match["zone"])
    elif match := _TIMED.match(line):
        return _tagged(match, clock.of_day_s(match["clock"]))
    else:
        return None
    fraction = match["part"]
    return _tagged(match, time_s + (float(b"0." + fraction[1:]) if fraction else 0.0))


def _tagged(match: re.Match[bytes], time_s: float) -> Entry:
    tag, pid, text = match["tag"].decode("utf-8", "replace"), match["pid"], match["text"]
    if tag == "kernel":
        return Entry(time_s, _KERNEL_UPTIME.sub(b"", text, count=1), transport="kernel", identifier="kernel")
    unit = tag.rsplit("/", 1)[-1] if tag.endswith((".service", ".scope")) else ""
    name = "systemd" if pid == b"1" else unit.rpartition(".")[0] or tag
    return Entry(time_s, text, int(pid) if pid else None, unit, identifier=name)
