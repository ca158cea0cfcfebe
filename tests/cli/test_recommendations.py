"""``recommendations``, ``apply`` and ``rollback`` from the stored incident to the file and back."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from analyzerd.core.edits import EditError
from analyzerd.core.promises import recommendation_id
from analyzerd.core.state import FORMAT
from analyzerd.model import Advised, Incident, Recommendation, SaveAdvised, SaveIncident, Severity, State, Verdict
from analyzerd.sources.proposed import Here, propose
from analyzerd.store.db import Store
from tests.cli.conftest import Ctl

INCIDENT = "INC-AAAAAAAAAA"
NAME = recommendation_id(INCIDENT, "gunicorn.timeout")
OLD = b"timeout = 30  # \xc3\xa4\r\nworkers = 3"
NEW = b"timeout = 60  # \xc3\xa4\r\nworkers = 3"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="writes as root only")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration whose database holds one incident with advice."""
    conf, file = tmp_path / "gunicorn.conf.py", tmp_path / "analyzerd.yaml"
    conf.write_bytes(OLD)
    file.write_text(f"state_dir: {tmp_path}\n")
    advices = (
        Recommendation("gunicorn.timeout", "raise it", 30, 60, "p99.9 is 41 s", str(conf), 1),
        Recommendation("database.pool_size", "a larger pool", 5, 8),
    )
    incident = Incident(
        INCIDENT, "shop", "timeout-too-low", "t", Severity.WARNING, Verdict.LIKELY, 0.8, State.OPEN, 1.0, 2.0,
        recommendations=advices,
    )  # fmt: skip
    with closing(Store(tmp_path / "analyzerd.db", state_format=FORMAT)) as store:
        rows = [
            Advised(
                recommendation_id(INCIDENT, a.setting),
                INCIDENT,
                "shop",
                "timeout-too-low",
                a.setting,
                a.current,
                a.proposed,
                "p95",
                "proposed",
                1.0,
            )
            for a in advices
        ]
        store.commit([SaveIncident(incident, "opened"), *(SaveAdvised(1.0, row) for row in rows)], [], None, 1.0)
    return file


def test_list_and_show(ctl: Ctl, config: Path) -> None:
    """Each has its id, its values and its diff, or the reason why there is none."""
    code, out, _ = ctl("recommendations", "-c", config, "list")
    assert code == 0
    assert f"{NAME}  proposed" in out
    assert "gunicorn.timeout 30 -> 60" in out
    code, out, _ = ctl("recommendations", "-c", config, "show", NAME.lower())
    assert "-timeout = 30" in out
    assert "+timeout = 60" in out
    assert "validated: it parses" in out
    shown = json.loads(
        ctl("--json", "recommendations", "-c", config, "show", recommendation_id(INCIDENT, "database.pool_size"))[1]
    )
    assert (shown["diff"], "own code" in shown["no_diff_because"]) == ("", True)
    assert ctl("recommendations", "-c", config, "show", "REC-NONE")[0] == 1


