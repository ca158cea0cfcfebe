"""The listener for gunicorn's metrics, on a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from analyzerd.core.readings import counted
from analyzerd.model import AccessTally, Batch, Clock, Health
from analyzerd.sources import statsd
from analyzerd.sources.statsd import StatsdSource

REQUEST = (b"gunicorn.request.duration:250|ms", b"gunicorn.requests:1|c|@1.0", b"gunicorn.request.status.200:1|c|@1.0")


class World:
    """A listener in its thread, what it emitted, and the time it sees."""

    def __init__(self, port: int) -> None:
        self.time_s, self.emitted = 1000.0, list[Batch]()
        self.source = StatsdSource("127.0.0.1", port, "a.service", now_s=lambda: self.time_s, again_s=0.05)

    def tallies(self) -> list[AccessTally]:
        """Give the tallies so far."""
        return [item for batch in self.emitted for item in batch.inputs if isinstance(item, AccessTally)]

    def states(self) -> list[str]:
        """Give what it said of itself."""
        return [item.state for batch in self.emitted for item in batch.inputs if isinstance(item, Health)]

    def send(self, *datagrams: bytes) -> None:
        """Send datagrams as gunicorn does."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for data in datagrams:
                sender.sendto(data, self.source.address)


@contextmanager
def listening(port: int) -> Iterator[World]:
    """Run a listener; stop it at the end."""
    world = World(port)
    thread = threading.Thread(target=world.source.run, args=(world.emitted.append, ()), daemon=True)
    thread.start()
    yield world
    world.source.stop()
    thread.join(5)
    assert not thread.is_alive()


@pytest.fixture
def port() -> int:
    """Give a free port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(done: Callable[[], object]) -> None:
    """Wait for it."""
    end_s = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_counts_are_handed_over_when_their_seconds_are_over(port: int) -> None:
    """Nothing before; then once, whatever was sent."""
    with listening(port) as world:
        until(lambda: world.states() == ["reading"])
        world.send(*REQUEST, *REQUEST, b"nonsense")
        time.sleep(0.2)
        assert world.tallies() == []
        world.time_s = 1010.0
        world.send(*REQUEST)
        until(world.tallies)
    first, last = world.tallies()
    assert (first.time_s, first.requests, first.unit) == (1000.0, 2, "a.service")
    assert (last.time_s, last.requests) == (1010.0, 1)


def test_a_taken_port_is_a_blind_spot_and_tried_again(port: int) -> None:
    """It begins to read as soon as the port is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        world = World(port)
        thread = threading.Thread(target=world.source.run, args=(world.emitted.append, ()), daemon=True)
        thread.start()
        until(lambda: "blind" in world.states())
    until(lambda: world.states()[-1] == "reading")
    world.source.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_a_flood_is_left_to_the_kernel(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many in a second are told as a gap; with the flood it ends."""
    monkeypatch.setattr(statsd, "MAX_PER_SECOND", 10)
    with listening(port) as world:
        until(lambda: world.states() == ["reading"])
        world.time_s = 1000.9
        world.send(*REQUEST * 3, b"the tenth")
        until(lambda: "gap" in world.states())
        assert world.states()[-1] == "gap"
        for world.time_s in (1002.0, 1003.0):
            world.send(b"one")
            time.sleep(0.2)
        until(lambda: world.states()[-1] == "reading")


TALLY = AccessTally(1000.0, "statsd", "a.service", 5, {"200": 5}, clocks={"*": Clock(5, 1.0, {3: 5})})


def test_metrics_stand_in_for_what_the_log_does_not_say() -> None:
    """Without an access log all of them count; beside one without durations only these; beside a whole one nothing."""
    log = replace(TALLY, source="gunicorn.access", time_s=990.0)
    none: dict[str, tuple[float, float]] = {}
    assert counted(none, TALLY) == replace(TALLY, source="gunicorn.access")
    bare: dict[str, tuple[float, float]] = {}
    assert counted(bare, replace(log, clocks={})) is not None
    only = counted(bare, TALLY)
    assert only is not None
    assert (only.requests, dict(only.by_status), only.clocks) == (0, {}, TALLY.clocks)
    whole: dict[str, tuple[float, float]] = {}
    assert counted(whole, log) == log
    assert counted(whole, TALLY) is None
    assert counted(whole, replace(TALLY, unit="b.service")) is not None
    assert counted(whole, replace(TALLY, time_s=2000.0)) is not None
