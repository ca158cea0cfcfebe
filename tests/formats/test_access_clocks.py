"""Request clocks of access logs: per ten seconds, endpoint and worker."""

from __future__ import annotations

import pytest

from analyzerd.formats.access import access_format
from analyzerd.formats.clean import endpoint_of

NGINX = '$msec $remote_addr "$request" $status rt=$request_time urt=$upstream_response_time us=$upstream_status'
GUNICORN = '%(t)s pid=%(p)s "%(r)s" %(s)s us=%(D)s'


def test_nginx_times_are_counted_by_route() -> None:
    """Ids and queries fold; rejected requests, retries and cut-off answers are no measure."""
    block = b"".join(
        b'1795417850.%03d 10.0.0.1 "GET %s HTTP/1.1" %d rt=0.300 urt=%s us=200\n' % (n, path, status, urt)
        for n, (path, status, urt) in enumerate(
            [
                (b"/user/7?token=x", 200, b"0.200"),
                (b"/user/8", 200, b"0.400"),
                (b"/nothing", 404, b"0.001"),
                (b"/user/9", 200, b"0.100, 0.200"),
                (b"/user/9", 502, b"0.000"),
            ]
        )
    )
    (tally,) = access_format(NGINX, False).tally(block)
    assert tally.requests == 5
    assert list(tally.clocks) == ["/user/:id"]
    clock = tally.clocks["/user/:id"]
    assert (clock.n, clock.sum_s) == (2, pytest.approx(0.6))


def test_gunicorn_times_have_microseconds_and_workers() -> None:
    """The clock is in seconds, requests count for the worker that served them."""
    line = b'[23/Nov/2026:07:10:5%d +0000] pid=<%d> "GET /a HTTP/1.0" 200 us=%d\n'
    block = b"".join(line % row for row in [(0, 12, 203072), (3, 13, 203900), (9, 12, 45)])
    (tally,) = access_format(GUNICORN, True).tally(block)
    assert tally.by_worker == {12: 2, 13: 1}
    assert tally.last_s - tally.first_s == 9
    assert tally.clocks["/a"].sum_s == pytest.approx(0.407, abs=0.002)


def test_a_format_without_times_has_no_clocks() -> None:
    """The default formats are only counted."""
    block = b'10.0.0.1 - - [23/Nov/2026:07:10:50 +0000] "GET /a HTTP/1.1" 200 7 "-" "curl"\n'
    (tally,) = access_format("", False).tally(block)
    assert (tally.requests, tally.clocks) == (1, {})


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/a/12/b?x=1", "/a/:id/b"),
        ("/o/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "/o/:id"),
        ("/f/d41d8cd98f00b204e9800998ecf8427e", "/f/:id"),
        ("/api/v2/report", "/api/v2/report"),
    ],
)
def test_routes_fold_what_varies(path: str, route: str) -> None:
    """One route, one name."""
    assert endpoint_of(path) == route
