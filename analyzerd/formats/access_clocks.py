"""The clocks of a block of access-log lines: per ten seconds and endpoint, from the distinct strings of the block.

Lines that do not fit (rejected requests, several upstream tries) are left out: they are no measure of speed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from analyzerd.formats.access_format import UNITS, Part
from analyzerd.formats.clean import clean, endpoint_of
from analyzerd.formats.clock import bin_of, capped, merge
from analyzerd.model import Clock

DURATIONS: Mapping[str, bytes] = {
    "upstream_s": rb"(\d{1,6}\.\d{3})(?![\d,]| [,:])",
    "request_s": rb"(\d{1,6}\.\d{3})(?!\d)",
    "duration_us": rb"(\d{0,12}?)\d{1,3}(?!\d)",
    "duration_ms": rb"(\d{1,9})(?!\d)",
    "duration_s": rb"(\d{1,6}\.\d{1,3})\d{0,6}",
}
"""To the millisecond, so that many lines share one string. A microsecond clock is captured without its last three."""

_STAMP = {"msec": rb"(\d{1,12})\d\.\d{3}", "common": rb"\[?(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d)\d [+-]\d{4}\]?"}
_COMMON_PREFIX = 19
_NUMBERS = ("request_s", "connect_s", "header_s", "upstream_s", "upstream_status", "duration_whole_s")
"""Passed over as one number: several upstream tries are left out anyway."""

_PATH = rb"/([^ ?\"\n]{0,256})[^ \"\n]{0,8192}"
_ANSWERED = rb"(?:[23]\d\d|50[04])"


Clocks = tuple[dict[str, Clock], dict[int, int]]


class ClockReader:
    """Reads the clocks of one format. ``pattern`` is None when the format has no clock that can be trusted."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._names: list[str] = []
        self.pattern = self._compile(parts)

    def _compile(self, parts: tuple[Part, ...]) -> re.Pattern[bytes] | None:
        names = [part.name for part in parts]
        clock = next((name for name in DURATIONS if name in names), "")
        stamp = next((name for name in _STAMP if name in names), "")
        if not clock or not stamp or "status" not in names:
            return None
        wanted = [n for n, name in enumerate(names) if name in (stamp, clock, "status", "pid", "request", "path")]
        pieces = [re.escape(part.before) + self._piece(part, stamp, clock) for part in parts[: wanted[-1] + 1]]
        return re.compile(rb"(?m)^" + b"".join(pieces))

    def _piece(self, part: Part, stamp: str, clock: str) -> bytes:
        self._names.append(part.name)
        if part.name == stamp:
            return _STAMP[stamp]
        if part.name == clock:
            return DURATIONS[clock]
        if part.name == "status":
            self._names.pop()
            return _ANSWERED
        if part.name == "pid":
            return rb"<?(\d{1,10})>?"
        if part.name == "request":
            return rb"[A-Z]{1,16} " + _PATH + rb"(?: HTTP/[\d.]{1,3})?"
        if part.name == "path":
            return _PATH
        self._names.pop()
        return rb"[\d.-]{1,24}" if part.name in _NUMBERS else rb"(?:" + part.pattern + rb")"

    def read(self, block: bytes, bucket_of: Mapping[bytes, int]) -> dict[int, Clocks]:
        """By bucket, the clocks of a block of whole lines. ``bucket_of``: bucket by the start of a stamp."""
        found: dict[int, _Counting] = {}
        if self.pattern is None:
            return {}
        place = {name: n for n, name in enumerate(self._names)}
        stamp = place[next(n for n in _STAMP if n in place)]
        clock = next(name for name in DURATIONS if name in place)
        at = place[clock]
        path, pid = place.get("request", place.get("path")), place.get("pid")
        scale, half = 1.0 / UNITS[clock] * (1e3 if clock == "duration_us" else 1.0), _HALF[clock]
        for row, times in Counter(self.pattern.findall(block)).items():
            bucket = bucket_of.get(row[stamp])
            if bucket is not None:
                counting = found.get(bucket) or found.setdefault(bucket, _Counting())
                name = row[path] if path is not None else b""
                counting.add(name, float(row[at] or 0) * scale + half, times)
                if pid is not None:
                    counting.workers[row[pid]] += times
        return {bucket: counting.result() for bucket, counting in found.items()}


_HALF = {"upstream_s": 0.0, "request_s": 0.0, "duration_us": 0.0005, "duration_ms": 0.0005, "duration_s": 0.0005}


class _Counting:
    """What one bucket has so far, by endpoint: count, sum and bins."""

    def __init__(self) -> None:
        self.ends: dict[bytes, tuple[list[float], dict[int, int]]] = {}
        self.workers: Counter[bytes] = Counter()

    def add(self, path: bytes, seconds: float, times: int) -> None:
        """Count some requests of one duration."""
        end = self.ends.get(path)
        if end is None:
            end = self.ends[path] = ([0, 0.0], {})
        sums, bins = end
        sums[0] += times
        sums[1] += seconds * times
        number = _bin(seconds)
        bins[number] = bins.get(number, 0) + times

    def result(self) -> Clocks:
        """Clocks by route template, and requests by worker."""
        by_name: dict[str, list[Clock]] = {}
        for path, (sums, bins) in self.ends.items():
            by_name.setdefault(_endpoint(path), []).append(Clock(int(sums[0]), round(sums[1], 4), bins))
        clocks = capped({name: merge(clocks) for name, clocks in by_name.items()})
        return clocks, {int(pid): n for pid, n in self.workers.items()}


_bin = lru_cache(maxsize=8192)(bin_of)


@lru_cache(maxsize=4096)
def _endpoint(path: bytes) -> str:
    return endpoint_of("/" + clean(path, 256))


def start_of(stamp: bytes) -> bytes:
    """The part of a stamp that its ten seconds share."""
    return stamp[:-1] if stamp.isdigit() else stamp.strip(b"[]")[:_COMMON_PREFIX]
