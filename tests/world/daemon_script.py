"""A scripted bad half-minute: seven incidents of real shape, one of them corrected late, and a silent deploy.

Lines go to a private journald (as the units' own processes), to the kernel's log and to log files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.world.journald import Journald

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
FILE_APPS = ("wait", "boot", "bind", "crash", "sock", "ship")
JOURNAL_APPS = ("bank", "late")
HALF_S = 0.4
EXPECTED = {
    ("bank", "out-of-memory"),
    ("late", "out-of-memory"),
    ("wait", "app-waits"),
    ("boot", "boot-failure"),
    ("bind", "bind-in-use"),
    ("crash", "native-crash"),
    ("sock", "socket-permission"),
}
STACK = """Traceback (most recent call last):
  File "/srv/app/venv/lib/python3.11/site-packages/gunicorn/workers/sync.py", line 141, in handle
    self.handle_request(listener, req, client, addr)
  File "/srv/app/venv/lib/python3.11/site-packages/flask/app.py", line 902, in dispatch_request
    return self.ensure_sync(self.view_functions[rule.endpoint])(**view_args)
  File "/srv/app/app.py", line 24, in sleep
    time.sleep(60); return "slept"
  File "/srv/app/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 200, in handle_abort
    sys.exit(1)
SystemExit: 1"""
BOOT = """Traceback (most recent call last):
  File "/srv/app/venv/lib/python3.11/site-packages/gunicorn/arbiter.py", line 752, in spawn_worker
    worker.init_process()
  File "/srv/app/venv/lib/python3.11/site-packages/gunicorn/util.py", line 420, in import_app
    mod = importlib.import_module(module)
ModuleNotFoundError: No module named 'zz'"""


class FileApp:
    """One app whose gunicorn logs to a file; pids are beyond what a machine gives out."""

    def __init__(self, name: str, folder: Path, number: int) -> None:
        self.name, self.unit = name, f"{name}.service"
        self.log = folder / f"{name}.log"
        self.address = f"unix:/run/{name}.sock"
        self.master = 5_000_000 + 100 * number
        self._last = self.master

    def write(self, pid: int, level: str, text: str) -> None:
        """Append a record."""
        with self.log.open("a") as file:
            file.write(f"[{time.strftime('%Y-%m-%d %H:%M:%S +0000', time.gmtime())}] [{pid}] [{level}] {text}\n")

    def raw(self, text: str) -> None:
        """Append text as it is."""
        with self.log.open("a") as file:
            file.write(text)

    def start(self) -> int:
        """Start the master and one worker; give the worker's pid."""
        self._last += 1
        self.master = self._last
        self.write(self.master, "INFO", "Starting gunicorn 27.0.1")
        self.write(self.master, "INFO", f"Listening at: {self.address} ({self.master})")
        self.write(self.master, "INFO", "Using worker: sync")
        return self.boot()

    def boot(self) -> int:
        """Start a worker; give its pid."""
        self._last += 1
        self.write(self._last, "INFO", f"Booting worker with pid: {self._last}")
        return self._last

    def rotate(self) -> None:
        """Rename the log, as logrotate does; the next line begins a new one."""
        self.log.rename(self.log.with_name(self.log.name + ".1"))


class JournalApp:
    """One app whose gunicorn logs to the journal; every line is written by the process it names."""

    def __init__(self, name: str, journald: Journald, folder: Path) -> None:
        self.name, self.unit, self._journald = name, f"{name}.service", journald
        self._pipe = folder / f"{name}.pipe"
        os.mkfifo(self._pipe)
        script = 'exec 3<>"$0"; while read -r line <&3; do echo "[$(date -u "+%F %T +0000")] [$$] $line"; done'
        self.master = journald.start(self.unit, ["sh", "-c", script, str(self._pipe)], "gunicorn").pid

    def write(self, level: str, text: str) -> None:
        """Let the master write a record."""
        with self._pipe.open("w") as pipe:
            pipe.write(f"[{level}] {text}\n")

    def start(self) -> int:
        """Let the master introduce itself and start a worker; give the worker's pid."""
        self.write("INFO", "Starting gunicorn 27.0.1")
        self.write("INFO", f"Listening at: unix:/run/{self.name}.sock ({self.master})")
        self.write("INFO", "Using worker: sync")
        return self.boot()

    def boot(self) -> int:
        """Let a new process say that it is a worker; give its pid."""
        script = 'echo "[$(date -u "+%F %T +0000")] [$$] [INFO] Booting worker with pid: $$"'
        return self._journald.start(self.unit, ["sh", "-c", script], "gunicorn").pid


