"""gunicorn's own metrics: counted as an access log would be, and nothing else of what arrives."""

from __future__ import annotations

import random

import pytest

from analyzerd.formats.clock import OTHERS
from analyzerd.formats.statsd import Counting

T0 = 1_800_000_000.0


def request(ms: float, status: int, prefix: str = "", tags: str = "") -> list[bytes]:
    """Make the datagrams gunicorn sends for one request."""
    texts = [
        f"{prefix}gunicorn.request.duration:{ms}|ms{tags}",
        f"{prefix}gunicorn.requests:1|c|@1.0{tags}",
        f"{prefix}gunicorn.request.status.{status}:1|c|@1.0{tags}",
    ]
    return [text.encode() for text in texts]


def counted(*datagrams: bytes, at_s: float = T0 + 3.7) -> Counting:
    """Count datagrams that arrive at one moment."""
    counting = Counting("a.service")
    for data in datagrams:
        counting.take(data, at_s)
    return counting


@pytest.mark.parametrize(("prefix", "tags"), [("", ""), ("shop.web-1.", ""), ("", "|#env:prod,host:a")])
def test_requests_are_counted(prefix: str, tags: str) -> None:
    """By status, with the durations of answered ones; gunicorn's prefix and Datadog's tags change nothing."""
    sent = [*request(120.5, 200, prefix, tags), *request(3000, 404, prefix, tags), *request(80, 504, prefix, tags)]
    tally = counted(*sent).result()
    assert (tally.source, tally.unit, tally.time_s, tally.requests) == ("statsd", "a.service", T0, 3)
    assert (tally.first_s, tally.last_s) == (T0 + 3, T0 + 3)
    assert tally.by_status == {"200": 1, "404": 1, "504": 1}
    assert tally.clocks[OTHERS].n == 2
    assert tally.clocks[OTHERS].sum_s == pytest.approx(0.2005, abs=0.001)


def test_ten_seconds_at_a_time() -> None:
    """A bucket is over when its time is, or when the clock was set back; then counting begins anew."""
    counting = counted(*request(5, 200))
    assert not counting.over(T0 + 9.9)
    assert counting.over(T0 + 10.0)
    assert counting.over(T0 - 100.0)
    assert counting.result().requests == 1
    assert not counting.over(T0 + 10.0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 9000,
        b"gunicorn.request.status.999:1|c",
        b"gunicorn.request.status.200:-5|c",
        b"gunicorn.request.status.200:99999999|c",
        b"gunicorn.request.duration:nan|ms",
        b"gunicorn.request.duration:-1|ms",
        b"gunicorn.workers:4|g",
        b"x gunicorn.request.status.200:1|c",
        b"gunicorn.request.status.200:1|c\x00",
    ],
)
def test_what_is_no_metric_of_gunicorns_counts_nothing(data: bytes) -> None:
    """Anybody on the machine can send."""
    assert not counted(data).by_status


def test_memory_is_bounded() -> None:
    """Durations without an end, endless different durations, datagrams of many lines."""
    counting, dice = Counting(""), random.Random(4)
    for _ in range(50_000):
        counting.take(f"gunicorn.request.duration:{dice.uniform(0, 90_000):.3f}|ms".encode(), T0)
    assert len(counting.pending) <= 64
    counting.take(b"gunicorn.request.status.200:1|c\n" * 300, T0)
    assert sum(counting.by_status.values()) <= 64
    for _ in range(50_000):
        counting.take(f"gunicorn.request.duration:{dice.uniform(0, 9e8):.3f}|ms".encode(), T0)
        counting.take(b"gunicorn.request.status.200:1|c", T0)
    assert len(counting.bins) <= 161
