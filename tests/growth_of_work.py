"""Whether work grows with its size or with the square of it, in a way that a busy machine cannot sway."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 6
TIMES, AT_MOST = 4, 9
"""Four times the work takes 4 times as long where it is linear, and 16 times where it is quadratic."""
NOISE_S = 0.002


def grows_evenly(work: Callable[[int], object], size: int) -> bool:
    """Tell whether ``work(4 * size)`` costs nothing like 16 times ``work(size)``, by this thread's own CPU time.

    The least of several rounds counts: what disturbs a round can only make it longer.
    """
    small_s = large_s = float("inf")
    for _ in range(ROUNDS):
        small_s = min(small_s, _spent_s(work, size))
        large_s = min(large_s, _spent_s(work, TIMES * size))
        if large_s < AT_MOST * small_s + NOISE_S:
            return True
    return False


def _spent_s(work: Callable[[int], object], size: int) -> float:
    start_s = time.thread_time()
    work(size)
    return time.thread_time() - start_s
