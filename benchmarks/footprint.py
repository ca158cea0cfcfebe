"""What the daemon takes while nothing happens, at a thousand access lines a second, and after a million of them.

    python -m benchmarks.footprint [--seconds 20] [--rate 1000]

Real daemon, sampling every 5 s; CPU from /proc, over the whole stretch, memory at its end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from tests.world.daemon import daemon, settings
from tests.world.journald import Journald

LINE = '127.0.0.1 - - [{when}] "GET /ok?n={n} HTTP/1.1" 200 512 "-" "a browser of some length, as they are"\n'
TIMED = '[$time_local] "$request" $status rt=$request_time urt=$upstream_response_time rl=$request_length'
PARTS = 40
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


def flooded(lines: int) -> tuple[float, float, float]:
    """Run a daemon while requests of 100,000 addresses are logged; resident MB before, half-way, after."""
    with tempfile.TemporaryDirectory() as name, Journald() as journald:
        home, log = Path(name), Path(name) / "access.log"
        log.touch()
        files = [{"path": str(log), "kind": "nginx.access", "unit": "nginx.service", "log_format": TIMED}]
        journal = {"path": str(journald.directory), "units": ["shop.service", "nginx.service"]}
        with daemon(home, settings(home, files=files, journal=journal, sampling={"interval": "5s"})) as one:
            process, seen = psutil.Process(one.pid), list[float]()
            time.sleep(WARM_UP_S)
            for part in range(PARTS):
                if part % (PARTS // 2) == 0:
                    seen.append(process.memory_info().rss / 1e6)
                with log.open("a") as file:
                    file.writelines(_requests(part * lines // PARTS, (part + 1) * lines // PARTS))
                time.sleep(1.0)
            time.sleep(WARM_UP_S)
            seen.append(process.memory_info().rss / 1e6)
            one.stop()
    return seen[0], seen[1], seen[2]


def _requests(first: int, end: int) -> Iterator[str]:
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    for n in range(first, end):
        path, last = f"/shop-{n * 7919 % 100_000:x}q/item", n % 10
        yield f'[{when}] "GET {path} HTTP/1.1" 200 rt=0.05{last} urt=0.05{last} rl=99\n'


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    given = parser.parse_args()
    for name, load, budget in (("idle", quiet, 0.3), (f"{given.rate} lines/s", busy, 1.5)):
        used, resident_mb = measure(load, given.seconds, given.rate)
        print(f"{name:14} CPU {used:5.2f} % of a core (budget {budget:g})   resident {resident_mb:4.0f} MB", flush=True)
    start_mb, half_mb, end_mb = flooded(given.lines)
    print(f"{given.lines:,} requests: {start_mb:.0f} MB before, {half_mb:.0f} half-way, {end_mb:.0f} after")


if __name__ == "__main__":
    main()
