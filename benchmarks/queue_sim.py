"""A first-come first-served queue with several servers (M/G/c), seeded: arrivals, waits and services of requests."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from analyzerd.core.buckets import GRID_S, Bucket
from analyzerd.formats.clock import bin_of
from analyzerd.model import Clock

SERVERS = 4
SERVICE_S = 0.3
SIGMA = math.sqrt(math.log(2))
"""Lognormal with a standard deviation as large as its mean."""
WARM_REQUESTS = 2000


@dataclass(frozen=True, slots=True)
class Queue:
    """``rate`` of arrivals per second, mean service in seconds, servers."""

    rate: float
    service_s: float = SERVICE_S
    servers: int = SERVERS

    @classmethod
    def at(cls, rho: float, service_s: float = SERVICE_S) -> Queue:
        """The usual queue, busy for the share ``rho`` of its time."""
        return cls(rho * SERVERS / service_s, service_s)


def requests(queue: Queue, dice: random.Random) -> Iterator[tuple[float, float, float]]:
    """Endlessly: when a request came, how long it took altogether and how much of that was service (seconds)."""
    free, time_s = [0.0] * queue.servers, 0.0
    middle = math.log(queue.service_s) - SIGMA * SIGMA / 2
    for number in range(1 << 60):
        time_s += dice.expovariate(queue.rate)
        service_s = dice.lognormvariate(middle, SIGMA)
        end_s = max(time_s, free[0]) + service_s
        heapq.heapreplace(free, end_s)
        if number >= WARM_REQUESTS:
            yield time_s, end_s - time_s, service_s


def times(queue: Queue, n: int, dice: random.Random) -> list[float]:
    """How long ``n`` requests took, in order, in seconds."""
    return [took for (_, took, _), _ in zip(requests(queue, dice), range(n), strict=False)]


def buckets(queue: Queue, dice: random.Random, start_s: float = 0.0) -> Iterator[Bucket]:
    """Endlessly: half-minutes as the engine would have measured them."""
    bins, n, sum_s, served_s, begun_s = dict[int, int](), 0, 0.0, 0.0, -1.0
    for came_s, took, service_s in requests(queue, dice):
        begun_s = came_s if begun_s < 0 else begun_s
        while came_s >= begun_s + GRID_S:
            gauges = {
                "utilisation": min(1.0, served_s / (queue.servers * GRID_S)),
                "service_mean": served_s / n if n else 0.0,
            }
            yield Bucket(start_s, GRID_S, n, 0, Clock(n, sum_s, bins), "nginx.access", gauges)
            bins, n, sum_s, served_s = {}, 0, 0.0, 0.0
            begun_s, start_s = begun_s + GRID_S, start_s + GRID_S
        number = bin_of(took)
        bins[number] = bins.get(number, 0) + 1
        n, sum_s, served_s = n + 1, sum_s + took, served_s + service_s
