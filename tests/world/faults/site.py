"""The world of one scenario: app, nginx, what they depend on, a journald and the real daemon with its Slack.

Everything is the scenario's own, so that several can run beside each other; all of it ends on exit.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import slack_standin
from tests.world.apps import (
    ACCESS_FORMAT,
    HERE,
    NGINX_FORMAT,
    Gunicorn,
    Nginx,
    Program,
    free_port,
    open_folder,
    wait_until,
)
from tests.world.cgroups import Slice
from tests.world.daemon import CHANNEL, TOKEN, Daemon, daemon
from tests.world.demo.stage import Journal, journal
from tests.world.faults.dependencies import Postgres, SlowApi, TlsDatabase
from tests.world.faults.load import Client
from tests.world.faults.scenario import Scenario
from tests.world.journald import until

APPS = HERE / "faults" / "apps"
_NUMBERS = itertools.count(1)


def now_s() -> float:
    """Read the clock the logs are stamped with."""
    return time.time()  # noqa: TID251


class LabGunicorn(Gunicorn):
    """A gunicorn that may also fail to start, and whose master may be succeeded by another (USR2)."""

    successor: int = 0

    def begin(self) -> None:
        """Start without waiting until it serves."""
        Program.start(self)

    def succeeded_by(self, pid: int) -> None:
        """Speak of the new master from now on."""
        self.successor = pid

    @property
    def pid(self) -> int:
        """Pid of the master that serves."""
        return self.successor or super().pid

    def stop(self, patience_s: float = 8.0) -> int:
        """End the successor too, which is no child of ours."""
        if self.successor:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.successor, signal.SIGTERM)
                wait_until(lambda: not Path(f"/proc/{self.successor}").exists(), "the successor's end", patience_s)
            self.successor = 0
        return super().stop(patience_s)


@dataclass(eq=False)
class Site:
    """One scenario's running world."""

    scenario: Scenario
    home: Path
    app: LabGunicorn
    nginx: Nginx
    daemon: Daemon
    slack: slack_standin.Slack
    stack: contextlib.ExitStack
    own: Slice
    journal: str
    client: Client = field(default_factory=lambda: Client(now_s))
    threads: list[threading.Thread] = field(default_factory=list)
    began_s: float = field(default_factory=now_s)
    before: Mapping[str, bytes] = field(default_factory=dict)

    def door(self, *, direct: bool = False) -> int:
        """Give the port to ask: nginx's, or gunicorn's own."""
        return int(self.app.address.rpartition(":")[2]) if direct else self.nginx.ports[0]

    def broke(self) -> None:
        """Count trouble from now on."""
        self.began_s = now_s()

    def symptom_s(self) -> float:
        """When clients first noticed; when nobody asks, when it was broken."""
        return self.client.first_trouble_s(self.began_s, self.scenario.slow_s) or self.began_s

    def beside(self, function: Callable[..., object], *args: object) -> None:
        """Run something beside what follows."""

        def quietly() -> None:
            with contextlib.suppress(OSError):
                function(*args)

        thread = threading.Thread(target=quietly, daemon=True)
        thread.start()
        self.threads.append(thread)

    def on_exit(self, mend: Callable[[], object]) -> None:
        """Undo something before anything is taken down."""
        self.stack.callback(mend)

    def run(self, argv: list[str], name: str) -> None:
        """Start another program of the machine."""
        unit = f"{name}-{os.getpid()}.service"
        self.stack.enter_context(Program(argv, self.home / name, identifier=name, cgroup=self.own.unit(unit)))


@contextlib.contextmanager
def site(scenario: Scenario) -> Iterator[Site]:
    """Build a scenario's world up to a daemon that watches; take it down in reverse order."""
    number = next(_NUMBERS)
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(open_folder())
        log = stack.enter_context(journal())
        own = stack.enter_context(Slice())
        places = _places(scenario, home, stack)
        app = _gunicorn(scenario, home, log, own, places, f"shop-{os.getpid()}x{number}.service")
        nginx = _nginx(scenario, home, log, own, places, f"nginx-{os.getpid()}x{number}.service")
        if not scenario.starts_late:
            app.start()
        stack.callback(app.stop)
        stack.enter_context(nginx)
        slack = slack_standin.Slack(token=TOKEN)
        url = stack.enter_context(slack_standin.running(slack))
        watcher = stack.enter_context(daemon(home / "daemon", _settings(scenario, home, log, app, nginx, url)))
        until(lambda: watcher.status() is not None, 30)
        inner = stack.enter_context(contextlib.ExitStack())
        yield Site(scenario, home, app, nginx, watcher, slack, inner, own, log.folder)


