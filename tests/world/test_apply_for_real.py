"""Advice applied to real programs' files: nginx reloaded and taken back, drop-ins, several files, kills at any time."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.core.promises import recommendation_id
from analyzerd.core.state import FORMAT
from analyzerd.model import Advised, Recommendation, SaveAdvised, SaveIncident
from analyzerd.store.db import Store
from tests.made_incidents import numbered
from tests.world.apps import Gunicorn, Nginx, free_port, get, open_folder, wait_until

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes as root only"),
    pytest.mark.timeout(300),  # the first run of a machine installs gunicorn
]
CTL = Path(sys.executable).parent / "analyzerctl"
INCIDENT = numbered(1)
UNIT = "shop-under-test.service"
KILLS = int(os.environ.get("ANALYZERD_TEST_KILLS", "10"))
READ = Recommendation("nginx.proxy_read_timeout", "wait longer", current="1s", proposed="9s")


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder for one installation."""
    with open_folder() as folder:
        yield folder


def installed(home: Path, *advices: Recommendation, nginx: str = "") -> Path:
    """Write a configuration whose database holds an incident with this advice; gives the configuration."""
    file, state = home / "analyzerd.yaml", home / "state"
    state.mkdir()
    file.write_text(f"state_dir: {state}\nnginx_conf: '{nginx}'\napps: [{{name: {INCIDENT.app}, units: [{UNIT}]}}]\n")
    incident = replace(INCIDENT, recommendations=advices)
    rows = [
        Advised(recommendation_id(incident.id, a.setting), incident.id, incident.app, incident.cause, a.setting,
                a.current, a.proposed, "p95", "proposed", 1.0)
        for a in advices
    ]  # fmt: skip
    with closing(Store(state / "analyzerd.db", state_format=FORMAT)) as store:
        store.commit([SaveIncident(incident, "opened"), *(SaveAdvised(1.0, row) for row in rows)], [], None, 1.0)
    return file


