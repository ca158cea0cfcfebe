"""One physical file of a log, plain or gzip, open and read by offset. Follows nothing, decides nothing."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analyzerd.sources.filemark import HEAD_BYTES, Mark

_ROTATED = re.compile(r"[.-](\d{1,4}|\d{8}(?:-\d{1,10})?|\d{4}-\d\d-\d\d(?:[-T_.]\d+)?)(\.gz)?", re.ASCII)


class Bytes(Protocol):
    """Bytes that can be read at an offset."""

    def read(self, offset: int, count: int) -> bytes:
        """Read up to ``count`` bytes; fewer mean the end. Raises OSError."""
        ...

    def close(self) -> None:
        """Close."""
        ...


class Plain:
    """A file as it is."""

    def __init__(self, path: Path) -> None:
        """Open. Raises OSError."""
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def status(self) -> os.stat_result:
        """Say what is known of the open file, wherever its name went."""
        return os.fstat(self._fd)

    def first_data(self) -> int:
        """Give the offset of the first byte that was ever written: before it the file is a hole."""
        try:
            return os.lseek(self._fd, 0, os.SEEK_DATA)
        except OSError:
            return 0

    def read(self, offset: int, count: int) -> bytes:
        """Read up to ``count`` bytes; fewer mean the end. Raises OSError."""
        return os.pread(self._fd, count, offset)

    def close(self) -> None:
        """Close."""
        os.close(self._fd)


class Unpacked:
    """The content of a gzip file, read forwards; a read may go back at most to where the last one began."""

    def __init__(self, path: Path) -> None:
        """Open. Raises OSError."""
        self._file = gzip.open(path, "rb")  # noqa: SIM115  (closed by close())
        self._start, self._held = 0, b""

    def read(self, offset: int, count: int) -> bytes:
        """Read up to ``count`` bytes; fewer mean the end. Raises OSError."""
        try:
            if not self._start <= offset <= self._start + len(self._held):
                self._start, self._held = self._file.seek(offset), b""
            kept = self._held[offset - self._start :]
            self._held = kept + (self._file.read(count - len(kept)) if len(kept) < count else b"")
        except (EOFError, zlib.error) as error:
            raise OSError(f"damaged gzip: {error}") from error
        self._start = offset
        return self._held[:count]

    def close(self) -> None:
        """Close."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class Rotated:
    """A file that was the log before: ``status`` tells when it was last written."""

    path: Path
    status: os.stat_result

    def open(self) -> Bytes:
        """Open it. Raises OSError."""
        return Unpacked(self.path) if self.path.suffix == ".gz" else Plain(self.path)

    def is_marked(self, mark: Mark) -> bool:
        """Tell whether this is the marked file, renamed, copied or compressed."""
        if mark.head_bytes == 0:
            return mark.same_inode(self.status)
        try:
            content = self.open()
        except OSError:
            return False
        try:
            return mark.same_start(content.read(0, HEAD_BYTES))
        except OSError:
            return False
        finally:
            content.close()


def find_marked(mark: Mark, files: list[Rotated]) -> Rotated | None:
    """Find the marked file among former files: the same inode first, then the same beginning."""
    by_inode = [file for file in files if mark.same_inode(file.status)]
    return next((file for file in by_inode + files if file.is_marked(mark)), None)


def rotated_files(path: Path) -> list[Rotated]:
    """List the former files of a log (``x.1``, ``x-20261123``, ``x.2.gz``), last written first to last."""
    found = []
    try:
        names = os.listdir(path.parent)  # noqa: PTH208  (names are compared as text)
    except OSError:
        return []
    for name in names:
        # While x.1 is being compressed, x.1.gz is only the beginning of it.
        half_done = name.endswith(".gz") and name[:-3] in names
        if name.startswith(path.name) and _ROTATED.fullmatch(name[len(path.name) :]) and not half_done:
            candidate = path.parent / name
            try:
                found.append(Rotated(candidate, candidate.stat()))
            except OSError:
                continue
    return sorted(found, key=lambda rotated: (rotated.status.st_mtime_ns, _age(rotated.path)))


def _age(path: Path) -> int:
    """Order files of one instant: x.2 is older than x.1, and a date older than a later one."""
    digits = re.sub(r"\D", "", path.name.removesuffix(".gz").rpartition(".")[2])
    return -int(digits) if 0 < len(digits) < 5 else int(digits or 0)
