"""What the demo breaks is really broken: each fault leaves the evidence it stands for."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.world import cgroups
from tests.world.apps import Nginx, open_folder, wait_until
from tests.world.demo import faults
from tests.world.demo.faults import Ground
from tests.world.demo.stage import APP, Journal, site
from tests.world.journald import Journald

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0, reason="cgroups are root's"),
    pytest.mark.timeout(300),  # the first run of a machine installs gunicorn
]


@pytest.fixture
def ground(journald_with_kernel: Journald) -> Iterator[tuple[Ground, Nginx]]:
    """Start the demo's app and nginx without the daemon."""
    with open_folder() as home, ExitStack() as stack:
        yield site(stack, home, Journal(journald_with_kernel.run, ""), "27.0.1")


@pytest.fixture
def logged(journald_with_kernel: Journald) -> Callable[..., list[str]]:
    """Read the messages of the journal that match."""

    def read(*match: str) -> list[str]:
        journald_with_kernel.sync()
        argv = [
            "journalctl",
            "--quiet",
            "-D",
            str(journald_with_kernel.directory),
            "--output",
            "cat",
            "--all",
        ]
        return subprocess.run([*argv, *match], check=True, capture_output=True, text=True).stdout.splitlines()

    return read


def test_a_hang_ends_in_a_worker_timeout(ground: tuple[Ground, Nginx], logged: Callable[..., list[str]]) -> None:
    """Gunicorn says so in the journal, with the stack of the request."""
    assert faults.hang(ground[0]).endswith("500")
    lines = logged(f"_SYSTEMD_UNIT={APP}")
    assert any("WORKER TIMEOUT" in line for line in lines)
    assert any("in wait_for_the_partner" in line for line in lines)


@pytest.mark.skipif(bool(cgroups.no_oom_kill()), reason=cgroups.no_oom_kill())
def test_eaten_memory_ends_in_an_oom_kill(ground: tuple[Ground, Nginx], logged: Callable[..., list[str]]) -> None:
    """The kernel's report names a worker of ours and our unit's cgroup."""
    workers = ground[0].app.children()
    assert "answered 502" in faults.eat_memory(ground[0])

    def reported() -> bool:
        report = "\n".join(logged("_TRANSPORT=kernel"))
        killed = any(f"Killed process {pid} (gunicorn)" in report for pid in workers)
        return killed and f"/system.slice/{APP}" in report

    wait_until(reported, "the kernel's report in the journal")


def test_a_short_proxy_timeout_gives_504_and_a_later_200(ground: tuple[Ground, Nginx]) -> None:
    """Nginx leaves each request that gunicorn completes afterwards."""
    site_, nginx = ground
    assert "[504, 504, 504]" in faults.slow_behind_short_timeout(site_)
    assert nginx.error_log.read_text().count("upstream timed out (110") == 3
    completed = site_.app.access_log.read_text()
    assert completed.count('"GET /report?s=2 HTTP/1.0" st=200 us=2') == 3


def test_the_private_socket_is_refused_to_nginx(ground: tuple[Ground, Nginx]) -> None:
    """Only the second site's socket is closed to nginx's user."""
    assert "[502, 502, 502]" in faults.forbidden_socket(ground[0])
    refused = [line for line in ground[1].error_log.read_text().splitlines() if "13: Permission denied" in line]
    assert len(refused) == 3
    assert all("private.sock" in line for line in refused)


def test_a_reload_under_load_fails_no_request(ground: tuple[Ground, Nginx]) -> None:
    """Workers of the old generation end by themselves and every answer is 200."""
    told = faults.harmless_reload(ground[0])
    assert re.search(r"answers \{200: \d+\}$", told)
