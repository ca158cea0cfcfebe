"""Journal cursors: what libsystemd writes in them, and which of two stands earlier. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the journal: the number of an entry in one numbering, and its time."""

    text: str
    numbering: str
    number: int
    time_s: float


def parse_cursor(text: str) -> Cursor | None:
    """Read ``s=...;i=1f;...;t=660f65e2b4701;...``; None when it is not one."""
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    try:
        return Cursor(text, parts["s"], int(parts["i"], 16), int(parts["t"], 16) / 1e6)
    except (KeyError, ValueError):
        return None


def reaches(cursor: Cursor, other: Cursor) -> bool:
    """Tell whether ``cursor`` stands at or before ``other``."""
    if cursor.numbering == other.numbering:
        return cursor.number <= other.number
    return cursor.time_s <= other.time_s


def repeats(cursor: Cursor, saved: Cursor) -> bool:
    """Tell for certain that ``cursor`` was read when ``saved`` had been: both count in one numbering."""
    return cursor.numbering == saved.numbering and cursor.number <= saved.number


def lost_between(saved: Cursor, oldest: Cursor) -> bool:
    """Tell whether entries behind ``saved`` went away, when ``oldest`` is the oldest one still there."""
    if saved.numbering == oldest.numbering:
        return oldest.number > saved.number + 1
    return oldest.time_s > saved.time_s
