"""The audit on real apps: the demo's, and one set up as badly as the guide warns of. The sets are exact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.world.apps import Gunicorn, Nginx, free_port, open_folder
from tests.world.cgroups import Slice
from tests.world.demo.faults import Load
from tests.world.demo.stage import APP, PRIVATE, Journal, site
from tests.world.journald import Journald

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0, reason="cgroups are root's"),
    pytest.mark.timeout(300),  # the first run of a machine installs gunicorn
]
CTL = Path(sys.executable).parent / "analyzerctl"
WATCH = "20s"
BAD = f"gunicorn-bad-{os.getpid()}.service"
OF_THE_MACHINE = {
    "cpu-saturated",
    "run-queue",
    "swap-traffic",
    "thrashing",
    "disk-space",
    "nginx-open-files",
    "backlog",
}
"""Judged by what else happens on this machine, and by its limits."""
Items = Mapping[str, Mapping[str, Any]]


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder for the programs."""
    with open_folder() as folder:
        yield folder


def audit(home: Path, apps: Mapping[str, str], journal: str = "") -> Mapping[str, Items]:
    """Audit these units of this machine; by app the items by id."""
    config = home / "audit.yaml"
    told = {
        "journal": {"enabled": bool(journal)} | ({"path": journal} if journal else {}),
        "apps": [{"name": name, "units": [unit]} for name, unit in apps.items()],
    }
    config.write_text(yaml.safe_dump(told))
    argv = [str(CTL), "--config", str(config), "audit", "--json", "--for", WATCH]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120)
    whole = json.loads(done.stdout)
    return {app["app"]: {item["id"]: item for item in app["items"]} for app in whole["apps"]}


def named(items: Items, outcome: str) -> set[str]:
    """The ids with an outcome, less what is about the machine."""
    return {name for name, item in items.items() if item["outcome"] == outcome} - OF_THE_MACHINE


def on_disk(folder: Path) -> set[str]:
    """The item that has to fail when a folder is on a disk, as stat(1) says."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", folder], check=True, capture_output=True, text=True).stdout.strip()
    return set() if kind in ("tmpfs", "ramfs") else {"worker-tmp-dir"}


def test_the_demos_apps(home: Path, journald_with_kernel: Journald) -> None:
    """What the demo is built wrong for its faults is found, with its place; what is right passes."""
    with ExitStack() as stack:
        ground, nginx = site(stack, home, Journal(journald_with_kernel.run, ""), "27.0.1")
        with Load(ground.port):
            journald_with_kernel.sync()
            apps = audit(home, {"demo": APP, "private": PRIVATE}, str(journald_with_kernel.directory))
    assert set(apps) == {"demo", "private"}
    demo, private = apps["demo"], apps["private"]
    tmp = on_disk(Path("/tmp"))
    assert named(demo, "fail") == {"timeouts-set", "timeout-ladder", "max-requests", "user"} | tmp
    ladder = demo["timeout-ladder"]
    assert "location /report waits 1 s" in ladder["reason"]
    line = next(n for n, text in enumerate(nginx.conf.read_text().splitlines(), 1) if "proxy_read_timeout 1s" in text)
    assert ladder["places"] == [f"{nginx.conf}:{line}"]
    assert named(private, "fail") == {"workers", "timeouts-set", "max-requests", "user"} | tmp
    for name in (
        "upstream-address",
        "localhost",
        "gunicorn-timings",
        "nginx-timings",
        "private-bind",
        "connect-timeout",
    ):
        assert {demo[name]["outcome"], private[name]["outcome"]} == {"pass"}, name
    assert demo["keepalive"]["outcome"] == "pass"
    assert named(demo, "cannot tell") >= {"database-pool", "restart", "stop-timeout", "rollback", "memory"}


def test_an_app_set_up_as_badly_as_the_guide_warns_of(home: Path) -> None:
    """Every mistake is found and no other; without timings the 33 workers are not judged by the cores alone."""
    port, own = free_port(), free_port()
    plain = home / "nginx" / "plain.log"
    bad = f"""
  server {{
    listen 127.0.0.1:{port};
    access_log {plain};
    location / {{ proxy_pass http://localhost:{own}; proxy_read_timeout 10; }}
  }}"""
    args = ("--workers", "33", "--timeout", "300", "--forwarded-allow-ips", "*", "--worker-tmp-dir", str(home))
    args += ("--access-logformat", '%(h)s "%(r)s" %(s)s')
    with Slice() as units:
        cgroup = units.unit(BAD)
        app = Gunicorn("27.0.1", home / "app", address=f"0.0.0.0:{own}", args=args, cgroup=cgroup, unit=BAD)
        nginx = Nginx(bad, home / "nginx", ports=(port,))
        with app, nginx, Load(port):
            (items,) = audit(home, {"bad": BAD}).values()
    assert named(items, "fail") == {
        "timeouts-set", "timeout", "timeout-ladder", "connect-timeout", "max-requests", "localhost", "private-bind",
        "forwarded-allow-ips", "nginx-timings", "gunicorn-timings", "user", *on_disk(home),
    }  # fmt: skip
    assert items["timeout-ladder"]["change"] == "proxy_read_timeout 32s;  # with timeout = 30"
    assert items["localhost"]["change"] == f"proxy_pass http://127.0.0.1:{own};"
    assert f"in {home}, on " in items["worker-tmp-dir"]["reason"]
    assert items["workers"]["outcome"] == "cannot tell"
    assert "33 workers" in items["workers"]["reason"]
    assert "above the unmeasured starting point" in items["workers"]["reason"]


def test_without_a_gunicorn_there_is_nothing_to_audit(home: Path) -> None:
    """Said in one line, with what to do instead."""
    config = home / "audit.yaml"
    config.write_text("apps: [{name: none, units: [no-such-gunicorn.service]}]\n")
    argv = [str(CTL), "--config", str(config), "audit", "--for", "0"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no gunicorn runs on this machine and no unit starts one; name")
