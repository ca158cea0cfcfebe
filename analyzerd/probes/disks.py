"""Free space of the file systems that hold given paths. Looks into no file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from analyzerd.model import DiskReading


def read_disks(paths: Iterable[str]) -> tuple[DiskReading, ...]:
    """Read each path's file system; paths that do not exist or may not be reached are left out.

    ``free_bytes`` and ``free_inodes`` are what an unprivileged process may still use.
    """
    readings = []
    for path in dict.fromkeys(paths):
        try:
            found = os.statvfs(path)
        except OSError:
            continue
        readings.append(
            DiskReading(
                path=path,
                size_bytes=found.f_blocks * found.f_frsize,
                free_bytes=found.f_bavail * found.f_frsize,
                inodes=found.f_files,
                free_inodes=found.f_favail,
            )
        )
    return tuple(readings)
