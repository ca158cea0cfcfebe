"""How long from a line to the message about it: from the journal and from a file, ended by the POST's arrival.

    python -m benchmarks.latency [--count 40] [--kind journal file]

Real daemon, real journald (needs root), stand-in for Slack; settle 0, so that only the machinery is measured.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.slack_standin import Slack, running
from tests.world.daemon import daemon, settings, slack_settings
from tests.world.daemon_script import FileApp, JournalApp
from tests.world.journald import Journald, until

PAUSE_S = 1.1
"""Longer than the second in which one message may be sent to a channel."""

BUDGET_MS = {"journal": (40.0, 60.0), "file": (15.0, 20.0)}


class Clocked(Slack):
    """Notes when a message or an edit arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived_s, self.got = 0.0, threading.Event()

    def call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """Note the first arrival since ``got`` was cleared."""
        if method in {"chat.postMessage", "chat.update"} and not body.get("thread_ts") and not self.got.is_set():
            self.arrived_s = time.monotonic()
            self.got.set()
        return super().call(method, body)


def measure(home: Path, count: int, world: dict[str, Any], die: Callable[[int], None]) -> list[float]:
    """Let ``count`` workers die, one at a time; give the milliseconds from each line to its POST."""
    slack = Clocked()
    with running(slack) as url:
        timing = {"settle": 0, "patience": 0}
        told = settings(home, slack=slack_settings(url), timing=timing, **world)
        with daemon(home, told) as one:
            until(lambda: _has_read(one.status))
            found = [_one(slack, die, 5_000_100 + number) for number in range(count + 1)]
            one.stop()
    return [ms for ms in found[1:] if ms]


def _has_read(status: Callable[[], dict[str, Any]]) -> bool:
    return not status()["blind_spots"]


def _one(slack: Clocked, die: Callable[[int], None], pid: int) -> float:
    time.sleep(PAUSE_S * 2)  # the message and the reply in its thread
    slack.got.clear()
    began_s = time.monotonic()
    die(pid)
    return (slack.arrived_s - began_s) * 1e3 if slack.got.wait(10) else 0.0


def journal(home: Path, count: int) -> list[float]:
    """Measure from the write of a unit's own process to its journal stream."""
    with Journald() as journald:
        app = JournalApp("shop", journald, home)
        world = {"journal": {"path": str(journald.directory), "units": [app.unit]}}
        return measure(home, count, world, lambda pid: app.write("WARNING", f"Worker (pid:{pid}) was sent SIGSEGV!"))


def file(home: Path, count: int) -> list[float]:
    """Measure from the append to a gunicorn log file."""
    app = FileApp("shop", home, 1)
    app.start()
    world = {"files": [{"path": str(app.log), "kind": "gunicorn", "unit": app.unit}]}
    return measure(
        home, count, world, lambda pid: app.write(app.master, "WARNING", f"Worker (pid:{pid}) was sent SIGSEGV!")
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--kind", nargs="+", choices=["journal", "file"], default=["journal", "file"])
    given = parser.parse_args()
    for kind in given.kind:
        with tempfile.TemporaryDirectory() as home:
            found = sorted({"journal": journal, "file": file}[kind](Path(home), given.count))
        hundredths = quantiles(found, n=100, method="inclusive")
        p50, p99 = BUDGET_MS[kind]
        print(
            f"{kind:8} {len(found)} of {given.count} told   p50 {hundredths[49]:5.1f} ms (budget {p50:g})   "
            f"p99 {hundredths[98]:5.1f} ms (budget {p99:g})   worst {found[-1]:.1f} ms"
        )


if __name__ == "__main__":
    main()