def test_the_printed_diff_is_taken_by_patch(config: Path, tmp_path: Path) -> None:
    """What goes into a pipe is the diff byte for byte."""
    conf = tmp_path / "gunicorn.conf.py"
    command = [
        sys.executable,
        "-c",
        "from analyzerd.cli import main; raise SystemExit(main())",
        "recommendations",
        "-c",
        str(config),
        "diff",
        NAME,
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run(["patch", "-p0", "-s", "--binary", "-d", "/"], input=done.stdout, check=True)
    assert conf.read_bytes() == NEW


def test_dismiss_is_asked_of_the_daemon(ctl: Ctl, config: Path) -> None:
    """The command waits for the daemon, with who asked."""
    assert ctl("recommendations", "-c", config, "dismiss", NAME)[0] == 0
    with closing(Store.open_readonly(config.parent / "analyzerd.db")) as store:
        assert [(one.kind, one.incident) for _, one in store.commands()] == [("dismiss", NAME)]


def _kept(config: Path) -> Path:
    return config.parent.with_name(f"{config.parent.name}-applied")


@needs_root
def test_apply_and_rollback(ctl: Ctl, config: Path) -> None:
    """The file is changed after a yes, and back to the byte; each only once."""
    conf = config.parent / "gunicorn.conf.py"
    assert ctl("rollback", "-c", config, NAME, "--yes")[0] == 1
    code, out, _ = ctl("apply", "-c", config, NAME, "--yes")
    assert (code, conf.read_bytes()) == (0, NEW)
    assert "systemctl reload shop.service" in out
    code, _, err = ctl("apply", "-c", config, NAME, "--yes")
    assert (code, "applied already" in err) == (1, True)
    kept = json.loads((_kept(config) / NAME / "plan.json").read_bytes())
    assert kept["known_good"]["values"]["gunicorn.timeout"] == 30
    code, out, _ = ctl("rollback", "-c", config, NAME, "--yes")
    assert (code, conf.read_bytes()) == (0, OLD)


@needs_root
def test_a_reload_that_fails_brings_the_file_back(ctl: Ctl, config: Path) -> None:
    """No unit of that name runs here, so that the reload fails: the file is the old one at once."""
    code, _, err = ctl("apply", "-c", config, NAME, "--yes", "--reload")
    assert (code, (config.parent / "gunicorn.conf.py").read_bytes()) == (1, OLD)
    assert "every file is as it was before" in err


@needs_root
def test_nothing_is_written_unasked_or_over_others(ctl: Ctl, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it wants --yes; a file changed since stays; a folder others can write is refused."""
    conf = config.parent / "gunicorn.conf.py"
    monkeypatch.setattr("sys.stdin", io.StringIO("y"))
    code, _, err = ctl("apply", "-c", config, NAME)
    assert (code, "--yes" in err, conf.read_bytes()) == (1, True, OLD)
    ctl("apply", "-c", config, NAME, "--yes")
    conf.write_bytes(b"mine\n")
    code, _, err = ctl("rollback", "-c", config, NAME, "--yes")
    assert (code, "changed since" in err, conf.read_bytes()) == (1, True, b"mine\n")
    _kept(config).chmod(0o777)
    code, _, err = ctl("rollback", "-c", config, NAME, "--yes")
    assert (code, "only root can write" in err) == (1, True)


@pytest.mark.parametrize(("now", "refused"), [(b"timeout = 90\n", True), (b"# new\ntimeout = 30\n", False)])
def test_a_value_that_somebody_changed_since_is_refused(ctl: Ctl, config: Path, now: bytes, refused: bool) -> None:
    """Advice worked out for 30 is not written over 90; that other lines have moved does not matter."""
    (config.parent / "gunicorn.conf.py").write_bytes(now)
    code, _, err = ctl("recommendations", "-c", config, "diff", NAME)
    assert (code, "changed since: it says 90" in err) == (int(refused), refused)


def test_an_nginx_value_is_compared_as_a_time(tmp_path: Path) -> None:
    """1m is 60s; 75s is what somebody else has set."""
    site = tmp_path / "site"
    advice = Recommendation("nginx.proxy_read_timeout", "raise it", "60s", "95s", "", str(site), 1)
    incident = Incident(
        INCIDENT, "shop", "nginx-timeout-mismatch", "t", Severity.WARNING, Verdict.LIKELY, 0.8, State.OPEN, 1.0, 2.0,
        recommendations=(advice,),
    )  # fmt: skip
    site.write_text("proxy_read_timeout 1m;\n")
    assert propose(incident, advice.setting, Here()).edits[0].new == b"proxy_read_timeout 95s;\n"
    site.write_text("proxy_read_timeout 75s;\n")
    with pytest.raises(EditError, match="changed since"):
        propose(incident, advice.setting, Here())


@needs_root
def test_what_was_applied_is_kept_where_only_root_writes(ctl: Ctl, config: Path) -> None:
    """Whoever may write beside it could put their own contents in."""
    config.parent.parent.chmod(0o777)
    try:
        code, _, said = ctl("apply", "-c", config, NAME, "--yes")
    finally:
        config.parent.parent.chmod(0o700)
    assert (code, "only root can write" in said) == (1, True)
    assert (config.parent / "gunicorn.conf.py").read_bytes() == OLD
