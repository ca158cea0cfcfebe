"""Small kernel files kept open and read again from their start. Knows no content."""

from __future__ import annotations

import os

_SIZE = 1 << 18
_SURELY_WHOLE = 2048


class KeptFile:
    """One file of /proc or a cgroup; a handle on /proc/PID outlives a reuse of that pid."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str) -> None:
        self.path, self._fd = path, -1

    def read(self) -> bytes:
        """Return the present content. Raises OSError, ProcessLookupError when the process has ended."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return _read_all(self._fd, _SIZE)

    def close(self) -> None:
        """Let go of the handle; the next read opens the path again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _read_all(fd: int, limit: int) -> bytes:
    """Read from the start; the kernel hands long lists out a page at a time, short files whole."""
    data = part = os.pread(fd, limit, 0)
    while len(part) >= _SURELY_WHOLE and len(data) < limit:
        part = os.pread(fd, limit - len(data), len(data))
        data += part
    return data


def read_file(path: str, limit: int = _SIZE) -> bytes | None:
    """Read at most ``limit`` bytes of a file once; None when it may not or cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return _read_all(fd, limit)
    except OSError:
        return None
    finally:
        os.close(fd)


def list_names(path: str) -> list[str]:
    """List a folder. Raises OSError; pathlib would cost five times as much on this path."""
    return os.listdir(path)  # noqa: PTH208


def read_link(path: str) -> str:
    """Read a symbolic link's text. Raises OSError."""
    return os.readlink(path)  # noqa: PTH115


def stat_file(path: str) -> os.stat_result:
    """Look at the file behind a path. Raises OSError."""
    return os.stat(path)  # noqa: PTH116
