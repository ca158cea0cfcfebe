"""What the demo breaks, in order, and the cause that has to come out. Knows nothing of analyzerd."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.world.apps import Gunicorn, get, wait_until
from tests.world.cgroups import UnitCgroup

TIMEOUT_S = 3
MEMORY_LIMIT_BYTES = 192 << 20


@dataclass(frozen=True)
class Ground:
    """What the faults are done to. `memory_limited`: the kernel can really kill the app for memory."""

    app: Gunicorn
    app_cgroup: UnitCgroup
    port: int
    private_port: int
    memory_limited: bool


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. `cause` is the id expected in Slack, '' when nothing may come."""

    name: str
    says: str
    cause: str
    app: str
    act: Callable[[Ground], str]
    needs_memory_cgroup: bool = False


@dataclass
class Load:
    """Steady small requests from a few threads while the block runs; `statuses` counts the answers."""

    port: int
    path: str = "/ok"
    threads: int = 2
    pause_s: float = 0.05
    statuses: Counter[int] = field(default_factory=Counter)

    def __enter__(self) -> Load:
        """Start asking."""
        self._stop = threading.Event()
        self._workers = [threading.Thread(target=self._ask) for _ in range(self.threads)]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop asking and wait for the last answers."""
        self._stop.set()
        for worker in self._workers:
            worker.join()

    def _ask(self) -> None:
        while not self._stop.wait(self.pause_s):
            self.statuses[get(self.port, self.path)] += 1


def hang(ground: Ground) -> str:
    """Ask for a page whose view waits far longer than gunicorn's timeout."""
    status = get(ground.port, "/sleep?s=60")
    return f"GET /sleep?s=60 answered {status}"


def eat_memory(ground: Ground) -> str:
    """Ask for more memory than the unit may have; the kernel ends the worker."""
    before = ground.app_cgroup.oom_kills()
    status = get(ground.port, "/alloc?mb=400")
    wait_until(lambda: ground.app_cgroup.oom_kills() > before, "the kernel's OOM kill")
    return f"GET /alloc?mb=400 answered {status}; the kernel counts {ground.app_cgroup.oom_kills()} kill"


def slow_behind_short_timeout(ground: Ground) -> str:
    """Ask three times for a report that takes 2 s where nginx waits 1 s; each completes after nginx left."""
    statuses = []
    for _ in range(3):
        statuses.append(get(ground.port, "/report?s=2"))
        time.sleep(1.2)  # the worker finishes what nginx no longer waits for
    return f"GET /report?s=2 answered {statuses}"


def forbidden_socket(ground: Ground) -> str:
    """Ask an nginx whose upstream socket its worker user may not open."""
    statuses = [get(ground.private_port, "/ok") for _ in range(3)]
    return f"GET /ok on the second site answered {statuses}"


def harmless_reload(ground: Ground) -> str:
    """Reload gunicorn twice under load; every request is answered."""
    with Load(ground.port) as load:
        time.sleep(0.5)
        for _ in range(2):
            old = set(ground.app.children())
            ground.app.signal(signal.SIGHUP)
            wait_until(lambda old=old: old.isdisjoint(ground.app.children()), "new workers")
            time.sleep(1)
    return f"two reloads under load, answers {dict(load.statuses)}"


FAULTS = (
    Fault("hang", "a request that hangs until WORKER TIMEOUT", "app-waits", "demo", hang),
    Fault(
        "memory",
        "a request that eats memory until the kernel kills the worker",
        "out-of-memory",
        "demo",
        eat_memory,
        needs_memory_cgroup=True,
    ),
    Fault(
        "short-timeout",
        "a slow report behind a short proxy_read_timeout",
        "nginx-timeout-mismatch",
        "demo",
        slow_behind_short_timeout,
    ),
    Fault(
        "socket",
        "an nginx pointed at a socket it may not open",
        "socket-permission",
        "private",
        forbidden_socket,
    ),
    Fault("reload", "a harmless reload under load", "", "demo", harmless_reload),
)
