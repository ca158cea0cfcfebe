"""The loops, for real: for each of the guide's causes fault, diagnosis, apply, reload and the verdict in the thread.

    python -m tests.world.loops [--list] [--jobs 4] [--keep DIR] [NAME ...]      # NAME may hold * and ?

Exit 0 only when every verdict was the expected one and nothing of ours is left.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from tests.world import cgroups
from tests.world.demo.__main__ import leftovers
from tests.world.faults.__main__ import ends_cleanly
from tests.world.loops.catalogue import LOOPS
from tests.world.loops.loop import Loop, Played, play

_PRINTING = threading.Lock()


def main(argv: Sequence[str] | None = None) -> int:
    """Play the loops asked for; the exit status says whether all was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.world.loops", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="only name the loops")
    parser.add_argument("--jobs", type=int, default=4, help="loops beside each other, where that does not disturb")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and incidents there")
    options = parser.parse_args(argv)
    chosen = [one for one in LOOPS if not options.names or any(fnmatch(one.name, name) for name in options.names)]
    if not chosen or options.list:
        print("\n".join(f"{one.name}: {one.setting}, {one.expected}" for one in chosen or LOOPS))
        return 0 if chosen else 2
    if os.geteuid() != 0:
        print("error: the lab puts processes into cgroups and apply writes as root: sudo make loops")
        return 1
    return _run(chosen, options.jobs, options.keep)


def _run(chosen: Sequence[Loop], jobs: int, keep: Path | None) -> int:
    ends_cleanly()
    began_s = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda loop: _told(loop, keep), [one for one in chosen if not one.scenario.alone]))
    results += [_told(loop, keep) for loop in chosen if loop.scenario.alone]
    wrong = [one for one in results if one.trouble]
    marks = (f"{cgroups.MARK}{os.getpid()}x", f"journald-test-{os.getpid()}-")
    left = [found for one in results if one.home for found in leftovers(one.home, marks)]
    print("".join(f"left behind: {found}\n" for found in left), end="")
    minutes = (time.monotonic() - began_s) / 60
    print(f"\n{len(results) - len(wrong)} of {len(results)} as expected, after {minutes:.0f} minutes.")
    return 1 if wrong or left else 0


def _told(loop: Loop, keep: Path | None) -> Played:
    found = play(loop, keep)
    times = ", ".join(f"{name} after {seconds:.0f} s" for name, seconds in found.seconds.items())
    said = "".join(f"    {line}\n" for line in found.verdict.splitlines())
    with _PRINTING:
        print(f"{loop.name}: {found.trouble or loop.expected}  {found.change}  [{times}]\n{said}", end="", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
