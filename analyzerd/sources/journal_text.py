"""journalctl's own outputs, ``-o json`` and ``-o export``, -> Entries. Judges no message.

A broken line or a cut end is noted with its place; everything around it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from analyzerd.model import Entry

KEPT_FIELDS = frozenset({
    "MESSAGE_ID", "UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT", "EXIT_CODE", "EXIT_STATUS", "UNIT_RESULT",
    "N_RESTARTS", "JOB_TYPE", "JOB_RESULT", "COMMAND", "CODE_FUNC", "EXECUTABLE", "ERRNO", "COREDUMP_PID",
    "COREDUMP_SIGNAL_NAME", "COREDUMP_COMM", "COREDUMP_EXE", "N_DROPPED", "MEMORY_PEAK", "MEMORY_SWAP_PEAK",
    "CPU_USAGE_NSEC", "INVOCATION_ID",
})  # fmt: skip
MAX_MESSAGE_BYTES = 1 << 16
MAX_FIELD_BYTES = 1 << 12
MAX_VALUE_BYTES = 1 << 20
BATCH_ENTRIES = 2000
_ROOT = b"0"
_UNIT_FIELDS = frozenset({"UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT"})
_NAMED = {
    "MESSAGE", "_PID", "_UID", "_SYSTEMD_UNIT", "_TRANSPORT", "SYSLOG_IDENTIFIER", "__REALTIME_TIMESTAMP",
}  # fmt: skip
_WANTED = {name.encode() for name in KEPT_FIELDS | _NAMED}
_EXPORT_FIELD = re.compile(rb"^(" + b"|".join(sorted(_WANTED, reverse=True)) + rb")=(.*)$", re.MULTILINE)
_BINARY_FIELD = re.compile(rb"^[A-Z_][A-Z0-9_]{0,63}$", re.MULTILINE)


def looks_like_json(head: bytes) -> bool:
    """Tell whether the first line is an entry of ``journalctl -o json``."""
    line = head.lstrip().split(b"\n", 1)[0]
    return line.startswith(b"{") and b'"__REALTIME_TIMESTAMP"' in line


def looks_like_export(head: bytes) -> bool:
    """Tell whether the text starts as ``journalctl -o export`` does."""
    return re.match(rb"\s*__[A-Z_]{4,40}=", head) is not None and b"\n__REALTIME_TIMESTAMP=" in b"\n" + head


def write_json(entry: Entry) -> bytes:
    """Return the line of one entry as ``journalctl -o json`` prints it and read_json reads it; _UID is left out."""
    kept = {name: value for name, value in entry.fields.items() if name in KEPT_FIELDS}
    fields = {
        "__REALTIME_TIMESTAMP": str(round(entry.time_s * 1e6)),
        "_TRANSPORT": entry.transport,
        "_PID": "" if entry.pid is None else str(entry.pid),
        "_SYSTEMD_UNIT": entry.unit,
        "SYSLOG_IDENTIFIER": entry.identifier,
        "MESSAGE": entry.message.decode("utf-8", "replace"),
        **kept,
    }
    return msgspec.json.encode({name: value for name, value in fields.items() if value}) + b"\n"


def read_json(blocks: Iterable[bytes], notes: list[str]) -> Iterator[tuple[Entry, ...]]:
    """Yield the entries of each block; lines that are no entry are noted."""
    number, decode = 0, msgspec.json.Decoder(dict[str, Any]).decode
    for block in blocks:
        entries = []
        for line in block.splitlines():
            number += 1
            text = line.strip(b"\x1e \t\r")
            if not text:
                continue
            try:
                entries.append(_from_json(decode(text)))
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
                notes.append(f"line {number} is not a journal entry: {error}")
        if entries:
            yield tuple(entries)


def _from_json(fields: Mapping[str, Any]) -> Entry:
    kept = {name: _one(fields[name]).decode("utf-8", "replace") for name in KEPT_FIELDS if name in fields}
    named = {name: _one(fields.get(name)) for name in _NAMED}
    return _entry(named, kept)


def _one(value: object) -> bytes:
    """Return a field's bytes: binary is printed as a list of numbers, repeats as a list, too big as null."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, list) and value:
        if all(isinstance(item, int) and 0 <= item < 256 for item in value):
            return bytes(value)
        return _one(value[-1]) if not isinstance(value[-1], int) else b""
    return b""


def _entry(named: Mapping[str, bytes], kept: dict[str, str]) -> Entry:
    pid = named.get("_PID", b"")
    return Entry(
        time_s=int(named.get("__REALTIME_TIMESTAMP", b"")) / 1e6,
        message=named.get("MESSAGE", b"")[:MAX_MESSAGE_BYTES],
        pid=int(pid) if pid.isdigit() and len(pid) < 11 else None,
        unit=named.get("_SYSTEMD_UNIT", b"").decode("utf-8", "replace"),
        transport=named.get("_TRANSPORT", b"").decode("utf-8", "replace"),
        identifier=named.get("SYSLOG_IDENTIFIER", b"").decode("utf-8", "replace"),
        fields={name: value[:MAX_FIELD_BYTES] for name, value in _believed(named, kept)},
    )


