"""Which file, and how far it was read: a mark survives rename, copy, compression and reuse of the inode.

Knows how a mark is written down and compared; opens nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from hashlib import blake2b

HEAD_BYTES = 256


@dataclass(frozen=True, slots=True)
class Mark:
    """A file by device, inode and a hash of its first ``head_bytes`` bytes, read up to ``offset``.

    ``written_ns`` is when the file was last written as far as it was read: files written later are unread.
    """

    device: int
    inode: int
    offset: int
    written_ns: int = 0
    head_bytes: int = 0
    head: str = ""

    def at(self, offset: int, written_ns: int, start: bytes) -> Mark:
        """Give the mark after reading on to ``offset``; ``start`` is how the file begins ('' to keep it)."""
        start = start[: min(HEAD_BYTES, offset)]
        if len(start) <= self.head_bytes:
            return replace(self, offset=offset, written_ns=written_ns)
        return replace(self, offset=offset, written_ns=written_ns, head_bytes=len(start), head=fingerprint(start))

    def same_inode(self, status: os.stat_result) -> bool:
        """Tell whether a file has this device and inode."""
        return (self.device, self.inode) == (status.st_dev, status.st_ino)

    def same_start(self, start: bytes) -> bool:
        """Tell whether a file that begins with ``start`` can be this one."""
        return len(start) >= self.head_bytes and fingerprint(start[: self.head_bytes]) == self.head


def fingerprint(start: bytes) -> str:
    """Hash how a file begins; '' for nothing."""
    return blake2b(start, digest_size=16).hexdigest() if start else ""


def to_position(marks: Sequence[Mark]) -> str:
    """Write marks down, oldest file first: the last one is the live file's."""
    return json.dumps([astuple(mark) for mark in marks], separators=(",", ":"))


def from_position(text: str) -> tuple[Mark, ...]:
    """Read marks back. Raises ValueError when the text is no position."""
    try:
        return tuple(_mark(row) for row in json.loads(text))
    except (TypeError, IndexError, KeyError, RecursionError) as error:
        raise ValueError(f"not a position in a log file: {text[:80]!r}") from error


def _mark(row: Sequence[object]) -> Mark:
    device, inode, offset, written_ns, head_bytes = (int(str(number)) for number in row[:5])
    mark = Mark(device, inode, offset, written_ns, head_bytes, str(row[5]))
    if mark.offset < 0 or not 0 <= mark.head_bytes <= HEAD_BYTES:
        raise ValueError("a mark out of range")
    return mark
