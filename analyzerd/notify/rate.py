"""A token bucket: one message per second, a few at once. Time is passed in."""

from __future__ import annotations


class Bucket:
    """Allows ``burst`` sends at once and ``per_s`` sends per second on average."""

    def __init__(self, per_s: float = 1.0, burst: int = 3) -> None:
        self._per_s, self._burst = per_s, float(burst)
        self._tokens, self._at_s = float(burst), 0.0

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait before the next send; 0 when it may go now."""
        self._refill(now_s)
        return max(0.0, (1.0 - self._tokens) / self._per_s)

    def take(self, now_s: float) -> None:
        """Count one send."""
        self._refill(now_s)
        self._tokens -= 1.0

    def _refill(self, now_s: float) -> None:
        passed_s = max(0.0, now_s - self._at_s)
        self._tokens = min(self._burst, self._tokens + passed_s * self._per_s)
        self._at_s = now_s
