"""The vocabulary of scenarios: ask, load, wait, kill, reload. Each gives a step to be done to a site."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.world.apps import wait_until
from tests.world.faults import load as client
from tests.world.faults.scenario import Step
from tests.world.faults.site import Site


def ask(path: str, times: int = 1, *, direct: bool = False, timeout_s: float = client.PATIENCE_S) -> Step:
    """Send requests at once, through nginx or to gunicorn itself; does not wait for the answers."""

    def step(site: Site) -> None:
        for _ in range(times):
            site.client.send(site.door(direct=direct), path, timeout_s=timeout_s)

    return step


def load(path: str, per_s: float, for_s: float, *, direct: bool = False, timeout_s: float = client.PATIENCE_S) -> Step:
    """Send at a fixed rate from now on, beside what follows."""

    def step(site: Site) -> None:
        site.beside(client.Client.steadily, site.client, site.door(direct=direct), path, per_s, for_s, timeout_s)

    return step


def regularly(path: str, every_s: float, for_s: float) -> Step:
    """Send one request at fixed intervals from now on, beside what follows."""

    def ask_on(site: Site) -> None:
        end_s = time.monotonic() + for_s
        while time.monotonic() < end_s:
            site.client.send(site.door(), path)
            if site.client.over.wait(every_s):
                return

    return lambda site: site.threads.append(_started(ask_on, site))


def wait(seconds: float) -> Step:
    """Let time pass."""

    def step(site: Site) -> None:
        site.client.over.wait(seconds)

    return step


def breaks(site: Site) -> None:
    """Mark the moment from which on trouble counts; without it that is the beginning."""
    site.broke()


def upload_slowly(path: str, seconds: float) -> Step:
    """POST a body that takes its time."""
    return lambda site: site.beside(client.upload_slowly, site.door(), path, seconds)


def connect_and_wait(seconds: float) -> Step:
    """Open a connection to gunicorn itself and say nothing."""
    return lambda site: site.beside(client.connect_and_wait, site.door(direct=True), seconds)


def kill_worker(number: signal.Signals) -> Step:
    """Send a signal to the oldest worker, from outside."""
    return lambda site: os.kill(site.app.children()[0], number)


def signal_master(number: signal.Signals) -> Step:
    """Send a signal to gunicorn's master."""
    return lambda site: site.app.signal(number)


def reload(site: Site) -> None:
    """HUP, and wait until the workers are new ones."""
    old = set(site.app.children())
    site.app.signal(signal.SIGHUP)
    wait_until(lambda: site.app.children() and old.isdisjoint(site.app.children()), "new workers", 60)


def restart(site: Site) -> None:
    """Stop the app as a service manager does and start it anew."""
    site.app.stop(40)
    site.app.start()


def start(site: Site) -> None:
    """Start the app (of a scenario that `starts_late`) without waiting until it serves."""
    site.app.begin()


def neighbours(number: int, seconds: float) -> Step:
    """Let other programs of the machine compute."""
    code = f"import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: sum(range(9999))"

    def step(site: Site) -> None:
        for n in range(number):
            site.run([sys.executable, "-c", code], f"neighbour{n}")

    return step


def freeze(seconds: float) -> Step:
    """Freeze the filesystem at `{home}/frozen` for a while, as a snapshot or a hanging disk does."""

    def step(site: Site) -> None:
        place = str(site.home / "frozen")
        site.on_exit(lambda: subprocess.run(["fsfreeze", "--unfreeze", place], check=False, capture_output=True))
        subprocess.run(["fsfreeze", "--freeze", place], check=True)
        site.client.over.wait(seconds)
        subprocess.run(["fsfreeze", "--unfreeze", place], check=False, capture_output=True)

    return step


def nginx_reload(site: Site) -> None:
    """Let nginx read its configuration anew."""
    site.nginx.signal(signal.SIGHUP)


def upgrade(site: Site) -> None:
    """USR2: a second master takes over; the first is asked to leave when the new one serves."""
    old = site.app.pid
    before = set(site.app.children())
    os.kill(old, signal.SIGUSR2)
    successor = _successor(old, before)
    time.sleep(3)
    os.kill(old, signal.SIGTERM)
    site.app.succeeded_by(successor)


def _successor(old: int, before: set[int]) -> int:
    """Wait for a child of the old master that has children of its own."""
    found: list[int] = []

    def there() -> bool:
        found[:] = [pid for pid in _children(old) if pid not in before and _children(pid)]
        return bool(found)

    wait_until(there, "the new master", 30)
    return found[0]


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def in_turn(*steps: Step) -> Step:
    """Do steps one after another, beside what follows."""

    def all_of(site: Site) -> None:
        for step in steps:
            if site.client.over.is_set():
                return
            step(site)

    return lambda site: site.threads.append(_started(all_of, site))


def _started(step: Step, site: Site) -> threading.Thread:
    thread = threading.Thread(target=step, args=(site,), daemon=True)
    thread.start()
    return thread
