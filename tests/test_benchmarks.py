"""The benchmark measures what it says: the same log every time, and every tool counting the same lines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.generate import KINDS, write_export, write_logs
from benchmarks.patterns import PATTERNS, as_file
from benchmarks.templates import KERNEL_FAULTS, NGINX_FAULTS

LINES = 30_000


def test_the_log_is_the_same_every_time(tmp_path: Path) -> None:
    """Two runs give the same bytes; the number of lines is the one asked for."""
    for name in ("one", "two"):
        write_logs(tmp_path / name, LINES)
    one, two = ((tmp_path / name / "mixed.log").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.count(b"\n") == LINES


def test_the_files_by_kind_hold_the_mixed_lines(tmp_path: Path) -> None:
    """Nothing is in one and not in the other."""
    write_logs(tmp_path, LINES)
    apart = b"".join((tmp_path / name).read_bytes() for name in KINDS)
    mixed = (tmp_path / "mixed.log").read_bytes()
    assert sorted(apart.splitlines()) == sorted(mixed.splitlines())


def test_about_three_percent_are_signal_lines(tmp_path: Path) -> None:
    """Access lines and the app's INFO lines are healthy, all others belong to a fault."""
    write_logs(tmp_path, LINES)
    healthy = re.compile(rb"^203\.0\.113\.\d+ - - \[|^\[[^]]+\] \[410[1-8]\] \[INFO\] ", re.MULTILINE)
    faulty = LINES - len(healthy.findall((tmp_path / "mixed.log").read_bytes()))
    assert 0.025 < faulty / LINES < 0.035
    assert len(NGINX_FAULTS) + len(KERNEL_FAULTS) == 15


def test_matching_alone_counts_what_grep_counts(tmp_path: Path) -> None:
    """The matcher, Python's re over every line, and grep -E agree on the number of matching lines."""
    write_logs(tmp_path, LINES)
    log, patterns = tmp_path / "mixed.log", tmp_path / "patterns"
    patterns.write_text(as_file())
    compiled = [re.compile(pattern.encode(), re.ASCII) for _, pattern in PATTERNS]
    by_re = sum(any(one.search(line) for one in compiled) for line in log.read_bytes().splitlines())
    ours = subprocess.check_output([sys.executable, "-m", "benchmarks.match_only", str(log)])
    grep = subprocess.check_output(["grep", "-a", "-E", "-c", "-f", str(patterns), str(log)])
    assert by_re == int(ours) == int(grep) > 100


def test_the_export_has_as_many_entries_as_asked_for_at_least(tmp_path: Path) -> None:
    """A record is not cut in two; every entry has 21 fields and its address fields."""
    path = tmp_path / "journal.export"
    write_export(path, 500)
    entries = path.read_bytes().strip().split(b"\n\n")
    assert 500 <= len(entries) < 520
    assert {entry.count(b"\n") + 1 for entry in entries} == {24}
