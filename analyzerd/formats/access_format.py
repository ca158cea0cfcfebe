"""Compiles nginx ``log_format`` and gunicorn ``--access-logformat`` into byte patterns. Parses no line."""

from __future__ import annotations

import re
from dataclasses import dataclass

NGINX_COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
GUNICORN_DEFAULT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'

_STAMP = rb"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
_QUOTED = rb'[^"\\\n]*(?:\\.[^"\\\n]*)*'
_LIST = rb"[\d., :-]{1,512}?"
# variable -> (group name, pattern)
_NGINX: dict[str, tuple[str, bytes]] = {
    "time_local": ("common", _STAMP),
    "time_iso8601": ("iso", rb"\d{4}-\d\d-\d\dT[\d:]{8}(?:Z|[+-]\d\d:\d\d)"),
    "msec": ("msec", rb"\d{1,12}\.\d{3}"),
    "status": ("status", rb"\d{1,3}"),
    "request": ("request", b""),
    "request_method": ("method", rb"[A-Z_-]{0,32}"),
    "request_uri": ("path", b""),
    "uri": ("path", b""),
    "remote_addr": ("client", b""),
    "request_time": ("request_s", rb"\d{1,9}(?:\.\d{1,3})?"),
    "upstream_response_time": ("upstream_s", _LIST),
    "upstream_connect_time": ("connect_s", _LIST),
    "upstream_header_time": ("header_s", _LIST),
    "upstream_status": ("upstream_status", _LIST),
    "upstream_addr": ("upstream_address", rb"[\w./:\[\], @-]{1,1024}?"),
}
_GUNICORN: dict[str, tuple[str, bytes]] = {
    "t": ("common", rb"\[?" + _STAMP + rb"\]?"),
    "s": ("status", rb"\d{1,3}"),
    "r": ("request", b""),
    "m": ("method", rb"[A-Z_-]{0,32}"),
    "U": ("path", b""),
    "h": ("client", b""),
    "L": ("duration_s", rb"\d{1,9}\.\d{1,9}"),
    "D": ("duration_us", rb"\d{1,15}"),
    "M": ("duration_ms", rb"\d{1,12}"),
    "T": ("duration_whole_s", rb"\d{1,9}"),
    "p": ("pid", rb"<?\d{1,10}>?"),
}
_NGINX_VARIABLE = re.compile(r"\$(?:\{(\w{1,64})\}|(\w{1,64}))")
_GUNICORN_VARIABLE = re.compile(r"%\(([^)]{1,128})\)[sd]")
UNITS = {"request_s": 1.0, "upstream_s": 1.0, "duration_s": 1.0, "duration_ms": 1e3, "duration_us": 1e6}


@dataclass(frozen=True, slots=True)
class Part:
    """One variable: what stands before it, its group ('' when unknown) and its pattern."""

    before: bytes
    name: str
    pattern: bytes


@dataclass(frozen=True, slots=True)
class Compiled:
    """``line``: one whole line; ``head``: cheap, time and status only; ``slow``: per time field a search.

    ``last``: what stands after the last variable.
    """

    parts: tuple[Part, ...]
    line: re.Pattern[bytes]
    head: re.Pattern[bytes] | None
    failed: re.Pattern[bytes] | None
    timed: tuple[tuple[bytes, float], ...]
    last: bytes = b""


def compile_format(text: str, gunicorn: bool) -> Compiled:
    """Compile a format; variables it does not know are skipped. Raises ValueError when nothing is left."""
    parts, last = _parts(text, gunicorn)
    names = {part.name for part in parts}
    if "status" not in names and not names & {"request_s", "upstream_s"}:
        raise ValueError("the format names neither a status nor a time of the request")
    whole = b"".join(_piece(part) for part in parts) + re.escape(last)
    return Compiled(
        parts,
        re.compile(whole + rb"(?P<rest>[^\n]*)\Z"),
        _head(parts),
        _failed(parts, last),
        tuple((part.before, UNITS[part.name]) for part in parts if part.name in UNITS and part.before),
        last,
    )


def _parts(text: str, gunicorn: bool) -> tuple[tuple[Part, ...], bytes]:
    known, pattern = (_GUNICORN, _GUNICORN_VARIABLE) if gunicorn else (_NGINX, _NGINX_VARIABLE)
    matches = list(pattern.finditer(text))
    parts: list[Part] = []
    seen: set[str] = set()
    end = 0
    for index, match in enumerate(matches):
        before = text[end : match.start()].replace("%%", "%") if gunicorn else text[end : match.start()]
        end = match.end()
        after = text[end : matches[index + 1].start() if index + 1 < len(matches) else None]
        name, piece = known.get(match[1] or match[2] if not gunicorn else match[1], ("", b""))
        if name in seen:
            name = ""
        seen.add(name)
        parts.append(Part(before.encode(), name, piece or _until(before, after)))
    last = text[end:].encode()
    if parts and not last:
        # Nothing stops a reluctant pattern at the end of the line: it has to be greedy there.
        parts[-1] = Part(parts[-1].before, parts[-1].name, parts[-1].pattern.removesuffix(b"?"))
    return tuple(parts), last


def _until(before: str, after: str) -> bytes:
    """Give the pattern of a free text: up to the quote it stands in, or up to what follows it."""
    if before.endswith('"') and after.startswith('"'):
        return _QUOTED
    if not after:
        return rb"[^\n]*?" if not before else rb"\S*"
    if after[0] == " ":
        return rb"\S*"
    return rb"[^\n" + re.escape(after[0].encode()) + rb"]*"


def _piece(part: Part) -> bytes:
    group = b"(?P<" + part.name.encode() + b">" if part.name else b"(?:"
    return re.escape(part.before) + group + part.pattern + b")"


def _head(parts: tuple[Part, ...]) -> re.Pattern[bytes] | None:
    """Compile the line up to time and status, with just these two captured (time in whole seconds)."""
    times = [n for n, part in enumerate(parts) if part.name in ("common", "iso", "msec")]
    status = [n for n, part in enumerate(parts) if part.name == "status"]
    if not times or not status or times[0] > status[0]:
        return None
    pieces = []
    for index, part in enumerate(parts[: status[0] + 1]):
        pattern = part.pattern if index not in (times[0], status[0]) else b"(" + part.pattern + b")"
        if part.name == "msec" and index == times[0]:
            pattern = rb"(\d{1,12})\.\d{3}"
        pieces.append(re.escape(part.before) + pattern)
    # What stands before the time is the client's address and such: one cheap class instead of its parts.
    return re.compile(rb"(?m)^" + b"".join(pieces) + rb"(?!\d)")


def _failed(parts: tuple[Part, ...], last: bytes) -> re.Pattern[bytes] | None:
    for index, part in enumerate(parts):
        if part.name == "status":
            after = parts[index + 1].before if index + 1 < len(parts) else last
            front = re.escape(part.before) or rb"(?m)^"
            return re.compile(front + rb"(?:499|5\d\d)" + re.escape(after[:1]))
    return None
