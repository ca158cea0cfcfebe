"""Real programs as context managers: gunicorn of any version with the demo app, and nginx.

Everything listens on loopback, ends by pid on exit, and lives below one temporary folder.
Refuses to use the machine's own nginx service or configuration.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.world.cgroups import UnitCgroup

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "analyzerd-tests"
VERSIONS = ("27.0.1", "23.0.0", "21.2.0", "20.1.0")
ACCESS_FORMAT = '%(t)s pid=%(p)s "%(r)s" st=%(s)s us=%(D)s b=%(B)s'
NGINX_FORMAT = (
    '$msec $remote_addr "$request" $status rt=$request_time uct=$upstream_connect_time '
    "uht=$upstream_header_time urt=$upstream_response_time us=$upstream_status ua=$upstream_addr"
)


def free_port() -> int:
    """Find a loopback TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Make a temporary folder that nginx's unprivileged workers can pass through.

    Not pytest's own: every pytest that starts closes the parent of those to others.
    """
    with tempfile.TemporaryDirectory(prefix="analyzerd-demo-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def wait_until(done: Callable[[], object], what: str, patience_s: float = 20.0) -> None:
    """Poll until `done()` is true; TimeoutError names what was waited for."""
    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience_s:g} s: {what}")
        time.sleep(0.02)


def answers(address: str) -> bool:
    """Say whether something accepts connections at `127.0.0.1:PORT` or `unix:/path`."""
    with _socket_for(address) as probe:
        probe.settimeout(1)
        try:
            probe.connect(_place(address))
        except OSError:
            return False
        return True


def _socket_for(address: str) -> socket.socket:
    return socket.socket(socket.AF_UNIX if address.startswith("unix:") else socket.AF_INET)


def _place(address: str) -> str | tuple[str, int]:
    if address.startswith("unix:"):
        return address.removeprefix("unix:")
    host, _, port = address.rpartition(":")
    return host, int(port)


def get(port: int, path: str, timeout_s: float = 30.0) -> int:
    """Status of one GET to loopback; 0 when the connection was cut."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def worker_user() -> str:
    """Name the unprivileged user nginx workers run as."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("www-data", "nginx", "nobody") if name in names)


# ---- virtual environments with gunicorn, made once per machine ---------------------------------------


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def venv(version: str, more: tuple[str, ...] = ()) -> Path:
    """Give the folder of a cached virtual environment with this gunicorn, Flask, SQLAlchemy and `more`."""
    # Old gunicorns import pkg_resources, which setuptools 81 dropped.
    wanted = (f"gunicorn=={version}", "flask>=3,<4", "sqlalchemy>=2,<3", "setuptools<81", *more)
    return venv_with("-".join([f"gunicorn-{version}", *(name.partition("[")[0] for name in more)]), wanted)


def venv_with(name: str, wanted: tuple[str, ...]) -> Path:
    """Give the folder of a cached virtual environment with these packages, made once per machine."""
    home = CACHE / f"venv-{name}"
    ready = home / "ready"
    with _locked(CACHE / f"venv-{name}.lock"):
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
            pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *wanted], check=True)
            ready.touch()
    return home


# ---- programs ------------------------------------------------------------------------------------------


class Program:
    """One real process (and its children) in a unit's cgroups; ended by pid on exit.

    `journal_run` is the /run of the journald that gets its output (`/run` is the system's own);
    None keeps the output in `log`, unless `inherit` sends it where our own goes.
    """

    def __init__(
        self,
        argv: list[str],
        home: Path,
        *,
        unit: str = "",
        cgroup: UnitCgroup | None = None,
        journal_run: Path | None = None,
        identifier: str = "",
        environment: Mapping[str, str] | None = None,
        inherit: bool = False,
    ) -> None:
        self.inherit = inherit
        self.argv = cgroup.joining(argv) if cgroup else argv
        self.home = home
        self.unit = unit or (cgroup.unit if cgroup else "")
        self.cgroup = cgroup
        self.journal_run = journal_run
        self.identifier = identifier or Path(argv[0]).name
        self.environment = {**_clean_environment(home), **(environment or {})}
        self.log = home / f"{self.identifier}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Pid of the main process; RuntimeError before it was started."""
        if self.process is None:
            raise RuntimeError(f"{self.identifier} is not running")
        return self.process.pid

    def start(self) -> Self:
        """Start the process; its output goes to the journal or to `log`."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self._output() as output:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.home,
                env=self.environment,
                start_new_session=True,
            )
        return self

    def _output(self) -> IO[bytes]:
        if self.inherit:
            return os.fdopen(os.dup(1), "wb")
        if self.journal_run is None:
            return self.log.open("ab")
        return stream(self.journal_run, self.unit, self.identifier)

    def wait_until(self, done: Callable[[], object], what: str, patience_s: float = 20.0) -> None:
        """Poll until `done()`; says so at once when the process has ended instead."""

        def done_or_dead() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"{self.identifier} ended with {self.process.returncode}: {self.tail()}")
            return bool(done())

        wait_until(done_or_dead, f"{self.identifier}: {what}", patience_s)

    def tail(self) -> str:
        """Give the last of its output, when that is kept in a file."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else "(see the journal)"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process."""
        os.kill(self.pid, number)

    def children(self) -> list[int]:
        """Pids of direct children, the oldest first."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self, patience_s: float = 8.0) -> int:
        """SIGTERM, then SIGKILL to the whole session; returns the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(patience_s)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def _clean_environment(home: Path) -> dict[str, str]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def stream(journal_run: Path, unit: str, identifier: str, priority: int = 6) -> IO[bytes]:
    """Open a stdout stream into a journald, the way the service manager opens it for a unit."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(journal_run / "systemd/journal/stdout"))
    connection.shutdown(socket.SHUT_RD)
    connection.sendall(f"{identifier}\n{unit}\n{priority}\n0\n0\n0\n0\n".encode())
    return os.fdopen(connection.detach(), "wb", buffering=0)


class Gunicorn(Program):
    """A real gunicorn of one version serving the demo app at `address`; access log in a file of its own.

    `more` are packages beside it, `before` is put in front of the command line (as `prlimit --nofile=48`).
    """

    def __init__(
        self,
        version: str,
        home: Path,
        *,
        address: str = "",
        args: tuple[str, ...] = (),
        app: str = "demo_app:app",
        unit: str = "gunicorn.service",
        cgroup: UnitCgroup | None = None,
        journal_run: Path | None = None,
        more: tuple[str, ...] = (),
        before: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.version = version
        self.address = address or f"127.0.0.1:{free_port()}"
        self.access_log = home / "gunicorn-access.log"
        argv = [*before, str(venv(version, more) / "bin" / "gunicorn"), app, "--chdir", str(HERE)]
        argv += ["--bind", self.address, "--access-logformat", ACCESS_FORMAT]
        argv += ["--access-logfile", str(self.access_log), *args]
        super().__init__(
            argv,
            home,
            unit=unit,
            cgroup=cgroup,
            journal_run=journal_run,
            identifier="gunicorn",
            environment=environment,
        )

    def start(self) -> Self:
        """Start and wait until the address answers."""
        super().start()
        self.wait_until(lambda: answers(self.address), f"accept at {self.address}")
        return self


class Nginx(Program):
    """A real nginx of our own: `http` is the inside of its http block, `home` holds all its files."""

    def __init__(
        self,
        http: str,
        home: Path,
        *,
        ports: tuple[int, ...],
        unit: str = "nginx.service",
        cgroup: UnitCgroup | None = None,
        journal_run: Path | None = None,
        connections: int = 1024,
    ) -> None:
        self.connections = connections
        self.conf, self.error_log, self.access_log = (home / name for name in ("nginx.conf", "error.log", "access.log"))
        self.ports, self.http = ports, http
        argv = ["nginx", "-p", str(home), "-c", str(self.conf), "-e", str(self.error_log)]
        super().__init__(argv, home, unit=unit, cgroup=cgroup, journal_run=journal_run, identifier="nginx")

    def start(self) -> Self:
        """Write the configuration, start, and wait until every port answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.conf.write_text(self.configuration())
        super().start()
        for port in self.ports:
            self.wait_until(lambda port=port: answers(f"127.0.0.1:{port}"), f"accept at port {port}")
        return self

    def configuration(self) -> str:
        """Compose the whole nginx.conf."""
        temps = "".join(
            f"  {kind}_temp_path {self.home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = f"user {worker_user()};\n" if os.geteuid() == 0 else ""
        return (
            f"{user}daemon off;\nworker_processes 1;\npid {self.home}/nginx.pid;\n"
            f"error_log {self.error_log} info;\nevents {{ worker_connections {self.connections}; }}\n"
            f"http {{\n{temps}  log_format timed '{NGINX_FORMAT}';\n"
            f"  access_log {self.access_log} timed;\n{self.http}\n}}\n"
        )
