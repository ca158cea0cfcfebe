"""Write, rotate and compress logs the way nginx and logrotate do."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path


def append(path: Path, *lines: str) -> None:
    """Append whole lines, as a writer that opens for appending does."""
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def lines(first: int, last: int) -> list[str]:
    """Spell numbered lines, all different."""
    return [f"2026/11/23 07:05:20 [error] 7#7: *{number} line" for number in range(first, last + 1)]


def whole(*parts: list[str]) -> bytes:
    """Give the bytes of lines as they stand in the file."""
    return "".join(f"{line}\n" for part in parts for line in part).encode()


def compress(path: Path) -> Path:
    """Replace a file by its gzip, with its time kept, as logrotate does."""
    packed = path.with_name(path.name + ".gz")
    status = path.stat()
    with path.open("rb") as plain, gzip.open(packed, "wb") as file:
        shutil.copyfileobj(plain, file)
    os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return packed
