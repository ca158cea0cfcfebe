"""What is usual for an app at this hour of the week, learnt from its own quiet hours. Judges nothing, reads no clock.

Bounded: per app at most MOST_ENDPOINTS endpoints and the app as a whole, each with 168 records of 17 bytes. A week
moves what is usual by a quarter of the way, by twice or half at most; hours of trouble do not count at all.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, isnan, log, nan

import msgspec

from analyzerd.core.estimators import percentile
from analyzerd.core.measure import BUCKET_S, Ours
from analyzerd.formats.clock import NOTHING, OTHERS, merge
from analyzerd.model import AccessTally, Clock

HOUR_S = 3600.0
HOURS = 168
MONDAY_HOURS = 72
"""The first hour of Unix time is the 73rd of a week that begins on Monday."""
HISTORY_S = 7 * 86400.0
"""Before there is so much of it nothing is usual."""
WHOLE = ""
"""The name under which all endpoints together are kept."""
MOST_ENDPOINTS = 30
MOST_GATHERED = 60
NAME_CHARS = 128
SETTLED_S = 60.0
"""Requests younger than this may still grow in number."""
LEAST_COVERED_S = 1200.0
LEAST_REQUESTS = 20
SLOWEST_SHARE = 0.25
MOST_STEP = 2.0
HALF_LIFE_HOURS = 168.0
_RECORD = struct.Struct("<Bffff")
_EMPTY = bytes(_RECORD.size * HOURS)


@dataclass(frozen=True, slots=True)
class Hour:
    """What is usual in one hour of the week: after how many weeks, seconds, requests per second, share failed."""

    weeks: int = 0
    service_p50_s: float | None = None
    upstream_p95_s: float | None = None
    rate: float | None = None
    failed_share: float | None = None


@dataclass(frozen=True, slots=True)
class Usual:
    """One endpoint over the week. ``weight_s``: the time it took of late, by which the table keeps its rows."""

    weight_s: float = 0.0
    hours: bytes = _EMPTY


@dataclass(frozen=True, slots=True)
class Baseline:
    """An app's past. ``since_s``: when the first hour of it began."""

    since_s: float = 0.0
    endpoints: Mapping[str, Usual] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """The hour that is under way. ``begun_s``: seen from then on; ``read_s``: requests before it are counted.

    ``answers``: by access log, how many requests were answered and how many of them with a failure of the app.
    """

    hour_s: float = 0.0
    begun_s: float = 0.0
    read_s: float = 0.0
    spoilt: bool = False
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)
    service: dict[str, Clock] = field(default_factory=dict)
    upstream: dict[str, Clock] = field(default_factory=dict)


