"""A private systemd-journald: its own /run in a mount namespace, up in 0.1 s, gone when closed.

    with Journald() as journald:
        journald.start("gunicorn.service", ["gunicorn", "app:app"]).wait()   # stdout and stderr are logged
        journald.send("nginx.service", "nginx", "one message", PRIORITY=3)
        journald.directory                                                   # where the files lie

Needs root: ``_SYSTEMD_UNIT`` comes from a real cgroup of the sender.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

IN_UNIT = Path(__file__).with_name("in_unit.py")
_PLACES = ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald")
_SET_UP = """set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal /run/systemd/journald.conf.d
cat > /run/systemd/journald.conf.d/test.conf
echo {machine} > /run/machine-id
mount --bind /run/machine-id /etc/machine-id
exec {journald}"""


def journald_program() -> str | None:
    """Find the program, None when it is not installed."""
    return next((place for place in _PLACES if Path(place).exists()), None)


def until(condition: Callable[[], object], deadline_s: float = 5.0) -> None:
    """Poll until the condition holds; fail when it does not in time."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "not within the deadline"
        time.sleep(0.005)


def cgroup_root() -> Path | None:
    """Find the directory of our own cgroup in the tree journald looks at; None when it cannot be written."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        if words[words.index("-") + 1] == "cgroup2":
            own = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))
            root = Path(words[4]) / own[3:].lstrip("/")
            return root if os.access(root, os.W_OK) else None
    return None


class Journald:
    """A running private journald. ``settings`` are lines of its [Journal] section."""

    def __init__(self, *settings: str, kernel: bool = False) -> None:
        self.settings = (
            "Storage=volatile", "RateLimitIntervalSec=0", f"ReadKMsg={'yes' if kernel else 'no'}", *settings
        )  # fmt: skip
        root = cgroup_root()
        if root is None:
            raise RuntimeError("no writable cgroup v2 tree")
        self.slice = root / f"journald-test-{os.getpid()}-{uuid.uuid4().hex[:6]}.slice"
        self.started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Journald:
        script = _SET_UP.format(machine=uuid.uuid4().hex, journald=journald_program())
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=self.output, stderr=self.output,
        )  # fmt: skip
        assert self.process.stdin
        self.process.stdin.write("\n".join(("[Journal]", *self.settings, "")).encode())
        self.process.stdin.close()
        self.run = Path(f"/proc/{self.process.pid}/root/run")
        try:
            until(self._answers, 10)
        except BaseException:
            self.__exit__()
            raise
        self.directory = next((self.run / "log/journal").iterdir())
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, "journald did not start: " + self._said()
        # Before the exec, /proc/PID/root is still the machine's own.
        if not Path(f"/proc/{self.process.pid}/comm").read_text().startswith("systemd-journal"):
            return False
        try:
            self.sync()
        except OSError:
            return False
        return any((self.run / "log/journal").glob("*/system.journal"))

    def _said(self) -> str:
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.output.close()
        for directory, _below, _files in os.walk(self.slice, topdown=False):
            until(lambda directory=directory: _removed(directory))

    # ---- speaking -------------------------------------------------------------------------------------

    def _cgroup(self, unit: str) -> str:
        directory = self.slice / "system.slice" / unit
        directory.mkdir(parents=True, exist_ok=True)
        return str(directory)

    def start(self, unit: str, program: list[str], identifier: str = "") -> subprocess.Popen[bytes]:
        """Start a program as the unit: in its cgroup, its output in the journal."""
        header = f"{identifier or Path(program[0]).name}\n{unit}\n6\n0\n0\n0\n0\n".encode().hex()
        address = str(self.run / "systemd/journal/stdout")
        process = subprocess.Popen(
            [sys.executable, "-ISS", str(IN_UNIT), "exec", self._cgroup(unit), address, header, *program],
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def say(self, unit: str, *lines: str) -> None:
        """Write lines to the unit's standard output; they are in the journal on return."""
        program = ["printf", "%s\\n", *lines]
        assert self.start(unit, program, "gunicorn").wait(10) == 0
        self.sync()

    def count(self, unit: str, first: int, last: int) -> None:
        """Write the lines first..last (numbers) as the unit; they are in the journal on return."""
        assert self.start(unit, ["seq", str(first), str(last)], "gunicorn").wait(30) == 0
        self.sync()

    def send(self, unit: str, identifier: str, *messages: str | bytes, **fields: object) -> None:
        """Send messages with any untrusted fields as the unit; they are in the journal on return."""
        program = [sys.executable, "-ISS", str(IN_UNIT), "send", self._cgroup(unit)]
        with subprocess.Popen(
            [*program, str(self.run / "systemd/journal/socket")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as sender:
            assert sender.stdin
            assert sender.stdout
            for message in messages:
                values = {"MESSAGE": message, "SYSLOG_IDENTIFIER": identifier, "PRIORITY": 6, **fields}
                sender.stdin.write(_native(values).hex().encode() + b"\n")
            sender.stdin.flush()
            for _ in messages:
                assert sender.stdout.readline() == b"sent\n"
            self.sync()

    # ---- commanding -------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Wait until everything sent so far is in the files."""
        self._call("Synchronize")

    def rotate(self) -> None:
        """Close the present journal file and begin a new one, as journald does when it is full."""
        self._call("Rotate")

    def archived(self) -> list[Path]:
        """List the rotated files, oldest first."""
        return sorted(self.directory.glob("system@*.journal"), key=lambda path: path.name)

    def signal(self, number: signal.Signals) -> None:
        """Signal journald itself."""
        self.process.send_signal(number)

    def _call(self, method: str) -> None:
        with socket.socket(socket.AF_UNIX) as varlink:
            varlink.settimeout(10)
            varlink.connect(str(self.run / "systemd/journal/io.systemd.journal"))
            varlink.sendall(json.dumps({"method": f"io.systemd.Journal.{method}"}).encode() + b"\0")
            answer = b""
            while not answer.endswith(b"\0"):
                answer += varlink.recv(4096) or b"\0"
        if b"error" in answer:
            raise OSError(answer.decode())


def why_not() -> str:
    """Say why no private journald can run here, '' when it can."""
    if os.geteuid() != 0:
        return "needs root: a private journald lives in its own mount namespace and cgroups"
    if journald_program() is None:
        return "needs systemd-journald; `make setup` installs it"
    if shutil.which("unshare") is None:
        return "needs unshare (package util-linux); `make setup` installs it"
    return "" if cgroup_root() else "needs a writable cgroup v2 tree"


def _native(fields: dict[str, object]) -> bytes:
    return b"".join(_native_field(name, value) for name, value in fields.items())


def _native_field(name: str, value: object) -> bytes:
    data = value if isinstance(value, bytes) else str(value).encode()
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"


def _removed(directory: str) -> bool:
    try:
        Path(directory).rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
