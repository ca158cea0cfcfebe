"""What the daemon takes while nothing happens and while nginx writes a thousand access lines a second.

    python -m benchmarks.footprint [--seconds 20] [--rate 1000]

Real daemon, sampling every 5 s; CPU from /proc, over the whole stretch, memory at its end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.world.daemon import daemon, settings
from tests.world.journald import Journald

LINE = '127.0.0.1 - - [{when}] "GET /ok?n={n} HTTP/1.1" 200 512 "-" "a browser of some length, as they are"\n'
STEPS_PER_S = 200
WARM_UP_S = 5.0


def quiet(log: Path, seconds: float, rate: int) -> None:
    """Let time pass."""
    del log, rate
    time.sleep(seconds)


def busy(log: Path, seconds: float, rate: int) -> None:
    """Write the lines of ``rate`` requests a second, a few at a time."""
    end_s = time.monotonic() + seconds
    with log.open("a") as file:
        while time.monotonic() < end_s:
            when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
            file.write("".join(LINE.format(when=when, n=n) for n in range(rate // STEPS_PER_S)))
            file.flush()
            time.sleep(1 / STEPS_PER_S)


def measure(load: Callable[[Path, float, int], None], seconds: float, rate: int) -> tuple[float, float]:
    """Run a daemon under a load; give its CPU in per cent of a core and its resident MB."""
    with tempfile.TemporaryDirectory() as name, Journald() as journald:
        home, log = Path(name), Path(name) / "access.log"
        log.touch()
        files = [{"path": str(log), "kind": "nginx.access", "unit": "nginx.service"}]
        journal = {"path": str(journald.directory), "units": ["shop.service", "nginx.service"]}
        told = settings(home, files=files, journal=journal, sampling={"interval": "5s"})
        with daemon(home, told) as one:
            process = psutil.Process(one.pid)
            load(log, WARM_UP_S, rate)
            before = process.cpu_times()
            began_s = time.monotonic()
            load(log, seconds, rate)
            after, passed_s = process.cpu_times(), time.monotonic() - began_s
            used_s = after.user + after.system - before.user - before.system
            resident_bytes = process.memory_info().rss
            one.stop()
    return 100 * used_s / passed_s, resident_bytes / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=1000)
    given = parser.parse_args()
    for name, load, budget in (("idle", quiet, 0.3), (f"{given.rate} lines/s", busy, 1.5)):
        used, resident_mb = measure(load, given.seconds, given.rate)
        print(f"{name:14} CPU {used:5.2f} % of a core (budget {budget:g})   resident {resident_mb:4.0f} MB", flush=True)


if __name__ == "__main__":
    main()
