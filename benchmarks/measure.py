"""Runs a command and reads what it cost: wall, CPU seconds of it and its children, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# The command is forked from a small process: a child's peak starts at the size of the one it was forked from.
_LAUNCHER = """
import os, sys, time
start = time.perf_counter()
pid = os.fork()
if not pid:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
wall_s = time.perf_counter() - start
with open(sys.argv[1], "w") as out:
    print(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, file=out)
sys.exit(0 if status == 0 else 1)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """One run. ``peak_bytes``: largest resident set, mapped files included, never under 9 MB."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    output: str


@dataclass(frozen=True, slots=True)
class Costs:
    """The medians of several runs; ``spread`` is (max - min) / median of the CPU seconds."""

    runs: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    spread: float
    output: str


def run(command: Sequence[str], folder: Path) -> Cost:
    """Run once, output to a file (grep stops early when it goes to /dev/null).

    Raises RuntimeError with the end of its error output when the command fails.
    """
    out, errors, usage = folder / "stdout", folder / "stderr", folder / "usage"
    argv = [sys.executable, "-S", "-E", "-c", _LAUNCHER, str(usage), *command]
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        done = subprocess.run(argv, stdout=stdout, stderr=stderr, env={**os.environ, "LC_ALL": "C"}, check=False)
    if done.returncode:
        raise RuntimeError(errors.read_text(errors="replace").strip()[-2000:] or "failed without a word")
    wall_s, cpu_s, peak_bytes = map(float, usage.read_text().split())
    return Cost(wall_s, cpu_s, int(peak_bytes), out.read_text(errors="replace"))


def summary(costs: Sequence[Cost]) -> Costs:
    """Return the medians of some runs of one command."""
    cpu = [cost.cpu_s for cost in costs]
    return Costs(
        len(costs),
        median(cost.wall_s for cost in costs),
        median(cpu),
        int(median(cost.peak_bytes for cost in costs)),
        (max(cpu) - min(cpu)) / max(median(cpu), 1e-9),
        costs[-1].output,
    )
