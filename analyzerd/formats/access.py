"""Reads access logs: whole requests, tallies of a block, and only the lines worth reading."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from analyzerd.formats.access_clocks import ClockReader, start_of
from analyzerd.formats.access_format import GUNICORN_DEFAULT, NGINX_COMBINED, UNITS, Compiled, compile_format
from analyzerd.formats.access_upstreams import UpstreamReader
from analyzerd.formats.clean import chomp, clean, endpoint_of
from analyzerd.formats.times import common_log_s, iso_s
from analyzerd.model import AccessTally, Event, Stream, Value

LITERALS: tuple[bytes, ...] = ()
BUCKET_S = 10
MAX_LINE_BYTES = 32 * 1024
_REST = re.compile(
    rb"\b(rt|uct|urt|us|ua|request_time|upstream_response_time|upstream_connect_time|upstream_status|upstream_addr)="
    rb'(?:"([^"\n]{1,512})"|([\d.:\[\]a-z/_-]{1,256}(?:[,:] [\d.:\[\]a-z/_-]{1,256}){0,8}))'
)
_REST_NAMES = {
    b"rt": "request_s",
    b"request_time": "request_s",
    b"uct": "connect_s",
    b"upstream_connect_time": "connect_s",
    b"urt": "upstream_s",
    b"upstream_response_time": "upstream_s",
    b"us": "upstream_status",
    b"upstream_status": "upstream_status",
    b"ua": "upstream_address",
    b"upstream_addr": "upstream_address",
}
_REQUEST = re.compile(rb"([A-Z]{1,32}) (\S{1,8192})")
_SUMS = ("request_s", "upstream_s", "connect_s", "header_s")
_TEXTS = ("upstream_status", "upstream_address", "client", "method")


class AccessFormat:
    """One compiled access-log format. Raises ValueError when the format has no use (no status, no time)."""

    def __init__(self, text: str = "", *, gunicorn: bool = False) -> None:
        self.source = "gunicorn.access" if gunicorn else "nginx.access"
        self.text = {"": "", "combined": ""}.get(text, text) or (GUNICORN_DEFAULT if gunicorn else NGINX_COMBINED)
        self.compiled: Compiled = compile_format(self.text, gunicorn)
        self._default = self.text == NGINX_COMBINED
        self._clocks = ClockReader(self.compiled.parts)
        self._upstreams = UpstreamReader(self.compiled.parts, self.compiled.last)

    @property
    def names_upstream(self) -> bool:
        """Whether its lines say where they were passed on to."""
        return self._upstreams.active

    def parse(self, line: bytes, stream: Stream) -> Event | None:
        """Read one whole line; None when it is not of this format or longer than 32 KiB."""
        if len(line) > MAX_LINE_BYTES:
            return None
        line = chomp(line)
        match = self.compiled.line.match(line)
        if match is None:
            return None
        groups = match.groupdict()
        fields = _fields({**_rest(groups.get("rest") or b""), **groups}, self.source)
        pid = fields.pop("pid", None)
        number = pid if isinstance(pid, int) else None
        time_s = _time_s(groups) or 0.0
        return Event(time_s, self.source, clean(line, 2048), stream.unit, number, fields=fields, stream=stream.name)

    def tally(self, block: bytes, unit: str = "") -> list[AccessTally]:
        """Count the requests of a block of whole lines by ten-second bucket, upstream and status; [] if untimed."""
        if self.compiled.head is None:
            return []
        parts = self._upstreams.split(block)
        return [tally for upstream, lines in parts for tally in self._tally(self.compiled.head, lines, unit, upstream)]

    def _tally(self, head: re.Pattern[bytes], block: bytes, unit: str, upstream: str) -> list[AccessTally]:
        buckets: dict[int, Counter[str]] = {}
        seconds: dict[int, set[int]] = {}
        starts: dict[bytes, int] = {}
        for (stamp, status), count in Counter(head.findall(block)).items():
            second = _second(stamp)
            if second is not None:
                bucket = starts[start_of(stamp)] = second // BUCKET_S * BUCKET_S
                buckets.setdefault(bucket, Counter())[status.decode()] += count
                seconds.setdefault(bucket, set()).add(second)
        clocks = self._clocks.read(block, starts)
        found: list[AccessTally] = []
        for start, by_status in sorted(buckets.items()):
            first_s, last_s = min(seconds[start]), max(seconds[start])
            n = sum(by_status.values())
            timed, served = clocks.get(start, ({}, {}))
            found.append(
                AccessTally(
                    float(start), self.source, unit, n, dict(by_status), first_s, last_s, timed, served,
                    upstream=upstream,
                )
            )  # fmt: skip
        return found

    def interesting(self, block: bytes, slow_s: float = 1.0) -> Iterator[bytes]:
        """Yield, in order, the lines of a block that failed (499, 5xx) or may have taken ``slow_s``."""
        starts: set[int] = set()
        for pattern in self._searches(slow_s):
            for match in pattern.finditer(block):
                starts.add(block.rfind(b"\n", 0, match.start() + 1) + 1)
        for start in sorted(starts):
            end = block.find(b"\n", start)
            yield block[start : end if end >= 0 else len(block)]

    def _searches(self, slow_s: float) -> list[re.Pattern[bytes]]:
        timed = self.compiled.timed or (((b"rt=", 1.0), (b"urt=", 1.0)) if self._default else ())
        found = [_slow_pattern(before, slow_s, scale) for before, scale in timed]
        return found if self.compiled.failed is None else [self.compiled.failed, *found]


@lru_cache(maxsize=64)
def access_format(text: str, gunicorn: bool) -> AccessFormat:
    """Compile a format once."""
    return AccessFormat(text, gunicorn=gunicorn)


def parse(line: bytes, stream: Stream) -> Event | None:
    """Read one line in the stream's own format; None as well when that format cannot be used."""
    try:
        return access_format(stream.log_format, stream.kind == "gunicorn.access").parse(line, stream)
    except ValueError:
        return None