def _places(scenario: Scenario, home: Path, stack: contextlib.ExitStack) -> dict[str, str]:
    """What stands for the names in braces; starts what has to run for them."""
    app = f"unix:{home}/app.sock" if scenario.unix else f"127.0.0.1:{free_port()}"
    found = {"home": str(home), "app": app, "dead": str(free_port()), "other": str(free_port())}
    wanted = " ".join((scenario.gunicorn, scenario.upstream, *scenario.environment.values()))
    makers: Mapping[str, Callable[[], str]] = {
        "database": lambda: stack.enter_context(Postgres(home / "postgres")).url,
        "tls_database": lambda: _tls_database(home, stack),
        "api": lambda: stack.enter_context(SlowApi(home / "api")).url,
        "small_disk": lambda: _small_disk(home, stack),
        "big_file": lambda: _big_file(home),
        "frozen": lambda: _filesystem(home, stack),
        "taken": lambda: _taken(stack),
    }
    return found | {name: make() for name, make in makers.items() if f"{{{name}}}" in wanted}


def _tls_database(home: Path, stack: contextlib.ExitStack) -> str:
    behind = stack.enter_context(Postgres(home / "postgres"))
    return stack.enter_context(TlsDatabase(home / "tls", behind)).url


def _taken(stack: contextlib.ExitStack) -> str:
    held = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return f"127.0.0.1:{held.getsockname()[1]}"


def _small_disk(home: Path, stack: contextlib.ExitStack) -> str:
    place = home / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k,mode=777", "tmpfs", place], check=True)
    stack.callback(subprocess.run, ["umount", "-l", place], check=False)
    return str(place)


def _filesystem(home: Path, stack: contextlib.ExitStack) -> str:
    image, place = home / "frozen.img", home / "frozen"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    stack.callback(subprocess.run, ["umount", "-l", place], check=False)
    return str(place)


def _big_file(home: Path) -> str:
    path = home / "big"
    with path.open("wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return str(path)


def _gunicorn(
    scenario: Scenario, home: Path, log: Journal, own: Slice, places: Mapping[str, str], unit: str
) -> LabGunicorn:
    before = ["prlimit", f"--nofile={scenario.files}:{scenario.files}"] if scenario.files else []
    environment = {name: value.format(**places) for name, value in scenario.environment.items()}
    flags = scenario.gunicorn.format(**places).split()
    if scenario.config:
        config = home / "gunicorn.conf.py"
        config.write_bytes(scenario.config.encode())
        flags = ["--config", str(config), *flags]
    return LabGunicorn(
        scenario.version,
        home / "app",
        address=places["app"],
        args=("--pythonpath", str(APPS), *flags),
        app=scenario.app,
        unit=unit,
        cgroup=own.unit(unit, scenario.memory_bytes, scenario.cpu_cores),
        journal_run=log.run,
        more=scenario.packages,
        before=tuple(before),
        environment=environment,
    )


def _nginx(scenario: Scenario, home: Path, log: Journal, own: Slice, places: Mapping[str, str], unit: str) -> Nginx:
    port = free_port()
    upstream, location = scenario.upstream.format(**places), scenario.location.format(**places)
    http = (
        f"  upstream app {{ {upstream} }}\n  server {{\n    listen 127.0.0.1:{port} backlog=1024;\n"
        f"    location / {{ proxy_pass http://app; {location} }}\n  }}"
    )
    return Nginx(
        http, home / "nginx", ports=(port,), unit=unit, cgroup=own.unit(unit), journal_run=log.run,
        connections=scenario.connections,
    )  # fmt: skip


def _settings(
    scenario: Scenario, home: Path, log: Journal, app: Gunicorn, nginx: Nginx, slack_url: str
) -> dict[str, Any]:
    """Compose analyzerd.yaml as an operator would; intervals and waiting times are the shipped ones."""
    files = [
        {"path": str(nginx.error_log), "kind": "nginx.error", "unit": nginx.unit},
        {"path": str(nginx.access_log), "kind": "nginx.access", "unit": nginx.unit, "log_format": NGINX_FORMAT},
        {"path": str(app.access_log), "kind": "gunicorn.access", "unit": app.unit, "log_format": ACCESS_FORMAT},
    ]
    shutil.rmtree(home / "daemon", ignore_errors=True)
    return {
        "state_dir": str(home / "state"),
        "journal": {"enabled": True, "units": [app.unit, nginx.unit]} | ({"path": log.folder} if log.folder else {}),
        "files": files,
        "nginx_conf": str(nginx.conf),
        "slack": {"token": TOKEN, "channel": CHANNEL, "api_url": f"{slack_url}/api/"},
        "apps": [{"name": "shop", "units": [app.unit], "database": dict(scenario.database)}],
    }
