"""Sorts the lines of a block of nginx's access log by the upstream address they were passed on to. Reads nothing else.

Nearly always a block is of one address: that is seen by counting, without looking at single lines. What nginx answers
itself is counted with the app while there is just one.
"""

from __future__ import annotations

import re

from analyzerd.formats.access_format import Part
from analyzerd.formats.clean import clean

MOST_ADDRESSES = 16
_ADDRESS = re.compile(rb"unix:[\w./@-]{1,128}|[\w.:\[\]-]{2,128}")


class UpstreamReader:
    """Sorts the lines of one format. ``last``: what stands after its last variable."""

    def __init__(self, parts: tuple[Part, ...], last: bytes) -> None:
        """Find the address in a compiled format; a format without it, or with no word before it, sorts nothing."""
        self._line: re.Pattern[bytes] | None = None
        self._before = self._after = self._usual = b""
        self._several = False
        place = next((number for number, part in enumerate(parts) if part.name == "upstream_address"), None)
        if place is None or not parts[place].before.strip(b" \"'"):
            return
        following = parts[place + 1].before if place + 1 < len(parts) else last
        self._before, self._after = parts[place].before, following or b"\n"
        front = b"".join(re.escape(part.before) + b"(?:" + part.pattern + b")" for part in parts[:place])
        self._line = re.compile(front + re.escape(self._before) + rb"([^\n]*?)" + re.escape(self._after))

    @property
    def active(self) -> bool:
        """Whether the format has an address that can be found."""
        return self._line is not None

    def split(self, block: bytes) -> list[tuple[str, bytes]]:
        """Give the lines by address; '' for those that were not passed on, or where the format does not say."""
        if self._line is None:
            return [("", block)]
        block = block if block.endswith(b"\n") else block + b"\n"
        lines = block.count(b"\n")
        if self._is_usual(block, lines):
            return [(clean(self._usual), block)]
        found = self._sorted(block) if block.count(self._before) == lines else self._read(block)
        addresses = sorted(address for address in found if address)
        self._several = self._several or len(addresses) > 1
        if addresses:
            self._several = self._several or self._usual not in (b"", addresses[0])
            self._usual = self._usual or addresses[0]
        if not self._several and addresses:
            return [(clean(addresses[0]), block)]
        return [(clean(address), b"".join(here)) for address, here in sorted(found.items())]

    def _is_usual(self, block: bytes, lines: int) -> bool:
        """Whether all lines name the address first seen; or none at all, while no other address was ever seen."""
        if not self._usual:
            return False
        named = block.count(self._before + self._usual + self._after)
        if named < lines and named and not self._several:
            named += block.count(self._before + b"-" + self._after)
        return named == lines

    def _sorted(self, block: bytes) -> dict[bytes, list[bytes]]:
        """Each line names its address once, so that it can be cut out."""
        found: dict[bytes, list[bytes]] = {}
        before, after, start = self._before, self._after, len(self._before)
        for line in block.splitlines(keepends=True):
            at = line.find(before) + start
            address = line[at : line.find(after, at)]
            if address in found:
                found[address].append(line)
                continue
            cut_short = address.endswith((b",", b":"))  # several tries, with blanks between them
            found.setdefault(self._read_one(line, found) if cut_short else self._name(address, found), []).append(line)
        return found

    def _read(self, block: bytes) -> dict[bytes, list[bytes]]:
        """Somebody's text looks like an address: each line is read as the format says."""
        found: dict[bytes, list[bytes]] = {}
        for line in block.splitlines(keepends=True):
            found.setdefault(self._read_one(line, found), []).append(line)
        return found

    def _read_one(self, line: bytes, found: dict[bytes, list[bytes]]) -> bytes:
        match = self._line.match(line) if self._line is not None else None
        return self._name(match[1], found) if match is not None else b""

    @staticmethod
    def _name(text: bytes, found: dict[bytes, list[bytes]]) -> bytes:
        """Of several tries the last one answered. '-' and what is no address is nobody's, and so is one too many."""
        address = re.split(rb"[ ,]+", text[-512:])[-1]
        known = address in found or len(found) < MOST_ADDRESSES
        return address if known and _ADDRESS.fullmatch(address) else b""
