"""What wrk and hey printed when they were run, and what a broken one prints."""

from __future__ import annotations

import pytest

from analyzerd.formats.loadtest import Loaded, read_hey, read_wrk

HEY = """response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset
0.0086,0.0002,0.0000,0.0001,0.0082,0.0001,500,0.2104
0.0171,0.0001,0.0000,0.0001,0.0168,0.0001,200,0.2105
0.0130,0.0001,0.0000,0.0001,0.0128,0.0001,200,0.2105"""
WRK = """Running 3s test @ http://127.0.0.1:8765/
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    20.36ms   17.41ms  67.02ms   82.00%
  50 requests in 3.01s, 5.55KB read
  Non-2xx or 3xx responses: 2
Requests/sec:     16.62
analyzerd requests 4 status 2 lost 1
analyzerd bin 5957 1
analyzerd bin 6082 2
analyzerd bin 67000 1
"""


def test_hey_lists_every_request() -> None:
    """Three answers, one of them a failure."""
    found = read_hey(HEY)
    assert (found.requests, found.failed, found.clock.n) == (3, 1, 3)
    assert found.clock.sum_s == pytest.approx(0.0387)


def test_wrk_prints_its_histogram() -> None:
    """Answers by microseconds; what got none is a failure, too."""
    found = read_wrk(WRK)
    assert found is not None
    assert (found.requests, found.failed, found.clock.n) == (5, 3, 4)
    assert found.clock.sum_s == pytest.approx(0.085121)


@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:1 Connection refused\n", "analyzerd bin 5 5\n"])
def test_nothing_was_sent(text: str) -> None:
    """Neither invents requests."""
    assert read_wrk(text) is None
    assert read_hey(text) == Loaded()
