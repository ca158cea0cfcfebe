"""analyzerctl record on this machine, whatever runs on it: what it writes, what it refuses, how it is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Ctl


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a configuration that reads one log file and no journal."""
    (tmp_path / "app.log").write_text("before\n")
    file = tmp_path / "analyzerd.yaml"
    file.write_text(
        f"state_dir: {tmp_path}\njournal: {{enabled: false}}\napps: [{{name: shop, units: [none-such.service]}}]\n"
        f"files: [{{path: {tmp_path}/app.log, kind: gunicorn}}, {{path: {tmp_path}/none.log, kind: kernel}}]\n"
    )
    return file


def test_it_records_and_says_what_it_could_not(ctl: Ctl, config: Path, tmp_path: Path) -> None:
    """Readings and the configured file; the journal and a kind recordings do not have are named as missing."""
    code, out, err = ctl("-c", config, "--json", "record", "--for", "0.3s", "--every", "100ms", tmp_path / "new")
    whole = json.loads(out)
    assert (code, err, whole["schema"]) == (0, "", "analyzerd.recording/1")
    files = {one["name"]: one["records"] for one in whole["files"]}
    assert files["gunicorn.log"] == 0
    assert files["samples.jsonl"] >= 3
    assert any("journal" in why for why in whole["not_recorded"])
    assert any("kernel" in why for why in whole["not_recorded"])
    code, out, _ = ctl("diagnose", tmp_path / "new")
    assert (code, out.splitlines()[0]) == (0, "No problem was found.")


def test_the_next_step_is_printed(ctl: Ctl, config: Path, tmp_path: Path) -> None:
    """How to read it, and that it should be looked through before it is given away."""
    out = ctl("-c", config, "record", "--for", "0.1s", tmp_path / "new")[1]
    assert out.endswith(f"analyzerctl diagnose {tmp_path / 'new'}\n")
    assert "look through it" in out


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["--for", "soon"], 2, "soon"),
        (["--every", "x"], 2, "--every"),
        (["--for", "0s"], 1, "too short"),
        ([], 1, "not empty"),
    ],
)
def test_what_it_refuses(ctl: Ctl, config: Path, tmp_path: Path, arguments: list[str], status: int, word: str) -> None:
    """Nothing is written, the last line is the reason."""
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "note").write_text("mine")
    code, out, err = ctl("-c", config, "record", *arguments, folder)
    assert (code, out) == (status, "")
    assert "error: " in err.splitlines()[-1]
    assert word in err
    assert [path.name for path in folder.iterdir()] == ["note"]


def test_a_wrong_configuration_is_78(ctl: Ctl, tmp_path: Path) -> None:
    """As everywhere."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("frob: 1\n")
    assert ctl("-c", bad, "record", tmp_path / "new")[0] == 78
    assert not (tmp_path / "new").exists()
