"""A fault recorded while it happens: what is diagnosed from the recording is what the daemon said, without secrets."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.world.apps import ACCESS_FORMAT, NGINX_FORMAT, get, open_folder, wait_until
from tests.world.daemon import BIN, Daemon, daemon, settings
from tests.world.demo import faults
from tests.world.demo.stage import APP, NGINX, PRIVATE, Journal, site
from tests.world.journald import Journald

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0, reason="cgroups are root's"),
    pytest.mark.timeout(300),  # the first run of a machine installs gunicorn
]
LENGTH_S = 14


def answers(found: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
    """Boil incidents down to what was said."""
    return [(i["cause"], i["verdict"], i["confidence"]) for i in found]


def asked(one: Daemon, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start analyzerctl with the daemon's configuration."""
    argv = [str(BIN / "analyzerctl"), "--config", str(one.config), "--json", *map(str, arguments)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def slow_secret(ground: faults.Ground) -> None:
    """Hang a worker until gunicorn kills it, with a secret in the query."""
    get(ground.port, "/sleep?s=60&password=hunter2")


FAULTS = {"hang": (slow_secret, "app-waits"), "short": (faults.slow_behind_short_timeout, "nginx-timeout-mismatch")}


@pytest.mark.parametrize("name", FAULTS)
def test_the_recording_says_what_the_daemon_said(journald_with_kernel: Journald, name: str) -> None:
    """The same cause, as sure as the daemon was, from the files alone; the secret of the request is in none."""
    act: Callable[[faults.Ground], object]
    act, cause = FAULTS[name]
    with open_folder() as home, ExitStack() as stack:
        ground, nginx = site(stack, home, Journal(journald_with_kernel.run, ""), "27.0.1")
        files = [
            {"path": str(nginx.error_log), "kind": "nginx.error", "unit": NGINX},
            {"path": str(nginx.access_log), "kind": "nginx.access", "unit": NGINX, "log_format": NGINX_FORMAT},
            {"path": str(ground.app.access_log), "kind": "gunicorn.access", "unit": APP, "log_format": ACCESS_FORMAT},
        ]
        journal = {"path": str(journald_with_kernel.directory), "units": [APP, PRIVATE, NGINX]}
        apps = [{"name": "demo", "units": [APP]}, {"name": "private", "units": [PRIVATE]}]
        told = settings(home, journal=journal, files=files, apps=apps, nginx_conf=str(nginx.conf))
        one = stack.enter_context(daemon(home / "daemon", {**told, "sampling": {"interval": "1s"}}))
        refused = asked(one, "record", "--for", "1s", home / "refused")
        assert "name one with --unit" in refused.communicate(timeout=30)[1]
        recorder = asked(one, "record", "--for", f"{LENGTH_S}s", "--unit", APP, home / "new")
        wait_until((home / "new" / "samples.jsonl").exists, "the recording begins")
        time.sleep(2)  # a first reading of every worker before it dies
        act(ground)
        said, errors = recorder.communicate(timeout=60)
        assert (recorder.returncode, errors) == (0, ""), errors
        names = {file["name"]: file["records"] for file in json.loads(said)["files"]}
        assert names["samples.jsonl"] >= LENGTH_S - 2
        assert {"gunicorn-access.log", "nginx-access.log", "nginx-error.log", "journal.json", "kernel.json",
                "systemd.json", "gunicorn.cmdline", "nginx.conf", APP} <= set(names)  # fmt: skip
        live = json.loads(one.ctl("--json", "incidents"))["incidents"]
        again = json.loads(one.ctl("--json", "diagnose", str(home / "new")))["incidents"]
        assert [i["cause"] for i in live] == [cause]
        assert answers(again) == answers(live)
        everything = b"".join(path.read_bytes() for path in (home / "new").iterdir())
        assert b"hunter2" not in everything
        assert b"password=" in everything or name != "hang"