def hour_of_week(time_s: float) -> int:
    """The hour of a week that begins on Monday, in UTC: 0 to 167."""
    return int(time_s // HOUR_S + MONDAY_HOURS) % HOURS


def usual(baseline: Baseline | None, endpoint: str, time_s: float) -> Hour | None:
    """What is usual at a moment; None before a week has passed, or where this hour was never measured.

    The hour and its two neighbours count, the highest of the three: rushes drift, and clocks are put forward.
    """
    if baseline is None or time_s < baseline.since_s + HISTORY_S or endpoint not in baseline.endpoints:
        return None
    records, here = baseline.endpoints[endpoint].hours, hour_of_week(time_s)
    now = _hour(records, here)
    if not now.weeks:
        return None
    near = [now, *(h for h in (_hour(records, here - 1), _hour(records, here + 1)) if h.weeks)]
    return Hour(
        now.weeks,
        max((h.service_p50_s for h in near if h.service_p50_s is not None), default=None),
        max((h.upstream_p95_s for h in near if h.upstream_p95_s is not None), default=None),
        max((h.rate for h in near if h.rate is not None), default=None),
        max((h.failed_share for h in near if h.failed_share is not None), default=None),
    )


# ---- an hour is gathered -------------------------------------------------------------------------------


def gather(
    hour: Gathered, tallies: Sequence[AccessTally], ours: Ours, deploys: Sequence[tuple[float, float]], now_s: float
) -> Gathered | None:
    """Count the requests that have settled; returns the hour that has ended with them, if one has.

    ``tallies`` in order of time. Requests during a deploy are passed over. A clock that jumps discards the hour.
    """
    until_s = (now_s - SETTLED_S) // BUCKET_S * BUCKET_S
    if not hour.read_s or until_s < hour.read_s - SETTLED_S:
        _begin(hour, until_s)
    end_s = hour.hour_s + HOUR_S
    _count(hour, tallies, ours, deploys, min(until_s, end_s))
    if until_s < end_s:
        return None
    ended = Gathered(**{name: getattr(hour, name) for name in Gathered.__slots__})
    _begin(hour, until_s)
    if hour.hour_s == end_s:
        hour.begun_s = hour.read_s = end_s
        _count(hour, tallies, ours, deploys, until_s)
    return ended


def _begin(hour: Gathered, from_s: float) -> None:
    hour.hour_s, hour.begun_s, hour.read_s = from_s // HOUR_S * HOUR_S, from_s, from_s
    hour.spoilt, hour.answers, hour.service, hour.upstream = False, {}, {}, {}


def _count(
    hour: Gathered,
    tallies: Sequence[AccessTally],
    ours: Ours,
    deploys: Sequence[tuple[float, float]],
    until_s: float,
) -> None:
    for number in range(bisect_left(tallies, hour.read_s, key=lambda t: t.time_s), len(tallies)):
        tally = tallies[number]
        if tally.time_s >= until_s:
            break
        if ours.log(tally) and not any(a - BUCKET_S < tally.time_s <= b for a, b in deploys):
            _add(hour, tally)
    hour.read_s = max(hour.read_s, until_s)


def _add(hour: Gathered, tally: AccessTally) -> None:
    table = hour.service if tally.source == "gunicorn.access" else hour.upstream
    for name, clock in {**tally.clocks, WHOLE: tally.whole}.items():
        if name != OTHERS and clock.n:
            short = name[:NAME_CHARS]
            table[short] = merge((table.get(short, NOTHING), clock))
    if len(table) > MOST_GATHERED:
        for name in sorted(table, key=lambda n: (n == WHOLE, table[n].sum_s))[: len(table) - MOST_GATHERED // 2]:
            del table[name]
    # What a client did wrong, and what scanners ask for, is no answer of the app.
    answered, failed = hour.answers.get(tally.source, (0, 0))
    answered += sum(n for status, n in tally.by_status.items() if not status.startswith("4"))
    failed += sum(n for status, n in tally.by_status.items() if status.startswith("5"))
    hour.answers[tally.source] = answered, failed


# ---- and becomes usual ---------------------------------------------------------------------------------


def learn(baseline: Baseline, hour: Gathered) -> Baseline:
    """Fold an ended hour in; as it was when the hour was spoilt, or too little of it was seen."""
    covered_s = hour.hour_s + HOUR_S - hour.begun_s
    if hour.spoilt or covered_s < LEAST_COVERED_S or not (hour.service or hour.upstream):
        return baseline
    new = {name: _seen(hour, name, covered_s) for name in {**hour.service, **hour.upstream}}
    taken_s = {name: _taken_s(hour, name) for name, seen in new.items() if seen is not None}
    faded = {name: 0.5 ** (1 / HALF_LIFE_HOURS) * u.weight_s for name, u in baseline.endpoints.items()}
    weights = {name: faded.get(name, 0.0) + taken_s.get(name, 0.0) for name in {**faded, **taken_s}}
    kept = sorted(weights, key=lambda name: (name != WHOLE, -weights[name], name))[: MOST_ENDPOINTS + 1]
    place = hour_of_week(hour.hour_s)
    endpoints: dict[str, Usual] = {}
    for name in kept:
        records, seen = baseline.endpoints.get(name, Usual()).hours, new.get(name)
        endpoints[name] = Usual(weights[name], records if seen is None else _folded(records, place, seen))
    return Baseline(min(baseline.since_s or hour.hour_s, hour.hour_s), endpoints)


def _seen(hour: Gathered, name: str, covered_s: float) -> Hour | None:
    service, upstream = hour.service.get(name, NOTHING), hour.upstream.get(name, NOTHING)
    n = max(service.n, upstream.n)
    if n < LEAST_REQUESTS:
        return None
    answered, failures = hour.answers.get("nginx.access") or hour.answers.get("gunicorn.access") or (0, 0)
    failed = failures / answered if name == WHOLE and answered else None
    service_s = percentile(service, 0.5) if service.n >= LEAST_REQUESTS else None
    upstream_s = percentile(upstream, 0.95) if upstream.n >= LEAST_REQUESTS else None
    return Hour(1, service_s, upstream_s, n / covered_s, failed)


def _taken_s(hour: Gathered, name: str) -> float:
    return hour.service.get(name, NOTHING).sum_s or hour.upstream.get(name, NOTHING).sum_s


def _folded(records: bytes, place: int, seen: Hour) -> bytes:
    old = _hour(records, place)
    share = max(SLOWEST_SHARE, 1 / (old.weeks + 1))
    failed = seen.failed_share
    if failed is not None and old.failed_share is not None:
        failed = old.failed_share + share * (failed - old.failed_share)
    packed = _RECORD.pack(
        min(255, old.weeks + 1),
        _or_nan(_towards(old.service_p50_s, seen.service_p50_s, share)),
        _or_nan(_towards(old.upstream_p95_s, seen.upstream_p95_s, share)),
        _or_nan(_towards(old.rate, seen.rate, share)),
        _or_nan(failed if failed is not None else old.failed_share),
    )
    at = place * _RECORD.size
    return records[:at] + packed + records[at + _RECORD.size :]


def _towards(old: float | None, new: float | None, share: float) -> float | None:
    """Move by a share of the way, as ratios go; one week is believed up to twice or half of what was usual."""
    if old is None or new is None or old <= 0 or new <= 0:
        return old if new is None else new
    believed = min(max(new, old / MOST_STEP), old * MOST_STEP)
    return exp(log(old) + share * (log(believed) - log(old)))


def _hour(records: bytes, place: int) -> Hour:
    weeks, *values = _RECORD.unpack_from(records, place % HOURS * _RECORD.size)
    return Hour(weeks, *(None if isnan(v) or not weeks else v for v in values))


def _or_nan(value: float | None) -> float:
    return nan if value is None else value


# ---- kept apart from the state -------------------------------------------------------------------------


def encode_baseline(baseline: Baseline) -> bytes:
    """The baseline as JSON; about 125 kB at most."""
    return msgspec.json.encode(baseline, enc_hook=dict)


def decode_baseline(content: bytes) -> Baseline | None:
    """A saved baseline, or None when it does not have this program's shape."""
    try:
        found = msgspec.json.decode(content, type=Baseline)
    except msgspec.MsgspecError:
        return None
    return found if all(len(u.hours) == len(_EMPTY) for u in found.endpoints.values()) else None
