"""Listens on the loopback for gunicorn's statsd metrics and hands their counts over. Keeps no datagram."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from analyzerd.formats.statsd import BUCKET_S, MAX_DATAGRAM_BYTES, SOURCE, Counting
from analyzerd.model import Batch, Checkpoint, Health
from analyzerd.sources import Stopped, wall_clock_s

MAX_PER_SECOND = 20_000
"""More than that is no gunicorn: the rest of the second is left to the kernel, which drops what nobody reads."""
AGAIN_S = 30.0


class StatsdSource:
    """One UDP socket that is told about one unit's requests."""

    def __init__(
        self, host: str, port: int, unit: str, *, now_s: Callable[[], float] = wall_clock_s, again_s: float = AGAIN_S
    ) -> None:
        self.address, self._unit, self._now_s, self._again_s = (host, port), unit, now_s, again_s
        self._stop = threading.Event()
        self._second, self._taken, self._flooded = 0, 0, False

    def run(self, emit: Callable[[Batch], None], resume: tuple[Checkpoint, ...]) -> None:
        """Count until stopped; an address in use is a blind spot, tried again."""
        del resume  # what was not counted is gone
        try:
            while not self._stop.is_set():
                try:
                    with self._open() as receiver:
                        self._say(emit, "reading")
                        self._count(receiver, emit)
                except OSError as error:
                    why = f"{self._name()}: {error.strerror or error}"
                    self._say(emit, "blind", why, "name a free port in witnesses.statsd and in gunicorn's statsd_host")
                    self._stop.wait(self._again_s)
        except Stopped:
            return

    def stop(self) -> None:
        """End the wait for a datagram by sending one."""
        self._stop.set()
        with contextlib.suppress(OSError), socket.socket(self._family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.address)

    @property
    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET

    def _open(self) -> socket.socket:
        receiver = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            receiver.bind(self.address)
        except OSError:
            receiver.close()
            raise
        return receiver

    def _count(self, receiver: socket.socket, emit: Callable[[Batch], None]) -> None:
        counting = Counting(self._unit)
        while not self._stop.is_set():
            receiver.settimeout(max(0.01, counting.time_s + BUCKET_S - self._now_s()) if counting.by_status else None)
            try:
                data = receiver.recv(MAX_DATAGRAM_BYTES)
            except TimeoutError:
                data = b""
            time_s = self._now_s()
            if counting.over(time_s):
                emit(Batch((counting.result(),)))
            counting.take(data, time_s)
            self._hold_back(time_s, emit)
        if counting.by_status:
            emit(Batch((counting.result(),)))

    def _hold_back(self, time_s: float, emit: Callable[[Batch], None]) -> None:
        """Read only so much in a second; the flood, and its end, are told."""
        if int(time_s) != self._second:
            if self._flooded and self._taken < MAX_PER_SECOND:
                self._flooded = False
                self._say(emit, "reading")
            self._second, self._taken = int(time_s), 0
        self._taken += 1
        if self._taken >= MAX_PER_SECOND:
            if not self._flooded:
                why = f"{self._name()}: more than {MAX_PER_SECOND} datagrams a second, the rest is not counted"
                self._say(emit, "gap", why, "see who sends there; only gunicorn should")
            self._flooded = True
            self._stop.wait(max(0.0, self._second + 1 - time_s))

    def _name(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def _say(self, emit: Callable[[Batch], None], state: str, why: str = "", mend: str = "") -> None:
        emit(Batch((Health(self._now_s(), SOURCE, state, why, mend, self._unit),)))
