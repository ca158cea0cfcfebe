"""The fault lab: break real sites in every catalogued way and compare what analyzerd tells with the truth.

    python -m tests.world.faults [--list] [--jobs 3] [NAME ...]      # NAME may hold * and ?

Exit 0 only when every message was right and in time, nothing else was told, and nothing of ours is left.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from tests.world import cgroups
from tests.world.demo.__main__ import leftovers
from tests.world.faults.catalogue import scenarios
from tests.world.faults.play import break_off, play
from tests.world.faults.scenario import Scenario
from tests.world.faults.verdict import HEADER, Result, confusion, line, table

_PRINTING = threading.Lock()


def main(argv: Sequence[str] | None = None) -> int:
    """Play the scenarios asked for; the exit status says whether all was right."""
    options = _options(argv)
    chosen = [s for s in scenarios() if not options.names or any(fnmatch(s.name, name) for name in options.names)]
    if not chosen:
        print(f"error: no scenario is called {' or '.join(options.names)}; --list names them")
        return 2
    if options.list:
        print(table([("scenario", "expected", "what happens"), *map(_entry, chosen)]))
        return 0
    if os.geteuid() != 0:
        print("error: the lab puts processes into cgroups and mounts disks, which only root may do: sudo make faults")
        return 1
    return _run(chosen, options.jobs, options.keep)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.world.faults", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="only name the scenarios")
    parser.add_argument("--jobs", type=int, default=3, help="scenarios beside each other, where that does not disturb")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and incidents there")
    return parser.parse_args(argv)


def _entry(scenario: Scenario) -> tuple[str, ...]:
    return scenario.name, " or ".join(scenario.causes) or "silence", scenario.says


def ends_cleanly() -> None:
    """Let SIGINT and SIGTERM take everything down before the process ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: break_off())


def _run(chosen: Sequence[Scenario], jobs: int, keep: Path | None) -> int:
    began_s = time.monotonic()
    ends_cleanly()
    results = play_all(chosen, jobs, keep)
    rows = [HEADER, *map(line, results)]
    print(f"\n{table(rows)}\n\n{confusion(results)}")
    wrong = [result for result in results if result.wrong]
    dirty = left_behind(results)
    minutes = (time.monotonic() - began_s) / 60
    print(f"\n{len(results) - len(wrong)} of {len(results)} right, after {minutes:.0f} minutes.")
    return 1 if wrong or dirty else 0


def left_behind(results: Sequence[Result]) -> list[str]:
    """List and print what still stands of these scenarios: processes, mounts, cgroups."""
    marks = (f"{cgroups.MARK}{os.getpid()}x", f"journald-test-{os.getpid()}-")
    found = [one for result in results if result.home for one in leftovers(result.home, marks)]
    print("".join(f"left behind: {one}\n" for one in found), end="")
    return found


def play_all(chosen: Sequence[Scenario], jobs: int, keep: Path | None = None) -> list[Result]:
    """Play those that may run beside each other first, then the others one by one; in the order given."""
    found: dict[str, Result] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for result in pool.map(lambda s: _told(s, keep), [s for s in chosen if not s.alone]):
            found[result.scenario.name] = result
    for scenario in chosen:
        if scenario.alone:
            found[scenario.name] = _told(scenario, keep)
    return [found[s.name] for s in chosen]


def _told(scenario: Scenario, keep: Path | None) -> Result:
    result = play(scenario, keep)
    with _PRINTING:
        print("  ".join(line(result)), flush=True)
        if result.wrong:
            print("".join(f"    {one}\n" for one in result.told), end="", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