def kernel_kills(pid: int) -> None:
    """Write what the kernel writes when a memory limit costs a process its life."""
    Path("/dev/kmsg").write_text(
        f"<3>Memory cgroup out of memory: Killed process {pid} (gunicorn) total-vm:221368kB, "
        "anon-rss:50688kB, file-rss:6708kB, shmem-rss:0kB, UID:33 pgtables:156kB oom_score_adj:0\n"
    )


class Script:
    """The world the daemons watch; ``acts`` is what happens in it, one thing after another."""

    def __init__(self, folder: Path, journald: Journald) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.journald = folder, journald
        self.files = {name: FileApp(name, folder, n) for n, name in enumerate(FILE_APPS)}
        self.journal = {name: JournalApp(name, journald, folder) for name in JOURNAL_APPS}
        self.nginx = folder / "nginx-error.log"
        for path in (self.nginx, *(app.log for app in self.files.values())):
            path.touch()

    def settings(self) -> dict[str, Any]:
        """Compose the parts of a daemon's configuration that are about this world."""
        files = [{"path": str(a.log), "kind": "gunicorn", "unit": a.unit} for a in self.files.values()]
        files.append({"path": str(self.nginx), "kind": "nginx.error", "unit": "nginx.service"})
        apps = [*self.files.values(), *self.journal.values()]
        return {
            "files": files,
            "journal": {"path": str(self.journald.directory), "units": [a.unit for a in self.journal.values()]},
            "apps": [{"name": a.name, "units": [a.unit]} for a in apps],
        }

    def acts(self) -> Iterator[Callable[[], object]]:
        """Yield what is to be done, in order; about a second may pass between any two."""
        workers = {name: app.start() for name, app in self.files.items()}
        victims = {name: app.start() for name, app in self.journal.items()}
        files, journal = self.files, self.journal
        yield lambda: kernel_kills(victims["bank"])
        yield lambda: journal["bank"].write("ERROR", _sigkill(victims["bank"]))
        yield lambda: journal["late"].write("ERROR", _sigkill(victims["late"]))
        yield lambda: self._nginx("sock", "13: Permission denied")
        yield lambda: files["wait"].write(files["wait"].master, "CRITICAL", f"WORKER TIMEOUT (pid:{workers['wait']})")
        yield lambda: self._stack(workers["wait"])
        yield lambda: files["crash"].write(files["crash"].master, "WARNING", _segv(workers["crash"]))
        yield lambda: files["boot"].write(workers["boot"], "ERROR", f"Exception in worker process\n{BOOT}")
        yield files["boot"].boot
        yield lambda: self._deploy(workers["ship"])
        yield lambda: kernel_kills(victims["late"])
        yield files["ship"].start
        yield lambda: files["bind"].write(files["bind"].master, "ERROR", "Connection in use: ('127.0.0.1', 8000)")
        yield self._rotated_crash

    def _stack(self, pid: int) -> None:
        """Write a traceback in two halves, as a slow disk would let them through."""
        app, lines = self.files["wait"], STACK.splitlines(keepends=True)
        app.write(pid, "ERROR", "Error handling request GET /sleep?ms=60000")
        app.raw("".join(lines[:5]))
        time.sleep(HALF_S)
        app.raw("".join(lines[5:]) + "\n")

    def _nginx(self, app: str, error: str) -> None:
        """Let nginx fail three times to reach the app."""
        when, socket = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime()), self.files[app].address
        with self.nginx.open("a") as file:
            for number in range(3):
                file.write(
                    f"{when} [crit] 5000900#5000900: *{number} connect() to {socket} failed ({error}) while "
                    "connecting to upstream, client: 127.0.0.1, server: _, "
                    f'request: "GET / HTTP/1.1", upstream: "http://{socket}:/", host: "localhost"\n'
                )

    def _deploy(self, worker: int) -> None:
        app = self.files["ship"]
        app.write(app.master, "INFO", "Handling signal: term")
        self._nginx("ship", "111: Connection refused")
        app.write(worker, "INFO", f"Worker exiting (pid: {worker})")
        app.write(app.master, "INFO", "Shutting down: Master")

    def _rotated_crash(self) -> None:
        app = self.files["crash"]
        second = app.boot()
        app.rotate()
        app.write(app.master, "WARNING", _segv(second))


def _sigkill(pid: int) -> str:
    return f"Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?"


def _segv(pid: int) -> str:
    return f"Worker (pid:{pid}) was sent SIGSEGV!"
