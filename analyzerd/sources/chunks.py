"""Bytes of a file, a gzip file or standard input as bounded blocks of whole lines. Knows no format.

What is damaged is read as far as it goes; each damage is one sentence appended to ``notes``.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from analyzerd.errors import SourceError
from analyzerd.units import format_bytes

CHUNK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 20
MAX_NOTES = 5
_GZIP_MAGIC = b"\x1f\x8b"


class Notes(list[str]):
    """Sentences about damage: the first MAX_NOTES, and how many more there were."""

    hidden = 0

    def append(self, note: str) -> None:
        """Keep or count one more."""
        if len(self) < MAX_NOTES:
            super().append(note)
        else:
            self.hidden += 1

    def sentences(self) -> tuple[str, ...]:
        """Return what is worth saying."""
        return (*self, f"and {self.hidden} more such places") if self.hidden else tuple(self)


def file_chunks(path: Path, notes: list[str]) -> Iterator[bytes]:
    """Yield the content of a file, unpacked when it is gzip.

    Raises SourceError when the file cannot be opened.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    with raw:
        yield from unpacked(_raw_chunks(raw, notes), notes)


def stdin_chunks(notes: list[str]) -> Iterator[bytes]:
    """Yield standard input, unpacked when it is gzip."""
    yield from unpacked(_raw_chunks(sys.stdin.buffer, notes), notes)


def _raw_chunks(raw: BinaryIO, notes: list[str]) -> Iterator[bytes]:
    position = 0
    while True:
        try:
            chunk = raw.read(CHUNK_BYTES)
        except OSError as error:
            notes.append(f"reading stopped at byte {position}: {error.strerror}")
            return
        if not chunk:
            return
        position += len(chunk)
        yield chunk


def unpacked(chunks: Iterator[bytes], notes: list[str]) -> Iterator[bytes]:
    """Pass plain chunks through; inflate them when the first one starts as gzip does (all members)."""
    first = next(chunks, b"")
    if first.startswith(_GZIP_MAGIC):
        yield from _inflated(first, chunks, notes)
        return
    if first:
        yield first
    yield from chunks


def _inflated(first: bytes, chunks: Iterator[bytes], notes: list[str]) -> Iterator[bytes]:
    inflater, data, unpacked_bytes = zlib.decompressobj(wbits=31), first, 0
    while data:
        try:
            piece = inflater.decompress(data, CHUNK_BYTES)
        except zlib.error as error:
            notes.append(f"gzip is damaged after {format_bytes(unpacked_bytes)} of content: {error}")
            return
        unpacked_bytes += len(piece)
        if piece:
            yield piece
        data = inflater.unconsumed_tail
        if inflater.eof:
            data = inflater.unused_data.lstrip(b"\0") or next(chunks, b"")
            inflater = zlib.decompressobj(wbits=31) if data else inflater
        elif not data:
            data = next(chunks, b"")
    if not inflater.eof:
        notes.append(f"gzip ends early, after {format_bytes(unpacked_bytes)} of content")


def whole_lines(chunks: Iterable[bytes], notes: list[str]) -> Iterator[bytes]:
    """Regroup chunks so that each ends with a newline (the last may lack it).

    A line longer than MAX_LINE_BYTES is cut there; its rest is dropped and noted once.
    """
    rest, dropping, cut_lines = b"", False, 0
    for piece in chunks:
        chunk = piece
        if dropping:
            end = chunk.find(b"\n") + 1
            if not end:
                continue
            chunk, dropping = chunk[end:], False
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > MAX_LINE_BYTES:
            yield rest[:MAX_LINE_BYTES] + b"\n"
            rest, dropping, cut_lines = b"", True, cut_lines + 1
    if rest:
        yield rest
    if cut_lines:
        notes.append(f"{cut_lines} lines longer than {format_bytes(MAX_LINE_BYTES)} were cut there")
