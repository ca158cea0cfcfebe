"""Where journal files lie and whether they can be read: permissions and headers. Reads no entry."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOTS = (Path("/var/log/journal"), Path("/run/log/journal"))
_HEADER = struct.Struct("<152x6Q")
_SIGNATURE = b"LPKSHHRH"
_JOIN_GROUP = (
    "let analyzerd read the journal: SupplementaryGroups=systemd-journal in its unit, "
    "or `usermod -aG systemd-journal analyzerd`, then restart it"
)
_START_JOURNALD = (
    "start systemd-journald (`systemctl start systemd-journald`), or give analyzerd the log files to read instead"
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing can be read, and what mends it."""

    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class Span:
    """What a journal file's header promises: how many entries, from when to when."""

    entries: int
    first_s: float
    last_s: float


def journal_files(path: str | None, files: Sequence[str] | None) -> tuple[str, ...]:
    """List the journal files of a place (files, a directory, or the system's own)."""
    if files:
        return tuple(files)
    roots = (Path(path),) if path else ROOTS
    return tuple(sorted(str(found) for root in roots for found in _below(root)))


def obstacle(path: str | None, files: Sequence[str] | None) -> Obstacle | None:
    """Say what stands in the way of reading, or None when something can be read."""
    found = journal_files(path, files)
    where = path or ", ".join(files or (str(root) for root in ROOTS))
    closed = [name for name in found if not os.access(name, os.R_OK, effective_ids=True)]
    # A user's own journal is readable to that user: what counts is the system's.
    system = [name for name in found if Path(name).name.startswith("system")] or found
    if closed and all(name in closed for name in system):
        return Obstacle(f"no permission to read the journal ({closed[0]})", _JOIN_GROUP)
    shut = next((root for root in _roots(path) if not _enterable(root)), None)
    if not found and shut:
        return Obstacle(f"no permission to read the journal ({shut})", _JOIN_GROUP)
    if not any(Path(name).exists() for name in found):
        return Obstacle(f"there is no journal in {where}", _START_JOURNALD)
    return None


def span(name: str) -> Span | None:
    """Read the header of a journal file; None when it has none."""
    try:
        with Path(name).open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError:
        return None
    if len(head) < _HEADER.size or not head.startswith(_SIGNATURE):
        return None
    entries, _, _, _, first_us, last_us = _HEADER.unpack(head)
    return Span(entries, first_us / 1e6, last_us / 1e6)


def _roots(path: str | None) -> tuple[Path, ...]:
    return (Path(path),) if path else ROOTS


def _below(root: Path) -> list[Path]:
    try:
        return [*root.glob("*.journal"), *root.glob("*/*.journal")]
    except OSError:
        return []


def _enterable(root: Path) -> bool:
    try:
        return not root.is_dir() or os.access(root, os.R_OK | os.X_OK, effective_ids=True)
    except OSError:
        return False
