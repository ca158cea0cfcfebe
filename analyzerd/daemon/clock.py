"""The one place that reads the wall clock."""

from __future__ import annotations

import time


def now_s() -> float:
    """Unix time in seconds."""
    return time.time()  # noqa: TID251


def utc_offset_s() -> int:
    """Seconds this machine's local time is ahead of UTC, for logs that print local time."""
    return time.localtime().tm_gmtoff
