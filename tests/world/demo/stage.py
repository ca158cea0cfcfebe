"""Everything the demo stands on: journald, gunicorn, nginx, the Slack stand-in and the daemon.

Uses the machine's own journald when systemd is its PID 1, else a private one. All below one folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.world.apps import (
    ACCESS_FORMAT,
    NGINX_FORMAT,
    Gunicorn,
    Nginx,
    Program,
    answers,
    free_port,
    open_folder,
)
from tests.world.cgroups import Slice, no_oom_kill
from tests.world.demo.faults import MEMORY_LIMIT_BYTES, TIMEOUT_S, Ground
from tests.world.journald import Journald

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
# Names of this run alone: the kernel's log is one for the whole machine, and another demo's kill is not ours.
APP, PRIVATE, NGINX = (f"{name}-{os.getpid()}.service" for name in ("gunicorn-demo", "gunicorn-private", "nginx"))
TOKEN, CHANNEL = "xoxb-demo", "C0DEMO00001"


@dataclass(frozen=True)
class Journal:
    """The journal in use: where its sockets are, and the folder to read it from ('' is the system's)."""

    run: Path
    folder: str


@dataclass(frozen=True)
class Stage:
    """The running demo world."""

    home: Path
    ground: Ground
    daemon: Program
    slack: Program
    slack_state: Path
    config: Path

    def ctl(self, *args: str) -> str:
        """Run `analyzerctl ARGS` and return what it prints; CalledProcessError when it fails."""
        argv = [str(BIN / "analyzerctl"), "--config", str(self.config), *args]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout

    def incidents(self) -> list[dict[str, object]]:
        """List the incidents in the daemon's store."""
        told = json.loads(self.ctl("--json", "incidents"))
        return list(told["incidents"] if isinstance(told, dict) else told)


def system_journal() -> Journal | None:
    """Find the machine's own journal, when systemd runs it."""
    managed = Path("/run/systemd/system").is_dir() and Path("/run/systemd/journal/stdout").exists()
    return Journal(Path("/run"), "") if managed else None


@contextlib.contextmanager
def journal() -> Iterator[Journal]:
    """Use the system's journal or start a private one."""
    own = system_journal()
    if own:
        yield own
        return
    with Journald(kernel=True) as private:
        yield Journal(private.run, str(private.directory))


@contextlib.contextmanager
def stage(gunicorn: str, faults_seed: int | None = None) -> Iterator[Stage]:
    """Build the whole world, yield it, take it down in reverse order."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(open_folder())
        log = stack.enter_context(journal())
        ground, nginx = site(stack, home, log, gunicorn)
        slack_port, state = free_port(), home / "slack.json"
        slack = stack.enter_context(_slack(home, slack_port, state, faults_seed))
        slack.wait_until(lambda: answers(f"127.0.0.1:{slack_port}"), "listen")
        config = home / "analyzerd.yaml"
        config.write_text(yaml.safe_dump(_config(home, log, ground, nginx, slack_port), sort_keys=False, width=1000))
        daemon = stack.enter_context(_daemon(home, config))
        yield Stage(home, ground, daemon, slack, state, config)


def site(stack: contextlib.ExitStack, home: Path, log: Journal, version: str) -> tuple[Ground, Nginx]:
    """Start the app, a second app whose socket only root may open, and nginx before both."""
    own = stack.enter_context(Slice())
    limited = not no_oom_kill()
    cgroup = own.unit(APP, MEMORY_LIMIT_BYTES if limited else None)
    app = Gunicorn(
        version,
        home / "app",
        address=f"unix:{home}/app.sock",
        args=("--workers", "2", "--timeout", str(TIMEOUT_S)),
        cgroup=cgroup,
        unit=APP,
        journal_run=log.run,
    )
    private = Gunicorn(
        version,
        home / "private",
        address=f"unix:{home}/private.sock",
        args=("--workers", "1", "--umask", "0o077"),
        cgroup=own.unit(PRIVATE),
        unit=PRIVATE,
        journal_run=log.run,
    )
    ports = (free_port(), free_port())
    nginx = Nginx(
        _sites(app.address, private.address, *ports),
        home / "nginx",
        ports=ports,
        cgroup=own.unit(NGINX),
        unit=NGINX,
        journal_run=log.run,
    )
    for program in (app, private, nginx):
        stack.enter_context(program)
    return Ground(app, cgroup, ports[0], ports[1], limited), nginx


def _sites(app: str, private: str, port: int, private_port: int) -> str:
    return f"""
  upstream demo {{ server {app}; }}
  upstream private {{ server {private}; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://demo; proxy_read_timeout 60s; }}
    location /report {{ proxy_pass http://demo; proxy_read_timeout 1s; }}
  }}
  server {{
    listen 127.0.0.1:{private_port};
    location / {{ proxy_pass http://private; }}
  }}
"""


def _slack(home: Path, port: int, state: Path, faults_seed: int | None) -> Program:
    argv = [sys.executable, str(ROOT / "tests" / "slack_standin.py"), "--port", str(port)]
    argv += ["--print", "--token", TOKEN, "--state", str(state)]
    argv += ["--faults", str(faults_seed)] if faults_seed is not None else []
    return Program(argv, home / "slack", identifier="slack", inherit=True)


def _daemon(home: Path, config: Path) -> Program:
    argv = [str(BIN / "analyzerd"), "run", "--config", str(config)]
    return Program(argv, home / "daemon", identifier="analyzerd")


def _config(home: Path, log: Journal, ground: Ground, nginx: Nginx, slack_port: int) -> dict[str, object]:
    """Compose the daemon's analyzerd.yaml."""
    files = [
        {"path": str(nginx.error_log), "kind": "nginx.error", "unit": NGINX},
        {"path": str(nginx.access_log), "kind": "nginx.access", "unit": NGINX, "log_format": NGINX_FORMAT},
        {
            "path": str(ground.app.access_log),
            "kind": "gunicorn.access",
            "unit": APP,
            "log_format": ACCESS_FORMAT,
        },
    ]
    return {
        "state_dir": str(home / "state"),
        "journal": {"enabled": True, "units": [APP, PRIVATE, NGINX]} | ({"path": log.folder} if log.folder else {}),
        "files": files,
        "nginx_conf": str(nginx.conf),
        "sampling": {"interval": "1s"},
        "slack": {"token": TOKEN, "channel": CHANNEL, "api_url": f"http://127.0.0.1:{slack_port}/api/"},
        "timing": {"settle": "2s", "patience": "8s", "resolve_after": "15m"},
        "apps": [{"name": "demo", "units": [APP]}, {"name": "private", "units": [PRIVATE]}],
    }
