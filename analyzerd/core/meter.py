"""Cuts an app's readings and requests into half-minutes and keeps the last three hours of them. Judges nothing.

Half-minutes around a stop, restart or reload are left out: what is compared with them would be the change itself.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from analyzerd.core.boots import LONGEST_S, Crew, boot_time_s
from analyzerd.core.buckets import GRID_S, KEPT, Bucket
from analyzerd.core.measure import BUCKET_S, Load, clocks_of, measure
from analyzerd.core.signals import AppSignals
from analyzerd.core.watch import DISTURBING, View
from analyzerd.model import AccessTally, Sample

WARM_S = 120.0
BEYOND_BOOT_S = 60.0
CATCH_UP_S = 300.0
"""Half-minutes further back than this, when nobody looked, are not made up for."""
GAUGES = (
    "queue_p95", "run_queue", "imbalance", "accept_queue", "throttled", "major_faults", "faults_per_request",
    "utilisation", "service_mean", "idle", "switches", "cpu_ratio",
)  # fmt: skip
"""Numbers of measure.Load that a bucket keeps: what a change can act on."""


def new_buckets(view: View, known: Sequence[Bucket], signals: AppSignals, rules: Sequence[str]) -> Iterator[Bucket]:
    """The half-minutes that have ended since the last one and have settled. ``rules``: signals to count in them."""
    end_s = math.floor((view.now_s - BUCKET_S) / GRID_S) * GRID_S
    start_s = end_s - GRID_S if not known else max(known[-1].time_s + GRID_S, end_s - CATCH_UP_S)
    while start_s < end_s:
        bucket = None if _disturbed(view, start_s) else measured(view, start_s, signals, rules)
        if bucket is not None:
            yield bucket
        start_s += GRID_S


def forget_future(known: list[Bucket], now_s: float) -> None:
    """Drop what was measured before the clock was set back; it would stand in the way of what comes."""
    while known and known[-1].time_s > now_s:
        known.pop()


def keep(known: list[Bucket], bucket: Bucket) -> None:
    """Add a half-minute; the oldest goes."""
    known.append(bucket)
    del known[:-KEPT]


def warm_up_s(view: View) -> float:
    """How long after a start nothing counts: two minutes, or until workers have booted and a minute more."""
    boot_s = boot_time_s(Crew(view.ledger, view.samples, view.tallies, view.ours, view.now_s))
    return max(WARM_S, (boot_s or 0.0) + BEYOND_BOOT_S)


def _disturbed(view: View, start_s: float) -> bool:
    end_s, kinds = start_s + GRID_S, (*DISTURBING, "start", "grow")
    near = [m.time_s for m in view.ledger.marks if m.kind.startswith(kinds) and m.time_s < end_s]
    since_s = start_s - max(near, default=-math.inf)
    # How long a boot takes is not looked up where it cannot matter.
    return since_s < LONGEST_S + BEYOND_BOOT_S and since_s < warm_up_s(view)


def measured(view: View, start_s: float, signals: AppSignals, rules: Sequence[str]) -> Bucket | None:
    """One half-minute; None where neither requests nor processes were seen in it."""
    first = bisect_left(view.tallies, start_s, key=lambda t: t.time_s)
    last = bisect_left(view.tallies, start_s + GRID_S, key=lambda t: t.time_s)
    tallies = [t for t in view.tallies[first:last] if view.ours.log(t)]
    samples = [s for s in view.samples if start_s - 0.5 <= s.time_s <= start_s + GRID_S + 0.5]
    if not tallies and not any(view.ours.unit(p.unit) for s in samples for p in s.processes):
        return None
    upstream = clocks_of(tallies, "nginx.access")
    source = "nginx.access" if upstream.n else "gunicorn.access"
    clock = upstream if upstream.n else clocks_of(tallies, source)
    requests, failed = _answers(tallies)
    load = measure(samples, tallies, view.ours, view.threads)
    events = {rule: n for rule in rules if (n := _within(signals, rule, start_s))}
    gauges = _gauges(load, samples, view)
    return Bucket(start_s, GRID_S, requests, failed, clock, source if clock.n else "", gauges, events)


def _answers(tallies: Sequence[AccessTally]) -> tuple[int, int]:
    """All requests and those that failed, as the outermost witness saw them."""
    for source in ("nginx.access", "gunicorn.access"):
        rows = [t for t in tallies if t.source == source and t.requests]
        if rows:
            failed = sum(n for t in rows for status, n in t.by_status.items() if status.startswith("5"))
            return sum(t.requests for t in rows), failed
    return 0, 0


def _within(signals: AppSignals, rule: str, start_s: float) -> int:
    return sum(start_s <= s.time_s < start_s + GRID_S for s in signals.of(rule))


def _gauges(load: Load, samples: Sequence[Sample], view: View) -> dict[str, float]:
    found = {name: float(value) for name in GAUGES if (value := getattr(load, name)) is not None}
    if load.cpu_per_request is not None and load.window_s > 0:
        found["cpu"] = load.cpu_per_request * load.requests / load.window_s
    memory = [size for s in samples if (size := _memory_bytes(s, view))]
    if memory:
        found["memory_bytes"] = sum(memory) / len(memory)
    return found


def _memory_bytes(sample: Sample, view: View) -> int:
    """What the app's processes hold, shared pages once where that is known."""
    mine = [p for p in sample.processes if view.ours.unit(p.unit)]
    return sum(p.pss_bytes if p.pss_bytes is not None else p.rss_bytes or 0 for p in mine)
