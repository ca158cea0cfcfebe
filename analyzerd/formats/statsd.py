"""gunicorn's own statsd metrics to request tallies: how many, how they ended, how long they took. Receives nothing.

A datagram is anybody's word: what does not have the shape of gunicorn's metrics is passed over.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field

from analyzerd.formats.clock import OTHERS, bin_of
from analyzerd.model import AccessTally, Clock

SOURCE = "statsd"
BUCKET_S = 10.0
MAX_DATAGRAM_BYTES = 8192
_MAX_METRICS = 64
_MAX_PENDING = 64
_MAX_SECONDS = 86400.0
_METRIC = re.compile(
    rb"(?:[\w.-]{1,200}\.)?gunicorn\.request(?:\.duration:(?P<ms>\d{1,9}(?:\.\d{1,20})?)\|ms"
    rb"|\.status\.(?P<status>[1-5]\d\d):1\|c)(?:[|][@#][^\n]{0,500})*"
)
_ANSWERED = re.compile(rb"[23]\d\d|50[04]")
"""As in an access log: what was refused at once says nothing about the app."""


@dataclass
class Counting:
    """The requests of one unit in the ten seconds that are being counted. Memory is bounded by its limits.

    gunicorn sends a request's duration and then its status, all workers from one socket: they are joined in order.
    """

    unit: str
    time_s: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0
    by_status: Counter[str] = field(default_factory=Counter)
    sum_s: float = 0.0
    bins: Counter[int] = field(default_factory=Counter)
    pending: deque[float] = field(default_factory=lambda: deque(maxlen=_MAX_PENDING))

    def take(self, data: bytes, now_s: float) -> None:
        """Count one datagram that arrived at Unix time ``now_s``."""
        for line in data[:MAX_DATAGRAM_BYTES].splitlines()[:_MAX_METRICS]:
            found = _METRIC.fullmatch(line)
            if found is None:
                continue
            if found["ms"]:
                self.pending.append(min(float(found["ms"]) / 1e3, _MAX_SECONDS))
            else:
                self._end(found["status"], now_s)

    def over(self, now_s: float) -> bool:
        """Whether the ten seconds are over and something was counted in them."""
        return bool(self.by_status) and not self.time_s <= now_s < self.time_s + BUCKET_S

    def result(self) -> AccessTally:
        """Hand out what was counted and begin anew."""
        by_status, clock = dict(self.by_status), Clock(self.bins.total(), round(self.sum_s, 4), dict(self.bins))
        self.by_status, self.sum_s, self.bins = Counter(), 0.0, Counter()
        clocks = {OTHERS: clock} if clock.n else {}
        n, first_s, last_s = sum(by_status.values()), self.first_s, self.last_s
        return AccessTally(self.time_s, SOURCE, self.unit, n, by_status, first_s, last_s, clocks)

    def _end(self, status: bytes, now_s: float) -> None:
        if not self.by_status:
            self.time_s, self.first_s = now_s // BUCKET_S * BUCKET_S, float(int(now_s))
        self.last_s = float(int(now_s))
        self.by_status[status.decode()] += 1
        seconds = self.pending.popleft() if self.pending else None
        if seconds is not None and _ANSWERED.fullmatch(status):
            self.sum_s += seconds
            self.bins[bin_of(seconds)] += 1
