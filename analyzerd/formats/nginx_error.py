"""Reads one record of nginx's error log, left to right: from ``request: "`` on it is the client's text."""

from __future__ import annotations

import re

from analyzerd.formats.clean import chomp, clean, clean_text, endpoint_of
from analyzerd.formats.times import local_s
from analyzerd.model import Entry, Event, Stream, Value

LITERALS: tuple[bytes, ...] = ()
LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")
_HEAD = re.compile(
    rb"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(debug|info|notice|warn|error|crit|alert|emerg)\] "
    rb"(\d{1,10})#\d{1,20}: (?:\*(\d{1,20}) )?"
)
_CONFIG = re.compile(rb"nginx: \[(warn|error|crit|alert|emerg)\] ")
_PARTS = re.compile(
    r", client: (?P<client>[^,]{0,256})(?:, server: (?P<server>[^,]{0,256}))?"
    r"(?:, request: \"(?P<rest>.*))?\Z",
    re.DOTALL,
)
_ERRNO = re.compile(r"\((\d{1,4}): ")
_ACTION = re.compile(r" while ([a-z][a-z_ ]{2,60}[a-z])\Z")
_UPSTREAM = re.compile(
    r"(?:https?|grpcs?|fastcgi|uwsgi|scgi)://(?P<address>unix:[^:\"]{1,256}|\[[^\]]{1,64}\](?::\d{1,5})?|[^/\"]{1,256})"
)
_REQUEST = re.compile(r"(?P<method>[A-Z]{1,20}) (?P<path>\S{1,8192})")


def parse(line: bytes, stream: Stream) -> Event | None:
    """Read a line of the log file; its local time is shifted by ``stream.utc_offset_s``."""
    line = chomp(line)
    match = _HEAD.match(line)
    if match is None:
        return _config_error(line, stream, 0.0)
    time_s = local_s(match[1], stream.utc_offset_s)
    if time_s is None:
        return None
    text, fields = _body(line[match.end() :], match[2].decode(), match[4])
    return Event(time_s, "nginx.error", text, stream.unit, int(match[3]), fields=fields, stream=stream.name)


def parse_entry(entry: Entry, stream: Stream) -> Event | None:
    """Read a journal entry of ``error_log stderr`` or ``error_log syslog:``; trusted when the pids agree."""
    line = chomp(entry.message)
    match = _HEAD.match(line)
    unit = entry.unit or stream.unit
    if match is None:
        return _config_error(line, stream, entry.time_s)
    pid = int(match[3])
    text, fields = _body(line[match.end() :], match[2].decode(), match[4])
    trusted = entry.pid == pid
    return Event(entry.time_s, "nginx.error", text, unit, pid, trusted, fields, stream.name)


def _config_error(line: bytes, stream: Stream, time_s: float) -> Event | None:
    match = _CONFIG.match(line)
    if match is None:
        return None
    text, fields = _body(line[match.end() :], match[1].decode(), None)
    return Event(time_s, "nginx.error", text, stream.unit, fields=fields, stream=stream.name)


def _body(raw: bytes, level: str, connection: bytes | None) -> tuple[str, dict[str, Value]]:
    text = clean(raw)
    fields: dict[str, Value] = {"level": level}
    if connection:
        fields["connection"] = int(connection)
    start = text.find(", client: ")
    message = text if start < 0 else text[:start]
    if start >= 0 and (parts := _PARTS.match(text, start)):
        fields.update({name: parts[name] for name in ("client", "server") if parts[name]})
        if parts["rest"] is not None:
            fields.update(_request_fields(parts["rest"]))
    return text, {**fields, **_message_fields(message)}


def _message_fields(message: str) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    action = _ACTION.search(message[-80:])
    if action:
        fields["action"] = action[1]
        message = message[: len(message) - len(action[0])]
    errno = _ERRNO.search(message)
    if errno:
        fields["errno"] = int(errno[1])
    fields["message"] = message
    return fields


def _address(upstream: str, path: str) -> str:
    """Take the address out of ``http://ADDRESS/path``; after a socket's path nginx may leave the colon out."""
    match = _UPSTREAM.match(upstream)
    address = match["address"] if match else ""
    if address.startswith("unix:") and path and address.endswith(path):
        return address.removesuffix(path)
    return address


def _request_fields(rest: str) -> dict[str, Value]:
    """Read what stands after ``request: "``. The upstream is the last one before the last ``, host: "``."""
    fields: dict[str, Value] = {}
    request = _REQUEST.match(rest)
    if request:
        path = request["path"].rstrip('",')[:2048]
        fields.update(method=request["method"], path=path, endpoint=endpoint_of(path))
    host = rest.rfind('", host: "')
    upstream = rest.rfind('", upstream: "', 0, host + 1 if host >= 0 else len(rest))
    if upstream >= 0:
        value = rest[upstream + 14 : host if host > upstream else len(rest)].rstrip('"')
        fields["upstream"] = clean_text(value, 2048)
        fields["upstream_address"] = _address(value, str(fields.get("path", "")))
    if host >= 0:
        fields["host"] = rest[host + 10 :].partition('"')[0][:256]
    return fields
