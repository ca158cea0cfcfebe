"""Takes the Python stacks of one worker with py-spy: read from outside, the worker is neither stopped nor changed.

Refuses a process that is not the one asked about, and one that has reported in since.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from analyzerd.formats.dump import MAX_DUMP_BYTES, parse_dump, waits_for
from analyzerd.model import Event, Health, Probe
from analyzerd.probes.blindness import PTRACE_DROP_IN
from analyzerd.probes.kept import list_names, read_file
from analyzerd.probes.processes import ProcessProbe

SOURCE = "stack"
DUMP_S = 2.0
SAME_START_S = 0.005
_MAX_THREADS = 512
_MAX_ERROR_BYTES = 400
_SWITCH_ON = "in analyzerd.yaml: witnesses: {stacks: true}, with pip install 'analyzerd[stacks]'"
_INSTALL = "pip install 'analyzerd[stacks]' beside analyzerd, or py-spy in its PATH"


def find_program() -> str:
    """Where py-spy is: beside this Python, else in PATH, else ''."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("py-spy") or ""


class StackProbe:
    """Takes one dump at a time; remembers what the last one came to, for health()."""

    def __init__(self, *, enabled: bool = True, program: str | None = None) -> None:
        self.enabled = enabled
        self._program = find_program() if program is None else program
        self._failed = ""

    def take(self, probe: Probe, wall_s: float) -> Event | None:
        """Look at the worker now, at Unix time ``wall_s``; None where that is not possible or no longer wanted."""
        if not (self.enabled and self._program):
            return None
        try:
            handle = os.pidfd_open(probe.pid)
        except OSError:
            return None
        try:
            if _has_ended(handle) or not _is_wanted(probe, wall_s):
                return None
            data = self._dump(probe.pid)
            waits = _waits(probe.pid)
            if data is None or _has_ended(handle):  # its number may have been another's while we looked
                return None
        finally:
            os.close(handle)
        return self._read(data, probe, waits, wall_s)

    def health(self, time_s: float) -> tuple[Health, ...]:
        """Say whether stacks can be taken, and what mends it."""
        if not self.enabled:
            why = "where a worker hangs is not looked at before it is killed: switched off"
            return (Health(time_s, SOURCE, "blind", why, _SWITCH_ON),)
        if not self._program:
            return (Health(time_s, SOURCE, "blind", "py-spy is not installed", _INSTALL),)
        if self._failed:
            return (Health(time_s, SOURCE, "blind", f"py-spy failed: {self._failed}", PTRACE_DROP_IN),)
        return (Health(time_s, SOURCE, "reading"),)

    def _read(self, data: bytes, probe: Probe, waits: dict[int, str], wall_s: float) -> Event | None:
        silent = probe.silent_s > 0
        try:
            return parse_dump(data, time_s=wall_s, unit=probe.unit, worker=probe.pid, waits=waits, silent=silent)
        except ValueError as error:
            self._failed = str(error)
            return None

    def _dump(self, pid: int) -> bytes | None:
        """Run py-spy; what takes too long or writes too much is ended and told."""
        command = [self._program, "dump", "--nonblocking", "--json", "--pid", str(pid)]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        with tempfile.TemporaryFile() as errors:
            try:
                running = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment
                )
            except OSError as error:
                self._failed = str(error)
                return None
            data, in_time = _output(running)
            self._failed = _problem(
                running.returncode, in_time=in_time, length=len(data), errors=_start(errors.fileno())
            )
        return None if self._failed else data


def _output(running: subprocess.Popen[bytes]) -> tuple[bytes, bool]:
    """Read what a program writes, up to a size and a time; then it has ended. Tells whether it was in time."""
    late = threading.Event()

    def end() -> None:
        late.set()
        running.kill()

    timer = threading.Timer(DUMP_S, end)
    timer.start()
    try:
        assert running.stdout  # noqa: S101 - it was asked for
        with closing(running.stdout):
            data = running.stdout.read(MAX_DUMP_BYTES + 1)
        if len(data) > MAX_DUMP_BYTES:
            running.kill()
        running.wait()
    finally:
        timer.cancel()
    return data, not late.is_set()


def _problem(status: int, *, in_time: bool, length: int, errors: str) -> str:
    if not in_time:
        return f"no answer within {DUMP_S:g} s"
    if length > MAX_DUMP_BYTES:
        return f"more than {MAX_DUMP_BYTES} bytes"
    return f"status {status}: {errors}" if status else ""


def _start(fd: int) -> str:
    return os.pread(fd, _MAX_ERROR_BYTES, 0).decode("utf-8", "replace").strip()


def _has_ended(handle: int) -> bool:
    return bool(select.select([handle], [], [], 0)[0])


def _is_wanted(probe: Probe, wall_s: float) -> bool:
    """Whether it is the same process as was asked about, and still as silent."""
    with closing(ProcessProbe(probe.pid)) as process:
        found = process.read("worker", probe.unit, time.monotonic(), wall_s)
    if found is None or abs((found[0].start_s or 0.0) - probe.start_s) > SAME_START_S:
        return False
    age_s = found[0].heartbeat_age_s
    return not probe.silent_s or (age_s is not None and age_s >= probe.silent_s - 0.5)


def _waits(pid: int) -> dict[int, str]:
    """What each thread waits for; of threads that compute, and where it may not be read, nothing."""
    machine, found = os.uname().machine, dict[int, str]()
    try:
        tasks = list_names(f"/proc/{pid}/task")[:_MAX_THREADS]
    except OSError:
        return found
    for task in tasks:
        text = read_file(f"/proc/{pid}/task/{task}/syscall")
        kind = waits_for(text.decode("ascii", "replace"), machine) if text else ""
        if kind:
            found[int(task)] = kind
    return found