def ctl(config: Path, *words: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run analyzerctl."""
    argv = [*before, str(CTL), "--config", str(config), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def named(advice: Recommendation) -> str:
    """Give the id of a recommendation."""
    return recommendation_id(INCIDENT.id, advice.setting)


def slow_site(home: Path, inside: str = "proxy_read_timeout 1s;") -> tuple[Gunicorn, Nginx]:
    """Describe an app behind an nginx that is impatient."""
    app = Gunicorn("27.0.1", home / "app", args=("--workers", "2"))
    port = free_port()
    http = (
        f"  server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      proxy_pass http://{app.address};\n"
        f"      {inside}\n    }}\n  }}"
    )
    return app, Nginx(http, home / "nginx", ports=(port,))


def line_of(path: Path, text: str) -> int:
    """Find the line something stands in."""
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_nginx_waits_longer_after_apply_and_not_after_rollback(home: Path) -> None:
    """Reloaded by the command itself, seen by a request; the file comes back byte for byte."""
    app, nginx = slow_site(home)
    with app, nginx:
        old = nginx.conf.read_bytes()
        advice = replace(READ, file=str(nginx.conf), line=line_of(nginx.conf, "proxy_read_timeout"))
        config = installed(home, advice, nginx=str(nginx.conf))
        assert get(nginx.ports[0], "/report?s=2") == 504
        done = ctl(config, "apply", named(advice), "--yes", "--reload")
        assert done.returncode == 0, done.stderr
        assert nginx.conf.read_bytes() == old.replace(b"proxy_read_timeout 1s;", b"proxy_read_timeout 9s;")
        wait_until(lambda: get(nginx.ports[0], "/report?s=2") == 200, "the new limit")
        done = ctl(config, "rollback", named(advice), "--yes", "--reload")
        assert done.returncode == 0, done.stderr
        assert nginx.conf.read_bytes() == old
        wait_until(lambda: get(nginx.ports[0], "/report?s=2") == 504, "the old limit")


def test_where_nginx_refuses_nothing_is_written_not_even_beside_it(home: Path) -> None:
    """A mistake that stood in the file already: gunicorn's file, tied to it, stays as it was too."""
    _, nginx = slow_site(home)
    nginx.home.mkdir()
    nginx.conf.write_text(nginx.configuration().replace("proxy_read_timeout 1s;", "proxy_read_timeout 1s;\n  no_such;"))
    settings = home / "gunicorn.conf.py"
    settings.write_bytes(b"timeout = 8\n")
    timeout = Recommendation("gunicorn.timeout", "raise it", 8, 20, "p99.9", str(settings), 1)
    line = line_of(nginx.conf, "proxy_read_timeout")
    tied = replace(READ, file=str(nginx.conf), line=line, tied_to="gunicorn.timeout")
    config = installed(home, timeout, tied, nginx=str(nginx.conf))
    before = (nginx.conf.read_bytes(), settings.read_bytes())
    done = ctl(config, "apply", named(timeout), "--yes")
    assert done.returncode == 1
    assert 'unknown directive "no_such"' in done.stderr
    assert (nginx.conf.read_bytes(), settings.read_bytes()) == before


def test_what_is_tied_together_is_written_together(home: Path) -> None:
    """Two files, one apply, one rollback."""
    _, nginx = slow_site(home)
    nginx.home.mkdir()
    nginx.conf.write_text(nginx.configuration())
    settings = home / "gunicorn.conf.py"
    settings.write_bytes("timeout = 8  # für Berichte\r\n".encode())
    timeout = Recommendation("gunicorn.timeout", "raise it", 8, 7, "p99.9", str(settings), 1)
    tied = replace(
        READ, file=str(nginx.conf), line=line_of(nginx.conf, "proxy_read_timeout"), tied_to="gunicorn.timeout"
    )
    config = installed(home, timeout, tied, nginx=str(nginx.conf))
    before, new = (nginx.conf.read_bytes(), settings.read_bytes()), "timeout = 7  # für Berichte\r\n".encode()
    refused = ctl(config, "apply", named(tied), "--yes")
    assert (refused.returncode, "goes with gunicorn.timeout" in refused.stderr) == (1, True)
    assert ctl(config, "apply", named(timeout), "--yes").returncode == 0
    assert (b"9s;" in nginx.conf.read_bytes(), settings.read_bytes()) == (True, new)
    assert ctl(config, "rollback", named(timeout), "--yes").returncode == 0
    assert (nginx.conf.read_bytes(), settings.read_bytes()) == before


@pytest.mark.skipif(not shutil.which("unshare"), reason="no mount namespace")
def test_a_flag_of_the_command_line_becomes_a_drop_in(home: Path) -> None:
    """In a mount namespace whose /etc/systemd/system is the test's; what cannot be reloaded is taken back."""
    units = home / "units"
    units.mkdir()
    (units / UNIT).write_text("[Service]\nExecStart=/srv/venv/bin/gunicorn -w 2 app:app\nUser=www-data\n")
    advice = Recommendation("gunicorn.workers", "more", 2, 5, "8.7 x 0.2 / 0.7", "gunicorn.cmdline")
    config = installed(home, advice)
    covered = ("unshare", "--mount", "--propagation", "private", "sh", "-c",
               'mount --bind "$0" /etc/systemd/system && exec "$@"', str(units))  # fmt: skip
    if subprocess.run([*covered, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    drop_in = units / f"{UNIT}.d" / "zz-analyzerd-execstart.conf"
    done = ctl(config, "apply", named(advice), "--yes", before=covered)
    assert done.returncode == 0, done.stderr
    assert "to put it into effect: systemctl daemon-reload" in done.stdout
    text = drop_in.read_text()
    assert text.endswith("[Service]\nExecStart=\nExecStart=/srv/venv/bin/gunicorn -w 5 app:app\n")
    assert ctl(config, "rollback", named(advice), "--yes", before=covered).returncode == 0
    assert not drop_in.exists()
    failed = ctl(config, "apply", named(advice), "--yes", "--reload", before=covered)
    if failed.returncode:  # no systemd runs here, or it does not know the unit
        assert "every file is as it was before" in failed.stderr
        assert not drop_in.exists()


def test_killed_at_any_time_a_file_is_old_or_new_and_the_next_call_says_which(home: Path) -> None:
    """SIGKILL after random delays, over the whole time an apply takes."""
    conf = home / "gunicorn.conf.py"
    old = b"timeout = 30\n" + b"# padding\n" * 20000
    conf.write_bytes(old)
    advice = Recommendation("gunicorn.timeout", "raise it", 30, 60, "p99.9 is 41 s", str(conf), 1)
    config, chance = installed(home, advice), random.Random(7)
    began_s = time.monotonic()
    assert ctl(config, "apply", named(advice), "--yes").returncode == 0
    whole_s, new = time.monotonic() - began_s, conf.read_bytes()
    assert new == old.replace(b"30", b"60", 1)
    found = set()
    for _ in range(KILLS):
        assert ctl(config, "rollback", named(advice), "--yes").returncode in (0, 1)
        assert conf.read_bytes() == old
        argv = [str(CTL), "--config", str(config), "apply", named(advice), "--yes"]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole_s * chance.uniform(0.5, 1.05))
        process.kill()
        process.wait()
        left = conf.read_bytes()
        assert left in (old, new)
        said = ctl(config, "recommendations", "list").stderr
        if "broken off" in said:
            assert f"{conf} was the {'new' if left == new else 'old'} file" in said
            assert conf.read_bytes() == old
            found.add("broken off")
        else:
            found.add("applied" if left == new else "not begun")
        assert not list(home.glob("*.analyzerd-new"))
    assert found >= {"not begun"}
