"""Where literals stand in a block of lines: hyperscan when it can be imported, bytes.find otherwise.

Both give the same answer. Knows nothing of rules: a literal is a number. A search is for one thread at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

try:
    import hyperscan
except ImportError:  # a platform without its wheel: slower, same results
    hyperscan = None  # type: ignore[assignment]

MAX_KEPT_SETS = 4096

LineHit: TypeAlias = tuple[int, int, int]
"""Start and end of a line in the block (end without its newline), and a bit set of the literals in it."""

Find: TypeAlias = Callable[[bytes], Sequence[tuple[int, int]]]
"""Block to (number of the literal, offset just behind it), ordered by offset."""


def literal_lines(find: Find, block: bytes) -> list[LineHit]:
    """Return one entry per line that holds a literal, in order."""
    lines: list[LineHit] = []
    start, end, seen = 0, -1, 0
    for number, behind in find(block):
        if behind > end:
            if seen:
                lines.append((start, end, seen))
            start = block.rfind(b"\n", max(end, 0), behind) + 1 or max(end, 0)
            newline = block.find(b"\n", behind)
            end, seen = (newline if newline >= 0 else len(block)), 0
        seen |= 1 << number
    if seen:
        lines.append((start, end, seen))
    return lines


def finder(literals: Sequence[bytes], *, use_hyperscan: bool = True) -> Find:
    """Build the search for literals (each without a newline, none empty)."""
    if not literals:
        return lambda _block: ()
    if hyperscan is not None and use_hyperscan:
        return _by_hyperscan(tuple(literals))
    return _by_find(literals)


@lru_cache(maxsize=16)
def _by_hyperscan(literals: tuple[bytes, ...]) -> Find:
    """Compile once for all engines of a process, a dozen milliseconds; 16 hold the searches of three rule sets."""
    database = hyperscan.Database()
    database.compile(
        expressions=[re.escape(literal) for literal in literals],
        ids=list(range(len(literals))),
        elements=len(literals),
        flags=[0] * len(literals),
    )

    def find(block: bytes) -> Sequence[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        append = found.append

        def on_match(number: int, _start: int, behind: int, _flags: int, _context: object) -> None:
            append((number, behind))

        if block:
            database.scan(block, match_event_handler=on_match)
        return found

    return find


def _by_find(literals: Sequence[bytes]) -> Find:
    def find(block: bytes) -> Sequence[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for number, literal in enumerate(literals):
            at = block.find(literal)
            while at >= 0:
                found.append((number, at + len(literal)))
                at = block.find(literal, at + len(literal))
        found.sort(key=lambda hit: hit[1])
        return found

    return find
