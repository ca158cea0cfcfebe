"""What one reading of a gunicorn with 16 workers costs, and which part of it most.

    python -m benchmarks.sampler [--samples 60] [--workers 16]

CPU of this process around MachineProbe.sample(), a second apart, with load on gunicorn; the parts by cProfile.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import mean, quantiles

from analyzerd.probes.machine import MachineProbe
from tests.world.apps import Gunicorn, get, wait_until

INTERVAL_S = 5.0
BUDGET = 0.5
PARTS = {
    "finder.py:find": "finding the processes",
    "processes.py:read": "their counters, handles and heartbeats",
    "listeners.py:listening": "listening sockets",
    "listeners.py:read": "connections",
    "listeners.py:leading_to": "connections to databases",
    "host.py:read": "the host's counters",
    "cgroup.py:read": "cgroups",
    "disks.py:read_disks": "disks",
}


def costs(probe: MachineProbe, samples: int) -> list[float]:
    """CPU seconds of each reading; the first, which opens every file, is left out."""
    probe.sample()
    found = []
    for _ in range(samples):
        time.sleep(1.0)
        before_s = time.thread_time()
        probe.sample()
        found.append(time.thread_time() - before_s)
    return found


def parts(probe: MachineProbe, samples: int = 20) -> dict[str, float]:
    """Share of a reading's time by part."""
    profile = cProfile.Profile()
    for _ in range(samples):
        profile.runcall(probe.sample)
    rows = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    spent = {f"{Path(path).name}:{name}": row[3] for (path, _, name), row in rows.items()}
    whole = spent["machine.py:sample"]
    return {words: spent.get(name, 0.0) / whole for name, words in PARTS.items()}


def measure(workers: int, report: Callable[[MachineProbe], None]) -> None:
    """Run a gunicorn of so many workers under a little load, and report on a probe of it."""
    stop = threading.Event()

    def load(port: int) -> None:
        while not stop.wait(0.05):
            get(port, "/ok", 5.0)

    with tempfile.TemporaryDirectory() as home:
        arguments = ("--workers", str(workers), "--threads", "2")
        with Gunicorn("27.0.1", Path(home), args=arguments) as gunicorn, closing(MachineProbe()) as probe:
            wait_until(lambda: len(gunicorn.children()) == workers, f"{workers} workers")
            client = threading.Thread(target=load, args=(int(gunicorn.address.rpartition(":")[2]),))
            client.start()
            try:
                report(probe)
            finally:
                stop.set()
                client.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--workers", type=int, default=16)
    given = parser.parse_args()

    def report(probe: MachineProbe) -> None:
        found = costs(probe, given.samples)
        p95 = quantiles(found, n=20)[18]
        print(
            f"1 master, {given.workers} workers: {1e3 * mean(found):.2f} ms CPU a reading (p95 {1e3 * p95:.2f} ms), "
            f"every {INTERVAL_S:g} s {100 * mean(found) / INTERVAL_S:.3f} % of a core (budget {BUDGET:g})"
        )
        for words, share in sorted(parts(probe).items(), key=lambda item: -item[1]):
            print(f"  {share:5.1%}  {words}")

    measure(given.workers, report)


if __name__ == "__main__":
    main()
