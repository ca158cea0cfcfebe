"""The part of a log file that is written from a moment on, rotation and truncation included. Writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

MAX_LINE_BYTES = 1 << 20


class Tail:
    """Holds a file open from now on; ``lines`` yields what came since. A file that is not there yet is waited for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.why_not = ""
        self._file = self._open()
        self._in_line = False
        if self._file is not None:
            self._in_line = _stands_in_line(self._file)
            self._file.seek(0, os.SEEK_END)

    def lines(self) -> Iterator[bytes]:
        """Yield every whole or last line written since, also those of the file that took its place."""
        old, self.why_not = self._file, ""
        if old is not None:
            if os.fstat(old.fileno()).st_size < old.tell():
                old.seek(0)  # emptied in place
                self._in_line = False
            yield from self._read(old)
        if old is None or self._was_replaced(old):
            new = self._open()
            if new is not None:
                with new:
                    yield from self._read(new)

    def _read(self, file: BinaryIO) -> Iterator[bytes]:
        if self._in_line:
            file.readline(MAX_LINE_BYTES)
            self._in_line = False
        while line := file.readline(MAX_LINE_BYTES):
            yield line.rstrip(b"\r\n")

    def _was_replaced(self, old: BinaryIO) -> bool:
        try:
            now = self.path.stat()
        except OSError:
            return False
        before = os.fstat(old.fileno())
        return (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino)

    def _open(self) -> BinaryIO | None:
        try:
            return self.path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            self.why_not = f"{self.path}: {error.strerror}"
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _stands_in_line(file: BinaryIO) -> bool:
    """Whether the file ends in the middle of a line, which then belongs to the time before."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return False
    file.seek(end - 1)
    return file.read(1) != b"\n"
