"""Dumps by programs that hang, fail and flood, and wishes about processes that are not what they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.daemon.clock import now_s
from analyzerd.model import Probe
from analyzerd.probes import stacks
from analyzerd.probes.processes import ProcessProbe
from analyzerd.probes.stacks import StackProbe

FRAMES = [("view", "/srv/a.py"), ("handle", "/venv/lib/python3.11/site-packages/gunicorn/workers/sync.py")]
DUMP = json.dumps([{"frames": [{"name": name, "filename": path, "line": 3} for name, path in FRAMES]}])


@pytest.fixture
def wish() -> Iterator[Probe]:
    """Give a wish about a living process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        probe = ProcessProbe(process.pid)
        found = probe.read("worker", "", time.monotonic(), now_s())
        probe.close()
        assert found is not None
        assert found[0].start_s is not None
        yield Probe("a.service", process.pid, found[0].start_s, 0.0, 0.0)
        process.kill()


def program(folder: Path, text: str) -> str:
    """Write a program that is called as py-spy is."""
    file = folder / "py-spy"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def test_a_dump_becomes_an_event(tmp_path: Path, wish: Probe) -> None:
    """Of the process asked about, without stopping it."""
    probe = StackProbe(program=program(tmp_path, f"echo \"$@\" > {tmp_path}/asked\ncat <<'END'\n{DUMP}\nEND"))
    event = probe.take(wish, 7.0)
    assert event is not None
    assert (event.time_s, event.pid, event.unit, event.fields["frame"]) == (
        7.0,
        wish.pid,
        "a.service",
        "a.py:3 in view",
    )
    assert (tmp_path / "asked").read_text() == f"dump --nonblocking --json --pid {wish.pid}\n"
    assert probe.health(1.0)[0].state == "reading"


BAD = {
    "fails": ("echo 'Permission Denied: try again as root' >&2; exit 1", "status 1: Permission Denied"),
    "hangs": ("exec sleep 30", "no answer within"),
    "floods": ("exec cat /dev/zero", "more than"),
    "writes nonsense": ("echo hello", "not a dump"),
}


@pytest.mark.parametrize(("text", "why"), BAD.values(), ids=BAD)
def test_a_program_that_misbehaves_is_a_blind_spot(
    tmp_path: Path, wish: Probe, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    """It is ended, named with a mend, and the next one is tried."""
    monkeypatch.setattr(stacks, "DUMP_S", 0.5)
    monkeypatch.setattr(stacks, "MAX_DUMP_BYTES", 100_000)
    probe = StackProbe(program=program(tmp_path, text))
    assert probe.take(wish, 7.0) is None
    (health,) = probe.health(1.0)
    assert health.state == "blind"
    assert why in health.why
    assert health.mend
    program(tmp_path, f"cat <<'END'\n{DUMP}\nEND")
    assert probe.take(wish, 8.0) is not None
    assert probe.health(1.0)[0].state == "reading"


def test_nobody_else_is_looked_at(tmp_path: Path, wish: Probe) -> None:
    """Another start time is another process; one that has ended, or beats again, is left alone."""
    probe = StackProbe(program=program(tmp_path, f"touch {tmp_path}/ran"))
    assert probe.take(replace(wish, start_s=wish.start_s + 0.01), 7.0) is None
    assert probe.take(replace(wish, silent_s=24.0), 7.0) is None
    os.kill(wish.pid, 9)
    os.waitid(os.P_PID, wish.pid, os.WEXITED | os.WNOWAIT)
    assert probe.take(wish, 7.0) is None
    assert not (tmp_path / "ran").exists()


def test_a_process_that_ends_meanwhile_tells_nothing(tmp_path: Path, wish: Probe) -> None:
    """Its number may have been given to another before the program looked."""
    probe = StackProbe(program=program(tmp_path, f"kill -9 {wish.pid}; sleep 0.1; echo '{DUMP}'"))
    assert probe.take(wish, 7.0) is None


def test_off_and_not_installed_are_blind_spots(wish: Probe) -> None:
    """Each with what opens it; nothing is run."""
    off, absent = StackProbe(enabled=False), StackProbe(program="")
    assert off.take(wish, 7.0) is absent.take(wish, 7.0) is None
    assert "stacks: true" in off.health(1.0)[0].mend
    assert "pip install" in absent.health(1.0)[0].mend