def _slow_pattern(before: bytes, slow_s: float, scale: float) -> re.Pattern[bytes]:
    """Match a number that has at least as many digits as the limit: cheap, and never misses one above it."""
    whole = int(slow_s * scale)
    front = re.escape(before)
    if whole < 1:
        return re.compile(front + rb"\"?\d")
    digits = rb"\d{%d}" % (len(str(whole)) - 1)
    # Of a list of upstream tries any may be the slow one.
    return re.compile(front + rb'"?(?:[\d., :-]{1,256}?[ ,])?0*[1-9]' + digits)


@lru_cache(maxsize=1024)
def _second(stamp: bytes) -> int | None:
    if stamp.isdigit():
        return int(stamp)
    stamp = stamp.strip(b"[]")
    seconds = iso_s(stamp) if b"T" in stamp else common_log_s(stamp)
    return None if seconds is None else int(seconds)


def _time_s(groups: dict[str, bytes | None]) -> float | None:
    if msec := groups.get("msec"):
        return float(msec)
    if stamp := groups.get("iso"):
        return iso_s(stamp)
    stamp = groups.get("common")
    return common_log_s(stamp.strip(b"[]")) if stamp else None


def _rest(rest: bytes) -> dict[str, bytes | None]:
    return {_REST_NAMES[key]: quoted or bare for key, quoted, bare in _REST.findall(rest[-4096:])}


def _fields(groups: dict[str, bytes | None], source: str) -> dict[str, Value]:
    fields: dict[str, Value] = {"event": "request"}
    for name, raw in groups.items():
        if raw is None:
            continue
        if name == "status":
            fields["status"] = int(raw)
        elif name in _SUMS:
            fields[name] = _sum(raw)
        elif name in _TEXTS:
            fields[name] = "" if raw == b"-" else clean(raw, 512)
        elif name == "pid":
            fields["pid"] = int(raw.strip(b"<>"))
    _add_duration(fields, groups)
    _add_request(fields, groups)
    if source == "gunicorn.access":
        fields.pop("request_s", None)
    return fields


def _add_duration(fields: dict[str, Value], groups: dict[str, bytes | None]) -> None:
    for name in ("duration_s", "duration_us", "duration_ms", "duration_whole_s"):
        if raw := groups.get(name):
            fields["duration_s"] = float(raw) / UNITS.get(name, 1.0)
            return


def _add_request(fields: dict[str, Value], groups: dict[str, bytes | None]) -> None:
    path = groups.get("path")
    if path is None and (match := _REQUEST.match(groups.get("request") or b"")):
        fields["method"], path = match[1].decode(), match[2]
    if path is not None:
        fields["path"] = clean(path, 2048)
        fields["endpoint"] = endpoint_of(str(fields["path"]))


def _sum(raw: bytes) -> float | None:
    """Add up the tries of ``0.001, 0.002 : 0.1``; None when all are '-'."""
    numbers = [float(number) for number in re.findall(rb"\d{1,9}\.\d{1,6}|\d{1,9}", raw)]
    return round(sum(numbers), 6) if numbers else None
