"""Counters of single gunicorn processes through kept /proc handles. Finds no process, draws no conclusion.

One handle per file and process: a read costs a tenth of opening the file again, and a handle never
answers for another process that was given the same pid.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from analyzerd.model import ProcessReading, Value
from analyzerd.probes import proctext
from analyzerd.probes.heartbeat import MARK, heartbeat_age_s
from analyzerd.probes.kept import KeptFile, list_names, read_file, read_link, stat_file

SLOW_EVERY_S = 60.0  # proportional set size walks the page tables: 0.6 ms per process
_SILENT_S = 3.0  # a heartbeat older than this makes what the threads wait on worth reading
_MAX_THREADS_SHOWN = 64
_MAX_FDS_RESOLVED = 4096


@dataclass(frozen=True, slots=True)
class Handles:
    """A process's open files as far as they may be seen; None: not permitted."""

    count: int | None = None
    sockets: frozenset[int] | None = None
    heartbeat: str | None = None
    pipes: int | None = None
    files: int | None = None


class ProcessProbe:
    """Reads one process again and again."""

    def __init__(self, pid: int, proc: str = "/proc") -> None:
        self.pid = pid
        self._dir = f"{proc}/{pid}"
        self._stat, self._status = KeptFile(f"{self._dir}/stat"), KeptFile(f"{self._dir}/status")
        self._schedstat, self._wchan = KeptFile(f"{self._dir}/schedstat"), KeptFile(f"{self._dir}/wchan")
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._slow_s = float("-inf")
        self._pss_bytes: int | None = None
        self._fd_limit: int | None = None
        self.fds_denied = False
        self.uid: int | None = None

    def read(self, role: str, unit: str, now_s: float, wall_s: float) -> tuple[ProcessReading, Handles] | None:
        """Read everything now; None when the process has ended.

        ``now_s`` is CLOCK_MONOTONIC (gunicorn's heartbeat clock), ``wall_s`` the Unix time.
        """
        try:
            stat = proctext.parse_stat(self._stat.read(), self._ticks)
            status = proctext.parse_status(self._status.read())
        except (OSError, ValueError):
            return None
        self.uid = status.uid
        handles = self._handles()
        age_s = self._heartbeat_age_s(handles.heartbeat, now_s, wall_s) if role == "worker" else None
        slow = now_s - self._slow_s >= SLOW_EVERY_S
        if slow:
            self._read_slow(now_s)
        tasks = self._tasks() if stat.threads > 1 else ()
        ran, waited = self._run_queue(tasks)
        reading = ProcessReading(
            pid=self.pid,
            role=role,
            unit=unit,
            state=stat.state,
            start_s=stat.start_s,
            cpu_user_s=stat.cpu_user_s,
            cpu_system_s=stat.cpu_system_s,
            threads=stat.threads,
            minor_faults=stat.minor_faults,
            major_faults=stat.major_faults,
            voluntary_switches=status.voluntary_switches,
            involuntary_switches=status.involuntary_switches,
            thread_switches=self._thread_switches(tasks) if tasks else status.voluntary_switches,
            run_ns=ran,
            wait_ns=waited,
            wchan=self._waits_on(),
            fds=handles.count,
            fd_limit=self._fd_limit,
            sockets=None if handles.sockets is None else len(handles.sockets),
            pipes=handles.pipes,
            files=handles.files,
            heartbeat_age_s=age_s,
            rss_bytes=status.rss_bytes,
            anon_bytes=status.anon_bytes,
            pss_bytes=self._pss_bytes if slow else None,
            swap_bytes=status.swap_bytes,
            uid=status.uid,
            blocked=self._blocked() if role == "worker" and (slow or (age_s or 0.0) > _SILENT_S) else (),
        )
        return reading, handles

    def close(self) -> None:
        """Close every handle."""
        for file in (self._stat, self._status, self._schedstat, self._wchan):
            file.close()

    def _handles(self) -> Handles:
        self.fds_denied = False
        try:
            names = list_names(f"{self._dir}/fd")
        except PermissionError:
            self.fds_denied = True
            return Handles()
        except OSError:
            return Handles()
        return self._resolve(names)

    def _resolve(self, names: list[str]) -> Handles:
        """Look where the handles lead. Too many of them are only counted: looking would cost too much."""
        if len(names) > _MAX_FDS_RESOLVED:
            return Handles(count=len(names))
        inodes, heartbeat, pipes, files = set(), None, 0, 0
        for name in names:
            try:
                link = read_link(f"{self._dir}/fd/{name}")
            except OSError:
                continue
            if link.startswith("socket:["):
                inodes.add(int(link[8:-1]))
                continue
            pipes += link.startswith("pipe:[")
            files += link.startswith("/")
            if MARK in link:
                heartbeat = name
        return Handles(len(names), frozenset(inodes), heartbeat, pipes, files)

    def _heartbeat_age_s(self, name: str | None, now_s: float, wall_s: float) -> float | None:
        if name is None:
            return None
        try:
            found = stat_file(f"{self._dir}/fd/{name}")
        except OSError:
            return None
        return heartbeat_age_s(found.st_mode, found.st_mtime, found.st_ctime, now_s, wall_s)

    def _tasks(self) -> Sequence[str]:
        try:
            return list_names(f"{self._dir}/task")
        except OSError:
            return ()

    def _thread_switches(self, tasks: Sequence[str]) -> int | None:
        """Sum the voluntary switches of the threads: the process-wide file tells the main thread's only."""
        texts = (read_file(f"{self._dir}/task/{task}/status") for task in tasks[:_MAX_THREADS_SHOWN])
        known = [n for text in texts if text and (n := proctext.parse_switches(text)) is not None]
        return sum(known) if known else None

    def _run_queue(self, tasks: Sequence[str]) -> tuple[int | None, int | None]:
        """Sum run and wait nanoseconds over the threads; the process-wide file tells the main thread only."""
        if not tasks:
            try:
                return proctext.parse_schedstat(self._schedstat.read()) or (None, None)
            except OSError:
                return None, None
        texts = (read_file(f"{self._dir}/task/{task}/schedstat") for task in tasks)
        pairs = [pair for text in texts if text and (pair := proctext.parse_schedstat(text))]
        return (sum(ran for ran, _ in pairs), sum(waited for _, waited in pairs)) if pairs else (None, None)

    def _waits_on(self) -> str | None:
        """Name the kernel function the main thread sleeps in; '0' (running) cannot be told from refused."""
        try:
            name = self._wchan.read().decode("ascii", "replace")
        except OSError:
            return None
        return None if name == "0" and self.fds_denied else name

    def _read_slow(self, now_s: float) -> None:
        self._slow_s = now_s
        self._pss_bytes = proctext.parse_pss(read_file(f"{self._dir}/smaps_rollup") or b"")
        self._fd_limit = proctext.parse_fd_limit(read_file(f"{self._dir}/limits") or b"")

    def _blocked(self) -> tuple[dict[str, Value], ...]:
        """List what each thread waits on: kernel function, and system call with its arguments."""
        if self.fds_denied:
            return ()
        try:
            tasks = sorted(list_names(f"{self._dir}/task"), key=int)[:_MAX_THREADS_SHOWN]
        except OSError:
            return ()
        names = ("wchan", "syscall")
        return tuple({"tid": int(task), **{name: self._of_task(task, name) for name in names}} for task in tasks)

    def _of_task(self, task: str, name: str) -> str | None:
        text = read_file(f"{self._dir}/task/{task}/{name}")
        return None if text is None else _without_addresses(text.decode("ascii", "replace").strip())


def _without_addresses(text: str) -> str:
    """Keep the number and first argument of a system call: the rest are addresses in the app's memory."""
    return " ".join(text.split()[:2])