def _believed(named: Mapping[str, bytes], kept: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Anybody may write UNIT= and MESSAGE_ID=: who is not root is heard on his own unit alone."""
    root = named.get("_UID", b"") in (b"", _ROOT)
    if root or named.get("_SYSTEMD_UNIT"):
        yield from ((name, value) for name, value in kept.items() if root or name not in _UNIT_FIELDS)


def read_export(chunks: Iterable[bytes], notes: list[str]) -> Iterator[tuple[Entry, ...]]:
    """Yield entries in batches; an entry cut off by the end of the file is noted and left out."""
    entries = _export_entries(chunks, notes)
    while batch := tuple(islice(entries, BATCH_ENTRIES)):
        yield batch


def _export_entries(chunks: Iterable[bytes], notes: list[str]) -> Iterator[Entry]:
    source, done = _Bytes(chunks), 0
    while True:
        try:
            fields = _plain_record(source) or _record(source)
        except EOFError as error:
            notes.append(f"the export ends inside entry {done + 1}: {error}")
            return
        if fields is None:
            return
        done += 1
        entry = _from_export(fields)
        if entry is None:
            notes.append(f"entry {done} has no readable __REALTIME_TIMESTAMP")
        else:
            yield entry


def _from_export(fields: Mapping[bytes, bytes]) -> Entry | None:
    named = {name.decode(): value for name, value in fields.items()}
    if not named.get("__REALTIME_TIMESTAMP", b"").isdigit():
        return None
    kept = {name: value.decode("utf-8", "replace") for name, value in named.items() if name in KEPT_FIELDS}
    return _entry(named, kept)


def _plain_record(source: _Bytes) -> dict[bytes, bytes] | None:
    """Take one record in one go; None when it has binary fields or is not whole in the buffer."""
    record = source.until_blank_line()
    if not record or _BINARY_FIELD.search(record):
        return None
    source.skip(len(record))
    return dict(_EXPORT_FIELD.findall(record))


def _record(source: _Bytes) -> dict[bytes, bytes] | None:
    """Take one record field by field; None at the end. Raises EOFError when the text ends inside it."""
    fields: dict[bytes, bytes] = {}
    started = False
    while line := source.line():
        if line == b"\n":
            if started:
                return fields
            continue
        started = True
        name, equals, value = line.rstrip(b"\n").partition(b"=")
        if not equals:
            value = source.sized()
        if name in _WANTED:
            fields[name] = value
    if started:
        raise EOFError("no blank line after its last field")
    return None


class _Bytes:
    """A cursor over chunks that holds at most one chunk and one field."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._data, self._at = iter(chunks), b"", 0

    def _more(self) -> bool:
        chunk = next(self._chunks, b"")
        self._data, self._at = self._data[self._at :] + chunk, 0
        return bool(chunk)

    def until_blank_line(self) -> bytes:
        """Return (without taking it) the text up to the next blank line, b'' when not buffered."""
        end = self._data.find(b"\n\n", self._at)
        return self._data[self._at : end + 2] if end >= 0 else b""

    def skip(self, count: int) -> None:
        self._at += count

    def line(self) -> bytes:
        """Take one line with its newline; b'' at the end. A line is cut at MAX_VALUE_BYTES."""
        while (end := self._data.find(b"\n", self._at)) < 0 and len(self._data) - self._at <= MAX_VALUE_BYTES:
            if not self._more():
                break
        if end < 0 and len(self._data) - self._at > MAX_VALUE_BYTES:
            return self._cut_line()
        end = end + 1 if end >= 0 else len(self._data)
        taken, self._at = self._data[self._at : end], end
        return taken

    def _cut_line(self) -> bytes:
        kept = self._exactly(MAX_VALUE_BYTES)
        while (end := self._data.find(b"\n", self._at)) < 0:
            self._at = len(self._data)
            if not self._more():
                return kept
        self._at = end + 1
        return kept + b"\n"

    def sized(self) -> bytes:
        """Take a binary field: eight bytes of length, the value, a newline. Keeps MAX_VALUE_BYTES of it."""
        size = int.from_bytes(self._exactly(8), "little")
        kept = self._exactly(min(size, MAX_VALUE_BYTES))
        for left in range(size - len(kept), 0, -MAX_VALUE_BYTES):
            self._exactly(min(left, MAX_VALUE_BYTES))
        self._exactly(1)
        return kept

    def _exactly(self, count: int) -> bytes:
        while len(self._data) - self._at < count:
            if not self._more():
                raise EOFError(f"{count} bytes announced, {len(self._data) - self._at} there")
        taken, self._at = self._data[self._at : self._at + count], self._at + count
        return taken
