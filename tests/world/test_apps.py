"""The ground the other tests stand on: real gunicorns and nginx, units in the journal, a real OOM kill."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import cgroups
from tests.world.apps import VERSIONS, Gunicorn, Nginx, free_port, get, open_folder, wait_until
from tests.world.cgroups import Slice
from tests.world.journald import Journald

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0, reason="cgroups are root's"),
    pytest.mark.timeout(300),  # the first run of a machine installs four gunicorns
]


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder for the programs."""
    with open_folder() as folder:
        yield folder


def proxy(address: str, port: int) -> str:
    """Configure one server before one gunicorn."""
    return f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{address}; }} }}"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_gunicorn_answers_through_nginx(version: str, home: Path) -> None:
    """Each version serves the app, and a gone worker is a 502 that nginx logs."""
    port = free_port()
    app = Gunicorn(version, home / "app")
    nginx = Nginx(proxy(app.address, port), home / "nginx", ports=(port,))
    with app, nginx:
        assert get(port, "/ok") == 200
        assert get(port, "/exit") == 502
        assert "upstream prematurely closed connection" in nginx.error_log.read_text()
    assert f"Starting gunicorn {version}" in app.tail()


def test_the_journal_names_unit_and_pid_of_the_writer(home: Path, own_journald: Journald) -> None:
    """The workers' and the master's lines carry the unit of their cgroup and their own pids."""
    with Slice() as own:
        cgroup = own.unit("gunicorn-tagged.service")
        with Gunicorn("27.0.1", home, cgroup=cgroup, unit="", journal_run=own_journald.run) as app:
            wait_until(lambda: lines(own_journald, "Booting worker"), "the worker's first line")
            pids = {app.pid, *app.children()}
            assert {int(entry["_PID"]) for entry in lines(own_journald, "")} == pids
            assert cgroup.pids() == pids
        assert lines(own_journald, "Handling signal: term")


def lines(journald: Journald, text: str) -> list[dict[str, str]]:
    """Find the entries of the tagged unit that hold `text`."""
    journald.sync()
    argv = ["journalctl", "--quiet", "--directory", str(journald.directory), "--output", "json", "--all"]
    told = subprocess.run([*argv, "_SYSTEMD_UNIT=gunicorn-tagged.service"], check=True, capture_output=True, text=True)
    entries = [json.loads(line) for line in told.stdout.splitlines()]
    return [entry for entry in entries if text in str(entry["MESSAGE"])]


@pytest.mark.skipif(cgroups.base_of("memory") is None, reason="no writable memory cgroup")
def test_the_kernel_kills_a_worker_that_eats_memory(home: Path) -> None:
    """The limit of the cgroup makes a real OOM kill, of the worker and not of the master."""
    with Slice() as own:
        cgroup = own.unit("gunicorn-limited.service", memory_limit_bytes=128 << 20)
        with Gunicorn("27.0.1", home, cgroup=cgroup) as app:
            port = int(app.address.rpartition(":")[2])
            assert get(port, "/alloc?mb=300") == 0
            wait_until(lambda: cgroup.oom_kills() == 1, "the kill in the cgroup's counter")
            wait_until(lambda: get(port, "/ok") == 200, "another worker")


def test_nothing_is_left_of_a_program_that_ignores_sigterm(home: Path) -> None:
    """The cgroups go even when a process inside will not end by itself."""
    with Slice() as own:
        cgroup = own.unit("stubborn.service")
        argv = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
        stubborn = subprocess.Popen(cgroup.joining(argv), start_new_session=True)
        wait_until(lambda: stubborn.pid in cgroup.pids(), "the process in its cgroup")
    assert stubborn.wait(5) == -9
    assert not [d for d in cgroup.dirs if d.exists()]
