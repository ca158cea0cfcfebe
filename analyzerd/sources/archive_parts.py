"""Reads one part of an archive: Lines, Entries or Samples in the part's own order, then its damages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from analyzerd.model import Entries, Entry, Health, Lines, Sample, Stream
from analyzerd.sources import syslog_text
from analyzerd.sources.archive_kinds import Content
from analyzerd.sources.chunks import Notes, whole_lines
from analyzerd.sources.journal_text import read_export, read_json
from analyzerd.sources.samples_text import read_samples

Block: TypeAlias = Lines | Entries | Sample
_TAIL_BYTES = 1 << 16
_KERNEL_MARKS = (b'"_TRANSPORT":"kernel"', b'"_TRANSPORT": "kernel"', b"\n_TRANSPORT=kernel")
_SYSTEMD_MARKS = (b'"UNIT":"', b'"UNIT": "', b"\nUNIT=", b"\nUSER_UNIT=")
_UNIT_OF_ENTRY = re.compile(rb'"?\b_SYSTEMD_UNIT"?(?:=|: ?")([^"\n]{1,255}\.service)')
_MOST_ENTRY_BYTES = 1 << 20
_WITNESS_OF_KIND = {
    "dmesg": ("kernel",),
    "samples": ("samples",),
    "journal-files": ("gunicorn", "systemd", "kernel"),
}


def part_blocks(kind: str, stream: Stream, content: Content, written_s: float, gaps: list[Health]) -> Iterator[Block]:
    """Yield the part in order; at its end each damage is added to ``gaps``, of the part's kind of witness.

    Raises SourceError when the file has become unreadable.
    """
    notes = Notes()
    last_s = 0.0
    for block in _read(kind, stream, content, written_s, notes):
        last_s = _time_s(block, last_s)
        yield block
    source = "systemd" if kind.startswith("journal-") else _WITNESS_OF_KIND.get(kind, (kind,))[0]
    name = stream.name.removeprefix("file:")
    gaps.extend(Health(last_s, source, "gap", f"{name}: {note}") for note in notes.sentences())


def _time_s(block: Block, before_s: float) -> float:
    if isinstance(block, Entries):
        return max(before_s, block.entries[-1].time_s)
    return max(before_s, block.time_s) if isinstance(block, Sample) else before_s


def _read(kind: str, stream: Stream, content: Content, written_s: float, notes: list[str]) -> Iterator[Block]:
    chunks = content.chunks(notes)
    if kind == "journal-files":
        yield from _journal_files(content, stream.name)
    elif kind == "journal-export":
        yield from _as_entries(stream, read_export(chunks, notes))
    elif kind == "journal-json":
        yield from _as_entries(stream, read_json(whole_lines(chunks, notes), notes))
    elif kind == "samples":
        yield from read_samples(whole_lines(chunks, notes), stream.unit, notes)
    elif kind in {"journal-short", "dmesg"}:
        yield from _as_entries(stream, _system_text(kind, stream, content, written_s, notes))
    else:
        for block in whole_lines(chunks, notes):
            yield Lines(stream, block)


def _as_entries(stream: Stream, batches: Iterator[tuple[Entry, ...]]) -> Iterator[Entries]:
    return (Entries(stream, batch) for batch in batches)


def _journal_files(content: Content, name: str) -> Iterator[Block]:
    from analyzerd.sources.journal import read_all  # noqa: PLC0415 - libsystemd is not on every machine

    yield from read_all(content.path, name=name)


def _system_text(
    kind: str, stream: Stream, content: Content, written_s: float, notes: list[str]
) -> Iterator[tuple[Entry, ...]]:
    head, boot_s = content.head(), 0.0
    if kind == "dmesg" and syslog_text.prints_uptime_only(head):
        boot_s = max(0.0, written_s - _last_uptime_s(content, head))
        notes.append("dmesg prints no dates: its last line is taken as written when the file was; use dmesg -T")
    yield from syslog_text.read_text(
        whole_lines(content.chunks(notes), notes),
        notes,
        reference_s=syslog_text.reference_time_s(head, written_s),
        boot_s=boot_s,
        utc_offset_s=stream.utc_offset_s,
    )


def _last_uptime_s(content: Content, head: bytes) -> float:
    """Read the end of a file; of standard input only the beginning can be seen."""
    tail = head
    if content.path is not None:
        for chunk in content.chunks([]):
            tail = (tail + chunk)[-_TAIL_BYTES:]
    return syslog_text.last_uptime_s(tail)


@dataclass(frozen=True, slots=True)
class Heard:
    """Who speaks in a part: kinds of witness (Health.source), and the units whose entries name gunicorn."""

    witnesses: frozenset[str]
    units: frozenset[str] = frozenset()


def heard_in(kind: str, content: Content) -> Heard:
    """Find out for whom a part can speak. A journal is searched whole: one unit's journal has no kernel lines."""
    if kind in _WITNESS_OF_KIND:
        return Heard(frozenset(_WITNESS_OF_KIND[kind]))
    if kind in {"journal-json", "journal-export"}:
        return _heard_in_journal(kind, content)
    if kind == "journal-short":
        return Heard(frozenset(_seen_in_text(content.head())))
    return Heard(frozenset({"gunicorn"} if kind == "app" else {kind}))


def _heard_in_journal(kind: str, content: Content) -> Heard:
    witnesses, units = set[str](), set[str]()
    for entry in _raw_entries(kind, content):
        seen = _seen_in_entry(entry)
        witnesses |= seen
        if "gunicorn" in seen and (unit := _UNIT_OF_ENTRY.search(entry)) is not None:
            units.add(unit[1].decode("utf-8", "replace"))
    return Heard(frozenset(witnesses), frozenset(units))


def _raw_entries(kind: str, content: Content) -> Iterator[bytes]:
    """Cut, not parsed; of standard input just the beginning."""
    chunks = content.chunks([]) if content.path is not None else iter((content.head(),))
    end, rest = b"\n" if kind == "journal-json" else b"\n\n", b""
    for chunk in chunks:
        *entries, rest = (rest + chunk).split(end)
        rest = rest[-_MOST_ENTRY_BYTES:]
        yield from entries
    yield rest


def _seen_in_entry(entry: bytes) -> set[str]:
    """The kernel's own words about a process named gunicorn are no log of gunicorn's."""
    if any(mark in entry for mark in _KERNEL_MARKS):
        return {"kernel"}
    found = {"gunicorn"} if b"gunicorn" in entry else set()
    return found | {"systemd"} if any(mark in entry for mark in _SYSTEMD_MARKS) else found


_TEXT_MARKS: dict[str, Callable[[bytes], bool]] = {
    "kernel": lambda head: b" kernel: " in head,
    "systemd": lambda head: b" systemd[1]: " in head or b" init.scope[1]: " in head,
    "gunicorn": lambda head: b"gunicorn" in head,
}


def _seen_in_text(head: bytes) -> set[str]:
    return {name for name, seen in _TEXT_MARKS.items() if seen(head)}
