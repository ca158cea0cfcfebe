"""Where text comes from: each source reads in a thread of its own and hands over batches."""

from __future__ import annotations

import time


class Stopped(Exception):  # noqa: N818
    """Raised by ``emit`` when the daemon ends; a source returns from run() when it sees it."""


def wall_clock_s() -> float:
    """Unix time for the stamp of a Health: no decision hangs on it, Ticks alone move the engine."""
    return time.clock_gettime(time.CLOCK_REALTIME)
