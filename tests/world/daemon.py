"""The real daemon as a process of its own: configured, started, killed, stopped, asked; with its Slack beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.world.journald import until

BIN = Path(sys.executable).parent
TOKEN, CHANNEL = "xoxb-standin", "C0ALERTS"
FAST = {"settle": "1s", "patience": "3s"}


def settings(home: Path, **changes: Any) -> dict[str, Any]:
    """Compose a configuration that reads nothing and prints its messages; ``changes`` replace whole parts."""
    (home / "rules").mkdir(parents=True, exist_ok=True)
    return {
        "state_dir": str(home / "state"),
        "journal": {"enabled": False},
        "rules_dirs": [str(home / "rules")],
        "sampling": {"interval": 0},
        "timing": FAST,
        **changes,
    }


def slack_settings(url: str) -> dict[str, Any]:
    """Compose the part that sends to a stand-in."""
    return {"token": TOKEN, "channel": CHANNEL, "api_url": f"{url}/api/", "timeout": "1s"}


class Daemon:
    """One installation of analyzerd below ``home``; started and killed as often as wanted."""

    def __init__(self, home: Path, configuration: Mapping[str, Any]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.config = home, home / "analyzerd.yaml"
        self.database = home / "state" / "analyzerd.db"
        self.output, self.errors = home / "stdout", home / "stderr"
        self.process: subprocess.Popen[bytes] | None = None
        self.write(configuration)

    def write(self, configuration: Mapping[str, Any]) -> None:
        """Write the configuration file."""
        self.config.write_text(yaml.safe_dump(dict(configuration), sort_keys=False, width=1000))

    def start(self, **environment: str) -> Daemon:
        """Start it; does not wait."""
        with self.output.open("ab") as out, self.errors.open("ab") as err:
            self.process = subprocess.Popen(
                [str(BIN / "analyzerd"), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_environment(environment),
            )  # fmt: skip
        return self

    def watching(self, deadline_s: float = 15.0) -> Daemon:
        """Wait until it watches."""
        until(lambda: "watches" in self.said or self.process_ended(), deadline_s)
        assert not self.process_ended(), self.said
        return self

    def process_ended(self) -> bool:
        """Say whether it ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def ended(self, deadline_s: float = 10.0) -> int:
        """Wait for its end; give the exit status."""
        assert self.process
        return self.process.wait(deadline_s)

    def stop(self, deadline_s: float = 10.0) -> int:
        """Ask it to end, wait, give the exit status."""
        self.signal(signal.SIGTERM)
        return self.ended(deadline_s)

    def kill(self) -> None:
        """Kill it without warning."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process
        self.process.send_signal(number)

    @property
    def pid(self) -> int:
        """Give its process."""
        assert self.process
        return self.process.pid

    @property
    def said(self) -> str:
        """All it wrote to standard error so far."""
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    @property
    def printed(self) -> str:
        """All it wrote to standard output so far."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def ctl(self, *args: str) -> str:
        """Run analyzerctl on it and give what that prints."""
        argv = [str(BIN / "analyzerctl"), "--config", str(self.config), *args]
        asked = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30, env=_environment({}))
        assert asked.returncode == 0, asked.stderr
        return asked.stdout

    def status(self) -> dict[str, Any]:
        """Ask for open problems, blind spots and what waits to be sent."""
        return dict(json.loads(self.ctl("--json", "status")))

    def blind(self) -> dict[str, dict[str, str]]:
        """Ask for the blind spots, by source."""
        return {spot["source"]: spot for spot in self.status()["blind_spots"]}


@contextmanager
def daemon(home: Path, configuration: Mapping[str, Any]) -> Iterator[Daemon]:
    """Give a running daemon; kill it at the end if it still runs."""
    one = Daemon(home, configuration).start()
    try:
        yield one.watching()
    finally:
        one.kill()


class Manager:
    """Listens as systemd does at a NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path, self.heard = path, list[str]()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def until(self, word: str, deadline_s: float = 15.0) -> str:
        """Wait for a message that holds ``word``; everything heard is kept in ``heard``."""
        end_s = time.monotonic() + deadline_s
        while not (self.heard and word in self.heard[-1]):
            self._socket.settimeout(max(0.01, end_s - time.monotonic()))
            self.heard.append(self._socket.recv(4096).decode())
        return self.heard[-1]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANALYZERD_", "NOTIFY_"))}
    return {**kept, "CREDENTIALS_DIRECTORY": "", **more}
