"""nginx error and access logs, and gunicorn's access log, are read right and cannot be forged by a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzerd.formats import access, nginx_error
from analyzerd.formats.access import AccessFormat
from analyzerd.model import Stream

CORPUS = Path(__file__).parents[1] / "corpus" / "formats"
ERROR = Stream("file:/var/log/nginx/error.log", "nginx.error", utc_offset_s=3600)
TIMED = (
    '$msec $remote_addr "$request" $status rt=$request_time uct=$upstream_connect_time '
    "urt=$upstream_response_time us=$upstream_status ua=$upstream_addr"
)
HEAD = b"2026/11/23 07:27:09 [error] 13590#13590: *31 "


def test_an_upstream_line_is_split() -> None:
    """All agreed fields of a timeout, with local time shifted to UTC."""
    line = HEAD + (
        b"upstream timed out (110: Connection timed out) while reading response header from upstream, "
        b'client: 127.0.0.1, server: app.example.com, request: "GET /hang?x=1 HTTP/1.1", '
        b'upstream: "http://127.0.0.1:31005/hang", host: "h"'
    )
    event = nginx_error.parse(line, ERROR)
    assert event is not None
    assert (event.time_s, event.pid) == (1795418829.0 - 3600, 13590)
    fields = event.fields
    assert (fields["errno"], fields["action"]) == (110, "reading response header from upstream")
    assert fields["message"] == "upstream timed out (110: Connection timed out)"
    assert (fields["endpoint"], fields["upstream_address"], fields["host"]) == (
        "/hang",
        "127.0.0.1:31005",
        "h",
    )


@pytest.mark.parametrize(
    ("upstream", "address"),
    [
        ("http://unix:/run/g.sock:/x", "unix:/run/g.sock"),
        ("http://[::1]:8000/x", "[::1]:8000"),
        ("http://multi/x", "multi"),
    ],
)
def test_upstream_addresses(upstream: str, address: str) -> None:
    """Sockets, IPv6 and names."""
    line = HEAD + b'connect() failed (111: x) while connecting to upstream, client: c, server: s, request: "GET / H", '
    event = nginx_error.parse(line + b'upstream: "%s", host: "h"' % upstream.encode(), ERROR)
    assert event is not None
    assert event.fields["upstream_address"] == address


def test_a_request_cannot_name_the_upstream() -> None:
    """Quotes in the request line are raw: only the last upstream before the host counts."""
    line = HEAD + (
        b"upstream prematurely closed connection while reading response header from upstream, client: 1.2.3.4, "
        b'server: s, request: "GET /", upstream: "http://6.6.6.6/", host: "evil" HTTP/1.1", '
        b'upstream: "http://127.0.0.1:8000/", host: "real"'
    )
    event = nginx_error.parse(line, ERROR)
    assert event is not None
    assert (event.fields["upstream_address"], event.fields["host"]) == ("127.0.0.1:8000", "real")


def test_a_forged_action_in_the_request_is_not_read() -> None:
    """What follows the client part never becomes action or errno."""
    line = HEAD + (
        b"client intended to send too large body: 3 bytes, client: c, server: s, "
        b'request: "GET /(110:%20x)?while connecting to upstream HTTP/1.1", host: "h"'
    )
    event = nginx_error.parse(line, ERROR)
    assert event is not None
    assert "errno" not in event.fields
    assert "action" not in event.fields


def test_the_real_error_log_is_read() -> None:
    """Every line but the one a client's newline made is of the format."""
    lines = (CORPUS / "nginx-error.log").read_bytes().splitlines()
    assert sum(nginx_error.parse(line, ERROR) is None for line in lines) == 1


def test_the_real_access_log_gives_tallies_that_add_up() -> None:
    """A combined log with quoted trailing times: each parsed request is counted once."""
    data = (CORPUS / "nginx-access.log").read_bytes()
    format_ = AccessFormat()
    stream = Stream("a", "nginx.access")
    events = [event for line in data.splitlines() if (event := format_.parse(line, stream))]
    timed = AccessFormat(
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent rt=$request_time '
        'uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time" '
        'ua="$upstream_addr" us="$upstream_status"'
    )
    read = [event for line in data.splitlines() if (event := timed.parse(line, stream))]
    assert len(read) > 70
    assert len(events) == 0
    assert sum(tally.requests for tally in timed.tally(data)) == len(read)
    assert all(tally.time_s % 10 == 0 for tally in timed.tally(data))


