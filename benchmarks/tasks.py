"""What is measured: one command per row, the unit it counts, and what it needs to be installed."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generate import KINDS

SLICE_LINES = 20_000
PY = (sys.executable,)
CTL = (str(Path(sys.executable).with_name("analyzerctl")),)


@dataclass(frozen=True, slots=True)
class Task:
    """One row. ``group`` names the table; ``count`` units are done per run; ``check`` reads the output.

    ``start_up``: a command whose cost is subtracted, since the slice is too small to hide it.
    """

    group: str
    name: str
    command: tuple[str, ...]
    count: int
    ours: bool = False
    note: str = ""
    start_up: tuple[str, ...] = ()
    check: Callable[[str], str] = field(default=str.strip)

    @property
    def missing(self) -> str:
        """The program that is not there, '' when it can run."""
        return "" if shutil.which(self.command[0]) else self.command[0]


def all_tasks(data: Path, lines: int, entries: int) -> list[Task]:
    """List the rows in the order of the tables."""
    return [*_matching(data, lines), *_diagnosing(data, lines), *_journal(data, entries), *_remembering(), *_starting()]


def _matching(data: Path, lines: int) -> list[Task]:
    mixed, patterns = str(data / "mixed.log"), str(data / "patterns")
    slice_lines = min(SLICE_LINES, lines)
    fail2ban = ("fail2ban-regex", "--print-no-missed", "--print-no-ignored")
    group = "Matching 60 patterns, lines/s"
    return [
        Task(group, "analyzerd, matching alone", (*PY, "-m", "benchmarks.match_only", mixed), lines,
             ours=True),
        Task(group, "ripgrep -c -f, 1 thread", ("rg", "-a", "-j1", "-c", "-f", patterns, mixed), lines),
        Task(group, "grep -E -c -f", ("grep", "-a", "-E", "-c", "-f", patterns, mixed), lines),
        Task(
            group, "fail2ban-regex, no dates",
            (*fail2ban, str(data / "slice.log"), str(data / "fail2ban.conf")),
            slice_lines, note=f"on the first {slice_lines:,} lines, its start subtracted",
            start_up=(*fail2ban, str(data / "empty.log"), str(data / "fail2ban.conf")), check=_fail2ban_count,
        ),
    ]  # fmt: skip


def _diagnosing(data: Path, lines: int) -> list[Task]:
    files = tuple(str(data / name) for name in (*KINDS, "nginx.conf"))
    group = "The whole of diagnose, lines/s"
    return [
        Task(group, "analyzerctl diagnose --json", (*CTL, "diagnose", "--json", *files), lines, ours=True,
             note="access tallies, all shipped rules, incidents, causes", check=_incidents),
    ]  # fmt: skip


def _journal(data: Path, entries: int) -> list[Task]:
    folder = str(data / "journal")
    journalctl = ("journalctl", "--no-pager", "-D", folder)
    group = "Journal of 21 fields, entries/s"
    return [
        Task(group, "analyzerd, reading alone", (*PY, "-m", "benchmarks.journal_only", folder), entries,
             ours=True),
        Task(group, "analyzerctl diagnose --json", (*CTL, "diagnose", "--json", folder), entries, ours=True,
             check=_incidents),
        Task(group, "journalctl -o cat", (*journalctl, "-o", "cat"), entries, check=_line_count),
        Task(group, "journalctl -o json", (*journalctl, "-o", "json"), entries, check=_line_count),
    ]  # fmt: skip


def _remembering() -> list[Task]:
    lines = 1_000_000
    command = (*PY, "-m", "benchmarks.memory", "--lines", str(lines))
    return [Task("Memory after requests to 100,000 addresses, lines/s", "a day of one app", command, lines, ours=True)]


def _starting() -> list[Task]:
    return [Task("Start-up", "analyzerctl --help", (*CTL, "--help"), 0, ours=True, check=lambda _: "")]


def _fail2ban_count(output: str) -> str:
    found = re.search(r"(\d+) matched", output)
    return found[1] if found else ""


def _line_count(output: str) -> str:
    return str(output.count("\n"))


def _incidents(output: str) -> str:
    return f"{len(json.loads(output)['incidents'])} incidents"
