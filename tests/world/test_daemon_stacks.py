"""A worker that hangs where no traceback can tell: looked at by py-spy before gunicorn kills it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from analyzerd.daemon.clock import now_s
from analyzerd.model import Event, Probe
from analyzerd.probes.machine import MachineProbe
from analyzerd.probes.stacks import StackProbe, find_program
from tests.world.apps import Gunicorn, get, wait_until
from tests.world.cgroups import Slice
from tests.world.daemon import daemon, settings
from tests.world.journald import until

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0 or not find_program(), reason="needs root and py-spy"),
]

APP = """
import hashlib, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/hash":
        hash_it()
    if path == "/wait":
        wait_for_it()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

def hash_it():
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10**9)

def wait_for_it():
    time.sleep(60)
"""
TIMEOUT_S = 10
UNIT = "hanging.service"


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[Gunicorn]:
    """Run a real gunicorn with an app that can hang in native code and in a wait."""
    (home / "hanging.py").write_text(APP)
    args = ("--chdir", str(home), *arguments)
    with Slice() as own, Gunicorn("27.0.1", home, app="hanging:app", args=args, cgroup=own.unit(UNIT)) as gunicorn:
        yield gunicorn


def test_a_native_hang_has_its_line(tmp_path: Path) -> None:
    """A hash without end, in C: no traceback, a misleading hint at memory, and the line all the same."""
    home = tmp_path / "app"
    home.mkdir()
    with serving(home, "--timeout", str(TIMEOUT_S)) as gunicorn:
        told = settings(
            tmp_path,
            files=[{"path": str(gunicorn.log), "kind": "gunicorn", "unit": UNIT}],
            apps=[{"name": "shop", "units": [UNIT]}],
            sampling={"interval": "1s"},
            witnesses={"stacks": True},
            timing={"settle": "4s", "patience": "5s"},  # gunicorn itself takes two seconds until the SIGKILL
        )
        with daemon(tmp_path, told) as one:
            until(lambda: "stack" not in one.blind(), 10)
            port = int(gunicorn.address.rpartition(":")[2])
            threading.Thread(target=get, args=(port, "/hash", 30.0), daemon=True).start()
            until(lambda: "Perhaps out of memory?" in gunicorn.log.read_text(), 30)
            until(lambda: "hash_it" in one.printed, 30)
            assert "Traceback" not in gunicorn.log.read_text()
            (incident,) = one.status()["open"]
            assert incident["cause"] == "app-native-hang"
            assert "hanging.py:" in incident["recommendations"][0]["says"]
            assert one.stop() == 0


def test_threads_that_wait_have_their_line(tmp_path: Path) -> None:
    """Gunicorn never ends them and prints nothing; a look tells where most of them stand, and that they sleep."""
    with serving(tmp_path, "--threads", "4") as gunicorn, closing(MachineProbe()) as machine:
        port = int(gunicorn.address.rpartition(":")[2])
        for _ in range(3):
            threading.Thread(target=get, args=(port, "/wait", 30.0), daemon=True).start()
        found: list[Event] = []
        wait_until(lambda: _serving(machine, gunicorn.pid, found) == 3, "three threads wait")
    assert "wait_for_it" in str(found[-1].fields["frame"])
    assert (found[-1].fields["stack_kind"], found[-1].fields["threads"]) == ("sleep", 3)


def _serving(machine: MachineProbe, master: int, found: list[Event]) -> int:
    """Look at the one worker and say how many of its threads serve requests."""
    workers = [r for r in machine.sample().processes if r.role == "worker" and _parent(r.pid) == master]
    event = StackProbe().take(Probe("", workers[0].pid, workers[0].start_s or 0.0, 0.0, 0.0), now_s())
    if event is None:
        return 0
    found.append(event)
    return int(event.fields["serving"] or 0)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
