"""Half-minutes of one app's life as numbers that can be added up and compared. Judges nothing.

Bounded: an app keeps the last KEPT of them (three hours), about a kilobyte each, apart from the engine's state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from analyzerd.core.estimators import mean, percentile
from analyzerd.formats.clock import NOTHING, merge
from analyzerd.model import Clock, Figures

GRID_S = 30.0
KEPT = 360


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was measured from ``time_s`` on for ``seconds``.

    ``clock``: how long requests took, as nginx saw it (``source`` says who). ``gauges``: numbers of measure.Load and
    ``cpu`` (cores the app used), ``memory_bytes``; what was not measured is not there. ``events``: signals by rule.
    """

    time_s: float
    seconds: float = GRID_S
    requests: int = 0
    failed: int = 0
    clock: Clock = NOTHING
    source: str = ""
    gauges: Mapping[str, float] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def joined(buckets: Sequence[Bucket]) -> Bucket:
    """Several as one: counts added, gauges averaged over the time in which they were measured."""
    events = dict[str, int]()
    for bucket in buckets:
        for rule, n in bucket.events.items():
            events[rule] = events.get(rule, 0) + n
    names = {name for bucket in buckets for name in bucket.gauges}
    return Bucket(
        buckets[0].time_s,
        sum(b.seconds for b in buckets),
        sum(b.requests for b in buckets),
        sum(b.failed for b in buckets),
        merge(b.clock for b in buckets),
        buckets[0].source,
        {name: value for name in sorted(names) if (value := gauge(buckets, name)) is not None},
        events,
    )


def gauge(buckets: Sequence[Bucket], name: str) -> float | None:
    """The average of a gauge, by time; None where it was never measured."""
    known = [(b.gauges[name], b.seconds) for b in buckets if name in b.gauges]
    return sum(value * s for value, s in known) / sum(s for _, s in known) if known else None


def figures(buckets: Sequence[Bucket]) -> Figures:
    """Sum up an arm."""
    if not buckets:
        return Figures()
    whole = joined(buckets)
    return Figures(
        whole.seconds,
        whole.requests,
        whole.rate,
        mean(whole.clock),
        percentile(whole.clock, 0.5),
        percentile(whole.clock, 0.95),
        percentile(whole.clock, 0.99),
        whole.failed / whole.requests if whole.requests else None,
        whole.gauges.get("cpu"),
        whole.gauges.get("memory_bytes"),
    )


def grouped(buckets: Sequence[Bucket], seconds: float, *, from_end: bool = False) -> list[Bucket]:
    """Equal longer buckets, from the start or from the end on; a group with a hole in it is left out."""
    size = max(1, round(seconds / GRID_S))
    if not buckets:
        return []
    end_s = buckets[-1].time_s + GRID_S if from_end else buckets[0].time_s
    groups: dict[int, list[Bucket]] = {}
    for bucket in buckets:
        groups.setdefault(int((bucket.time_s - end_s) // (size * GRID_S)), []).append(bucket)
    return [joined(group) for _, group in sorted(groups.items()) if len(group) == size]


def encode_bucket(bucket: Bucket) -> bytes:
    """A bucket as JSON."""
    return msgspec.json.encode(bucket, enc_hook=dict)


def decode_bucket(content: bytes) -> Bucket | None:
    """A saved bucket, or None when it does not have this program's shape."""
    try:
        return msgspec.json.decode(content, type=Bucket)
    except msgspec.MsgspecError:
        return None
