"""A bounded open-loop client on loopback: requests leave at a given rate, whether or not earlier ones came back.

A closed loop would hide the queues the lab is about. Refuses to have more than MOST_AT_ONCE requests under way.
"""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_AT_ONCE = 400
PATIENCE_S = 70.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request as the client saw it: when it was sent (Unix seconds), how long it took, its status (0: cut)."""

    sent_s: float
    took_s: float
    status: int


@dataclass
class Client:
    """Sends requests and keeps what came back. Thread-safe; `over` ends every load that still runs."""

    clock: Callable[[], float]
    over: threading.Event = field(default_factory=threading.Event)
    answers: list[Answer] = field(default_factory=list)
    unsent: int = 0
    _under_way: set[threading.Thread] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, port: int, path: str, *, timeout_s: float = PATIENCE_S) -> None:
        """Send one request in a thread of its own, if there is room."""
        with self._lock:
            self._under_way = {one for one in self._under_way if one.is_alive()}
            if len(self._under_way) >= MOST_AT_ONCE:
                self.unsent += 1
                return
            thread = threading.Thread(target=self._ask, args=(port, path, timeout_s), daemon=True)
            self._under_way.add(thread)
            thread.start()

    def steadily(self, port: int, path: str, per_s: float, for_s: float, timeout_s: float = PATIENCE_S) -> None:
        """Send `per_s` on average until `for_s` seconds have passed or all is over; as people come, not as clocks tick.

        The gaps are the same in every run.
        """
        chance, began_s, due_s = random.Random(path), time.monotonic(), 0.0
        while due_s < for_s:
            if self.over.wait(max(0.0, began_s + due_s - time.monotonic())):
                return
            self.send(port, path, timeout_s=timeout_s)
            due_s += chance.expovariate(per_s)

    def _ask(self, port: int, path: str, timeout_s: float) -> None:
        sent_s, began_s = self.clock(), time.monotonic()
        status = _get(port, path, timeout_s)
        answer = Answer(sent_s, time.monotonic() - began_s, status)
        with self._lock:
            self.answers.append(answer)

    def counts(self) -> Counter[int]:
        """Answers by status."""
        with self._lock:
            return Counter(answer.status for answer in self.answers)

    def first_trouble_s(self, since_s: float, slow_s: float) -> float | None:
        """When the first answer since a moment that failed or was slow was noticed by its client; None without one."""
        with self._lock:
            bad = [
                min(a.sent_s + a.took_s, a.sent_s + slow_s) if a.took_s > slow_s else a.sent_s + a.took_s
                for a in self.answers
                if a.sent_s + a.took_s >= since_s and (a.status == 0 or a.status >= 500 or a.took_s > slow_s)
            ]
        return min((moment for moment in bad if moment >= since_s), default=None)


def _get(port: int, path: str, timeout_s: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def upload_slowly(port: int, path: str, seconds: float) -> None:
    """POST a body that arrives in small pieces."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(f"POST {path} HTTP/1.1\r\nHost: lab\r\nContent-Length: 100000\r\n\r\n".encode())
        for _ in range(100):
            try:
                link.sendall(b"x" * 1000)
            except OSError:
                return
            time.sleep(seconds / 100)
        link.recv(1000)


def connect_and_wait(port: int, seconds: float) -> None:
    """Open a connection and say nothing, as browsers do ahead of need."""
    with socket.create_connection(("127.0.0.1", port), timeout=60):
        time.sleep(seconds)
