"""The configuration: what is merged from where, and for every mistake its place and the mend."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analyzerd.config import load
from analyzerd.daemon.stated import stated_settings
from analyzerd.daemon.wiring import options
from analyzerd.errors import ConfigError

KINDS = "gunicorn, gunicorn.access, nginx.error, nginx.access, kernel, app"
DURATION = "is not a duration; write it like 250ms, 30s, 5m, 1h30m or 7d"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("ANALYZERD_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    file = folder / "analyzerd.yaml"
    file.write_text(text)
    return file


MISTAKES = {
    "unknown key": ("state_dir: /x\nslak:\n  token: x\n", "2:1: unknown key 'slak', did you mean 'slack'?"),
    "unknown nested key": ("slack:\n  chanel: x\n", "2:3: unknown key 'chanel', did you mean 'channel'?"),
    "unknown key in a list": (
        "files:\n  - path: /x\n    kind: app\n    uni: x\n",
        "4:5: unknown key 'uni', did you mean 'unit'?",
    ),
    "a number for a part": ("sampling: 5\n", "1:11: sampling: must hold keys and values of its own, on indented lines"),
    "not a truth": ("journal:\n  enabled: maybe\n", "2:12: journal.enabled: must be true or false"),
    "not a list": ("apps: shop\n", "1:7: apps: must be a list"),
    "bad duration": ("timing:\n  settle: 5 parsecs\n", f"2:11: timing.settle: '5 parsecs' {DURATION}"),
    "negative duration": ("timing:\n  settle: -5\n", "2:11: timing.settle: must be greater than or equal to 0"),
    "bad word": ("log_level: loud\n", "1:12: log_level: must be 'debug', 'info', 'warning' or 'error'"),
    "unknown kind": (
        "files:\n  - path: /x\n    kind: nginx.eror\n",
        f"2:5: files.0: kind 'nginx.eror' is not one of {KINDS}, did you mean 'nginx.error'?",
    ),
    "relative path": ("files:\n  - path: x\n    kind: app\n", "2:5: files.0: path 'x' must be absolute"),
    "no channel": (
        "slack:\n  token: xoxb-1-planted\n",
        "1:1: configuration: slack.token is set but slack.channel is not: name the channel to post to",
    ),
    "a misspelt witness": (
        "witnesses:\n  control_soket: true\n",
        "2:3: unknown key 'control_soket', did you mean 'control_socket'?",
    ),
    "a witness that is not a truth": (
        "witnesses: {control_socket: maybe}\n",
        "1:29: witnesses.control_socket: must be true or false",
    ),
    "no stacks at all, but on": (
        "witnesses:\n  stacks_per_hour: 0\n",
        "2:20: witnesses.stacks_per_hour: must be greater than or equal to 1",
    ),
    "a listener for strangers": (
        "witnesses:\n  statsd:\n    - listen: 0.0.0.0:8125\n",
        "3:15: witnesses.statsd.0.listen: '0.0.0.0:8125' must be an address of this machine's own, like 127.0.0.1:8125",
    ),
    "a listener with an unknown key": (
        "witnesses:\n  statsd:\n    - listen: 127.0.0.1:8125\n      uni: a.service\n",
        "4:7: unknown key 'uni', did you mean 'unit'?",
    ),
    "twice": ("state_dir: /a\nstate_dir: /b\n", "2:1: key 'state_dir' stands twice; first on line 1"),
    "a list": ("- a\n", "1:1: the file must hold keys and values, like 'state_dir: /var/lib/analyzerd'"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_has_its_place_and_its_mend(tmp_path: Path, text: str, message: str) -> None:
    """One sentence: file, line, column, what is wrong, what would be right; never a secret."""
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}:{message}"
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ANALYZERD_TIMING__SETTLE", "soon", f"timing.settle: 'soon' {DURATION}"),
        ("ANALYZERD_TIMIN__SETTLE", "5s", "unknown setting 'timin', did you mean 'timing'?"),
        ("ANALYZERD_TIMING__SETTEL", "5s", "unknown setting 'settel', did you mean 'settle'?"),
        ("ANALYZERD_FILES", "x", "files: a list or mapping in the environment is written as JSON"),
    ],
)
def test_a_bad_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    """The environment can be wrong too; then its variable is the place."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "state_dir: /x\n"))
    assert str(caught.value) == f"${name}: {message}"


def test_environment_then_credentials_then_conf_d_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later layers win key by key; the rest of a part stays."""
    file = written(tmp_path, "slack: {token: a, channel: '#one', timeout: 3s}\ntiming: {settle: 1s, patience: 9s}\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "50.yaml").write_text("timing: {settle: 2s}\n")
    (tmp_path / "slack_bot_token").write_text("from-credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("ANALYZERD_SLACK__CHANNEL", "#two")
    config = load(file)
    assert (config.timing.settle, config.timing.patience) == (2.0, 9.0)
    assert config.slack.token.get_secret_value() == "from-credential"
    assert (config.slack.channel, config.slack.timeout) == ("#two", 3.0)
    assert "from-credential" not in repr(config)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, not text: one sentence each."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe")
    for path, words in ((tmp_path / "none", "no such file"), (tmp_path, "not a file"), (binary, "cannot be read")):
        with pytest.raises(ConfigError, match=words) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))


def test_the_daemon_refuses_with_78(tmp_path: Path) -> None:
    """Systemd does not start it again and again: exit code 78, and one line that says why."""
    file = written(tmp_path, "slak: {}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "analyzerd", "run", "--config", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 78
    assert ran.stderr == f"error: {file}:1:1: unknown key 'slak', did you mean 'slack'?\n"
    assert ran.stdout == ""


def test_what_is_stated_of_a_database(tmp_path: Path) -> None:
    """Each figure is a setting of the app's units; SQLAlchemy's own overflow counts where none is stated."""
    text = "apps:\n  - {name: shop, units: ['shop@*.service'], database: {pool_size: 5, max_connections: 100}}\n"
    config = load(written(tmp_path, text + "  - {name: plain, units: [plain.service]}\n"))
    found = {(s.unit, s.name): (s.value, s.origin) for s in stated_settings(config, 0.0)}
    assert found == {
        ("shop@*.service", "database.pool_size"): (5, "analyzerd.yaml"),
        ("shop@*.service", "database.max_overflow"): (10, "SQLAlchemy's default"),
        ("shop@*.service", "database.max_connections"): (100, "analyzerd.yaml"),
    }
    assert options(config).apps.of_unit("shop@*.service") == "shop"