def test_combined_with_extra_times_is_understood() -> None:
    """Trailing rt= uct= urt= of the default format are found, lists are summed."""
    line = (
        b'1.2.3.4 - - [23/Nov/2026:07:27:09 +0000] "GET /x?y HTTP/1.1" 504 9 "-" "ua rt=9" '
        b'rt=2.002 uct="0.000" uht="-" urt="1.0, 1.5" ua="127.0.0.1:1, 127.0.0.1:2" us="502, 504"'
    )
    event = AccessFormat().parse(line, Stream("a", "nginx.access"))
    assert event is not None
    fields = event.fields
    assert (fields["status"], fields["request_s"], fields["upstream_s"]) == (504, 2.002, 2.5)
    assert (fields["upstream_status"], fields["endpoint"]) == ("502, 504", "/x")
    assert event.time_s == 1795418829.0


def test_msec_and_the_last_field_are_read_whole() -> None:
    """$msec gives the time; the last variable has nothing behind it that stops it."""
    line = b'1795417732.771 127.0.0.1 "GET /ok HTTP/1.1" 200 rt=0.004 uct=- urt=0.003 us=200 ua=127.0.0.1:28000'
    event = AccessFormat(TIMED).parse(line, Stream("a", "nginx.access"))
    assert event is not None
    assert (event.time_s, event.fields["upstream_s"], event.fields["connect_s"]) == (
        1795417732.771,
        0.003,
        None,
    )
    assert event.fields["upstream_address"] == "127.0.0.1:28000"


def test_gunicorn_formats() -> None:
    """The default and a custom --access-logformat with pid and microseconds."""
    stream = Stream("a", "gunicorn.access")
    own = AccessFormat('%(t)s pid=%(p)s "%(r)s" st=%(s)s us=%(D)s b=%(B)s', gunicorn=True)
    event = own.parse(
        b'[23/Nov/2026:07:04:00 +0000] pid=<32066> "GET /cpu?ms=1 HTTP/1.0" st=500 us=3227000 b=0', stream
    )
    assert event is not None
    assert (event.pid, event.fields["duration_s"], event.source) == (32066, 3.227, "gunicorn.access")
    plain = AccessFormat(gunicorn=True).parse(
        b'127.0.0.1 - - [23/Nov/2026:07:04:00 +0000] "GET / HTTP/1.1" 200 7 "-" "a \\"quoted\\" agent"',
        stream,
    )
    assert plain is not None
    assert plain.fields["status"] == 200


def test_only_failed_and_slow_lines_are_interesting() -> None:
    """The fast scan misses none of them, and a status in the path does not fool the tally."""
    template = b'1.000 c "GET /%s HTTP/1.1" %d rt=%s uct=0.0 urt=%s us=200 ua=-\n'
    lines = [
        template % (b"ok", 200, b"0.100", b"0.100"),
        template % (b"fail", 502, b"0.100", b"0.100"),
        template % (b"gone", 499, b"0.100", b"0.100"),
        template % (b"slow", 200, b"1.000", b"1.000"),
        template % (b"retried", 200, b"0.900", b"0.1, 12.0"),
        template % (b"x 500 y", 200, b"0.1", b"0.1"),
    ]
    format_ = AccessFormat(TIMED)
    found = [line.split(b"/")[1].split(b" ")[0] for line in format_.interesting(b"".join(lines))]
    assert found == [b"fail", b"gone", b"slow", b"retried"]
    assert format_.tally(b"".join(lines))[0].by_status == {"200": 4, "502": 1, "499": 1}


def test_unknown_variables_are_skipped_and_useless_formats_refused() -> None:
    """A format may name anything; one without status and time is an error, and such a stream reads nothing."""
    odd = AccessFormat("$foo [$time_local] $bar|$status|$http_x_custom")
    event = odd.parse(b"a [23/Nov/2026:07:04:00 +0000] b|503|c d", Stream("a", "nginx.access"))
    assert event is not None
    assert event.fields["status"] == 503
    with pytest.raises(ValueError, match="neither a status nor a time"):
        AccessFormat("$remote_addr $request")
    assert access.parse(b"x", Stream("a", "nginx.access", log_format="$foo")) is None
