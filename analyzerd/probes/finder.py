"""Which processes are there, and which of them are gunicorn's. Reads no counter.

Looking at every process costs: new and young ones are looked at each time, the others once a minute.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

import psutil

from analyzerd.probes.family import Member, assign_roles
from analyzerd.probes.kept import read_file
from analyzerd.probes.proctext import parse_arguments, parse_cgroup, parse_stat, unit_of

_FULL_SCAN_S = 60.0
_YOUNG_S = 10.0  # between fork and exec a process still shows its parent's command line
_COMMAND_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Found:
    """One master or worker; ``cgroup`` maps controller to path."""

    role: str
    member: Member
    cgroup: dict[str, str]


class Finder:
    """Keeps what was seen of each pid between scans."""

    def __init__(self, units: Collection[str] = (), proc: str = "/proc") -> None:
        self._units, self._proc = tuple(units), proc
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._members: dict[int, Member] = {}
        self._cgroups: dict[int, dict[str, str]] = {}
        self._seen_s: dict[int, float] = {}
        self._full_s = float("-inf")
        self.sees_init = False

    def find(self, now_s: float) -> dict[int, Found]:
        """Return masters and workers by pid; ``now_s`` is a monotonic clock's time."""
        present = _pids(self._proc)
        self.sees_init = 1 in present
        for pid in self._seen_s.keys() - present:
            self.forget(pid)
        full = now_s - self._full_s >= _FULL_SCAN_S
        self._full_s = now_s if full else self._full_s
        for pid in present:
            young = now_s - self._seen_s.setdefault(pid, now_s) < _YOUNG_S
            if full or young:
                self._look(pid)
        roles = assign_roles(self._members, self._units)
        return {pid: Found(role, self._members[pid], self._cgroups[pid]) for pid, role in roles.items()}

    def forget(self, pid: int) -> None:
        """Look at ``pid`` anew next time: its process has ended, another may have its number."""
        for known in (self._members, self._cgroups, self._seen_s):
            known.pop(pid, None)

    def _look(self, pid: int) -> None:
        command = read_file(f"{self._proc}/{pid}/cmdline", _COMMAND_BYTES)
        stat_text = read_file(f"{self._proc}/{pid}/stat")
        if not command or not stat_text:  # kernel threads, zombies, and what ended meanwhile
            self._members.pop(pid, None)
            return
        try:
            stat = parse_stat(stat_text, self._ticks)
        except ValueError:
            return
        self._cgroups[pid] = parse_cgroup(read_file(f"{self._proc}/{pid}/cgroup") or b"")
        self._members[pid] = Member(
            pid=pid,
            ppid=stat.ppid,
            comm=stat.comm,
            arguments=parse_arguments(command),
            unit=unit_of(self._cgroups[pid]),
            start_s=stat.start_s,
            arg_start=stat.arg_start,
        )


def _pids(proc: str) -> set[int]:
    before, psutil.PROCFS_PATH = psutil.PROCFS_PATH, proc
    try:
        return set(psutil.pids())
    finally:
        psutil.PROCFS_PATH = before
