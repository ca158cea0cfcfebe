"""analyzerctl audit as people and scripts meet it: files from elsewhere, several apps, exit codes, hostile text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analyzerd.cli.audit_live import as_written, not_running
from analyzerd.core.audit import ITEMS
from analyzerd.probes.configured import settings_of
from analyzerd.probes.launch import Launch
from tests.cli.conftest import Ctl

RECORDED = Path(__file__).parents[1] / "recorded" / "cpu-too-many-workers"
SERVICE = """[Service]
Environment="GUNICORN_CMD_ARGS=--timeout 45 --graceful-timeout 60"
ExecStart=/srv/venv/bin/gunicorn \\
  --workers 3 --bind unix:/run/shop.sock \\
  shop:app
TimeoutStopSec=1min
"""
CONF = """user www-data;
events { worker_connections 768; }
http {
  include /etc/nginx/mime.types;
  include /etc/nginx/sites-enabled/*;
}
"""
SITE = """server {
  location / {
    proxy_pass http://unix:/run/shop.sock:/;
    proxy_read_timeout 20;
  }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Configuration files as copied from a machine."""
    (tmp_path / "shop.service").write_text(SERVICE)
    (tmp_path / "shop.service.d").mkdir()
    (tmp_path / "shop.service.d" / "limits.conf").write_text("[Service]\nMemoryMax=1G\nRestart=always\n")
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx" / "nginx.conf").write_text(CONF)
    (tmp_path / "nginx" / "sites-enabled").mkdir()
    (tmp_path / "nginx" / "sites-enabled" / "shop").write_text(SITE)
    return tmp_path


def items(ctl: Ctl, *arguments: str | Path) -> dict[str, dict[str, Any]]:
    """The items of the only app by id."""
    code, out, _ = ctl("audit", "--json", *arguments)
    assert code == 0
    whole = json.loads(out)
    assert whole["schema"] == "analyzerd.audit/1"
    (app,) = whole["apps"]
    return {item["id"]: item for item in app["items"]}


def test_configuration_files_alone_are_enough(ctl: Ctl, folder: Path) -> None:
    """A unit with continued lines and a drop-in, and nginx with its include: each finding with its place."""
    found = items(ctl, folder / "shop.service", folder / "nginx" / "nginx.conf")
    assert list(found) == [item.id for item in ITEMS]
    assert {name for name, item in found.items() if item["outcome"] == "fail"} == {
        "timeout-ladder", "stop-timeout", "max-requests", "nginx-timings", "gunicorn-timings", "memory-limits", "user",
    }  # fmt: skip
    ladder = found["timeout-ladder"]
    assert ladder["change"] == "proxy_read_timeout 47s;"
    assert ladder["places"] == [f"{folder}/nginx/sites-enabled/shop:4"]
    assert found["stop-timeout"]["places"] == [f"{folder}/shop.service:6", str(folder / "shop.service")]
    assert found["memory-limits"]["places"] == [f"{folder}/shop.service.d/limits.conf:2"]
    assert found["workers"]["outcome"] == "cannot tell"


def test_an_include_that_was_not_given_makes_its_settings_unknown(ctl: Ctl, folder: Path) -> None:
    """Defaults may be replaced there: nothing is claimed."""
    (folder / "nginx" / "sites-enabled" / "shop").unlink()
    (folder / "nginx" / "sites-enabled").rmdir()
    found = items(ctl, folder / "shop.service", folder / "nginx" / "nginx.conf")
    about_nginx = ("timeout-ladder", "upstream-address", "localhost", "nginx-timings", "request-buffering")
    assert {found[name]["outcome"] for name in about_nginx} == {"cannot tell"}


def test_a_config_file_that_is_named_and_was_not_given_hides_the_defaults(ctl: Ctl, tmp_path: Path) -> None:
    """What -c points to may set anything."""
    unit = tmp_path / "shop.service"
    unit.write_text("[Service]\nExecStart=/srv/venv/bin/gunicorn -c /srv/conf.py shop:app\n")
    assert items(ctl, unit)["max-requests"]["outcome"] == "cannot tell"
    conf = tmp_path / "conf.py"
    conf.write_text("import os\nmax_requests = 0\ntimeout = int(os.environ['T'])\n")
    found = items(ctl, unit, conf)
    assert (found["max-requests"]["outcome"], found["max-requests"]["places"]) == ("fail", [f"{conf}:2"])
    assert found["timeout"]["outcome"] == "cannot tell"


def test_a_recording_is_audited_by_its_measurements_and_twice_the_same(ctl: Ctl) -> None:
    """24 workers on 4 cores: measured, not counted."""
    first, again = (ctl("audit", "--json", RECORDED) for _ in range(2))
    assert first == again
    found = items(ctl, RECORDED)
    assert found["run-queue"]["outcome"] == "fail"
    assert found["workers"]["change"] == "workers = 5"
    assert found["cpu-saturated"]["outcome"] == "cannot tell"


def test_the_table_groups_by_outcome_and_has_no_colour_in_a_pipe(ctl: Ctl) -> None:
    """What fails comes first; exit 0 unless asked."""
    code, out, _ = ctl("audit", RECORDED)
    assert code == 0
    assert out.index("\nFAIL\n") < out.index("\nCANNOT TELL\n") < out.index("\nPASS\n")
    assert "\x1b" not in out
    assert ctl("audit", "--fail-on", "fail", RECORDED)[0] == 1


def test_one_item_in_detail(ctl: Ctl) -> None:
    """Question, reason, change, place, and what to read; the exit code is about this item alone."""
    code, out, _ = ctl("audit", "--item", "localhost", "--fail-on", "fail", RECORDED)
    assert code == 0
    assert "gunicorn: localhost: pass" in out
    assert "cause: localhost-two-addresses" in out
    assert "see: https://nginx.org/" in out
    code, _, err = ctl("audit", "--item", "locahost", RECORDED)
    assert code == 1
    assert "analyzerctl audit --list" in err


def test_the_list_names_every_item(ctl: Ctl) -> None:
    """Without looking at anything."""
    code, out, _ = ctl("audit", "--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [item.id for item in ITEMS]


@pytest.mark.parametrize("arguments", [["--for", "soon"], ["--fail-on", "pass"], ["--frob"]])
def test_wrong_usage_is_2(ctl: Ctl, arguments: list[str]) -> None:
    """With the usage on standard error."""
    code, out, err = ctl("audit", *arguments)
    assert (code, out) == (2, "")
    assert "usage:" in err


def test_a_missing_path_is_one_clear_error(ctl: Ctl, tmp_path: Path) -> None:
    """Not an audit of nothing."""
    for name in ("gone.log", "nginx.conf", "gone.service"):
        code, out, err = ctl("audit", tmp_path / name)
        assert (code, out) == (1, "")
        assert "error: cannot read" in err


def test_configuration_text_cannot_write_on_the_terminal(ctl: Ctl, tmp_path: Path) -> None:
    """Control characters and secrets in a setting are shown harmless."""
    conf = tmp_path / "nginx.conf"
    evil = "\x1b]0;gone\x07\x1b[2J127.0.0.1:8000 password=hunter2"
    conf.write_text(f'http {{ server {{ location / {{ proxy_pass "http://{evil}"; }} }} }}')
    unit = tmp_path / "shop.service"
    unit.write_text("[Service]\nExecStart=gunicorn --bind '127.0.0.1:1\x1b[31m' a:b\nRestart=\x1b[2Jno\n")
    for form in ([], ["--json"], ["--item", "upstream-address"], ["--item", "restart"]):
        _, out, _ = ctl("audit", *form, conf, unit)
        assert "\x1b" not in out
        assert "hunter2" not in out


def test_a_master_whose_title_hides_its_command_line_is_read_from_its_unit(tmp_path: Path) -> None:
    """With the config file named there; one that is named and cannot be read leaves no default standing."""
    conf = tmp_path / "conf.py"
    conf.write_text("timeout = 50\n")
    titled = Launch(7, "shop.service", (), {}, str(tmp_path), "", "", title_only=True, denied=False)
    unit = '[Service]\nEnvironment="GUNICORN_CMD_ARGS=--threads 2"\nExecStart=/v/bin/gunicorn -c conf.py -w 3 a:b\n'
    known = {s.name: s.value for s in settings_of(as_written(titled, [("shop.service", unit)]), 0.0)}
    wanted = {"gunicorn.workers": 3, "gunicorn.threads": 2, "gunicorn.timeout": 50, "gunicorn.max_requests": 0}
    assert known.items() >= wanted.items()
    conf.unlink()
    known = {s.name: s.value for s in settings_of(as_written(titled, [("shop.service", unit)]), 0.0)}
    assert known["gunicorn.workers"] == 3
    assert "gunicorn.max_requests" not in known
    assert settings_of(as_written(titled, ()), 0.0) == ()


def test_a_gunicorn_that_does_not_run_is_audited_as_its_unit_would_start_it(tmp_path: Path) -> None:
    """The config file is looked for where the unit says the master will stand."""
    (tmp_path / "gunicorn.conf.py").write_text("workers = 4\n")
    texts = [("/x/shop.service", f"[Service]\nWorkingDirectory={tmp_path}\nExecStart=/v/bin/gunicorn a:b\n")]
    known = {s.name: s for s in settings_of(as_written(not_running("shop.service", texts), texts), 0.0)}
    assert known["gunicorn.workers"].value == 4
    assert known["gunicorn.workers"].origin == f"{tmp_path}/gunicorn.conf.py:1"
