"""What ``hey`` and ``wrk`` print of a load test, as counted requests and a histogram of their times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzerd.formats.clock import NOTHING, clock_of
from analyzerd.model import Clock

_ROW = re.compile(r"^(\d+\.\d+),(?:[\d.]+,){5}(\d{3}),[\d.]+$", re.M | re.ASCII)
_SUMMARY = re.compile(r"^analyzerd requests (\d+) status (\d+) lost (\d+)$", re.M | re.ASCII)
_BIN = re.compile(r"^analyzerd bin (\d+) (\d+)$", re.M | re.ASCII)

WRK_SCRIPT = """
local rate, connections = tonumber(os.getenv("ANALYZERD_RATE")), tonumber(os.getenv("ANALYZERD_CONNECTIONS"))
function init(args) math.randomseed(1) end
function delay() return -math.log(1 - math.random()) * 1000 * connections / rate end
function done(summary, latency, requests)
  local e = summary.errors
  local lost = e.connect + e.read + e.write + e.timeout
  print(string.format("analyzerd requests %d status %d lost %d", summary.requests, e.status, lost))
  for i = 1, #latency do
    local us, n = latency(i)
    print(string.format("analyzerd bin %d %d", us, n))
  end
end
"""
"""Makes wrk send at random moments at a given rate, and print its whole histogram."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One slice of a load test as the client saw it. ``failed``: status 4xx and 5xx, and what got no answer."""

    requests: int = 0
    failed: int = 0
    clock: Clock = NOTHING


def read_hey(text: str) -> Loaded:
    """Read ``hey -o csv``; requests that got no answer are not in it."""
    rows = [(float(seconds), int(status)) for seconds, status in _ROW.findall(text)]
    failed = sum(status >= 400 for _, status in rows)
    return Loaded(len(rows), failed, clock_of((seconds, 1) for seconds, _ in rows))


def read_wrk(text: str) -> Loaded | None:
    """Read what WRK_SCRIPT prints; None when it printed nothing (wrk did not get so far)."""
    summary = _SUMMARY.search(text)
    if summary is None:
        return None
    answered, refused, lost = map(int, summary.groups())
    return Loaded(answered + lost, refused + lost, clock_of(_bins(text)))


def _bins(text: str) -> Iterator[tuple[float, int]]:
    for us, n in _BIN.findall(text):
        yield int(us) / 1e6, int(n)
