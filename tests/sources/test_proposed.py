"""From advice to the diff of a real file: what it says, when it is worked out again, and what is never written."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.core.edits import EditError
from analyzerd.daemon.diffs import Diffs
from analyzerd.model import Effect, Incident, Recommendation, SaveIncident, Severity, State, Verdict
from analyzerd.sources.proposed import Here, propose, with_diffs

OLD = "# shop\ntimeout = 30  # as the guide says\nworkers = 3\n"


def incident(*advices: Recommendation, app: str = "shop") -> Incident:
    """Return an incident with this advice."""
    return Incident(
        "INC-AAAAAAAAAA", app, "timeout-too-low", "t", Severity.WARNING, Verdict.LIKELY, 0.8, State.OPEN, 1.0, 2.0,
        recommendations=advices,
    )  # fmt: skip


@pytest.fixture
def advice(tmp_path: Path) -> Recommendation:
    """Return advice about a file that is there."""
    conf = tmp_path / "gunicorn.conf.py"
    conf.write_text(OLD)
    return Recommendation("gunicorn.timeout", "raise it", 30, 60, "p99.9 is 41 s", str(conf), 2)


def test_the_diff_leads_there_and_back(advice: Recommendation, tmp_path: Path) -> None:
    """What the incident holds is what patch takes, in both directions, byte for byte."""
    one = with_diffs(incident(advice), Here()).recommendations[0]
    assert "-timeout = 30" in one.diff
    for diff in (one.diff, one.rollback):
        subprocess.run(["patch", "-p0", "-d", "/"], input=diff.encode(), check=True, capture_output=True)
        assert (tmp_path / "gunicorn.conf.py").read_text() == (OLD if diff is one.rollback else OLD.replace("30", "60"))


def test_without_a_diff_it_says_why(advice: Recommendation) -> None:
    """A file that is not there, and a setting of the app's own code."""
    pool = Recommendation("database.pool_size", "a larger pool", 5, 8)
    told = with_diffs(incident(replace(advice, file="/nowhere/gunicorn.conf.py"), pool), Here()).recommendations
    assert [one.diff for one in told] == ["", ""]
    assert "/nowhere/gunicorn.conf.py cannot be read" in told[0].no_diff_because
    assert "own code" in told[1].no_diff_because


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("gunicorn.on_starting", "x"),
        ("gunicorn.worker_class", "sync\nimport os"),
        ("gunicorn.worker_class", "__import__('os').system('id')"),
        ("unit.ExecStartPre", "/tmp/x"),
        ("nginx.proxy_read_timeout", "60s; include /tmp/x"),
    ],
)
def test_what_is_no_value_is_never_written(advice: Recommendation, setting: str, value: str) -> None:
    """The database is the daemon's; root writes known settings and plain values only."""
    with pytest.raises(EditError, match="nothing that is ever recommended"):
        propose(incident(replace(advice, setting=setting, proposed=value)), setting, Here())


def test_a_unit_is_a_service(advice: Recommendation) -> None:
    """An app's name that leads out of systemd's folders is refused; a configured unit is taken."""
    with pytest.raises(EditError, match="no name of a service"):
        propose(incident(advice, app="../../etc/x"), "gunicorn.timeout", Here())
    assert propose(incident(advice), "gunicorn.timeout", Here({"shop": "web@1.service"})).commands == (
        ("systemctl", "reload", "web@1.service"),
    )


def test_it_is_worked_out_again_when_the_advice_changes(advice: Recommendation) -> None:
    """Every other word of an incident leaves the files alone."""
    diffs = Diffs(Here())
    first = _diff(diffs.added(SaveIncident(incident(advice), "opened")))
    Path(advice.file).write_text("workers = 3\n" + OLD)
    assert _diff(diffs.added(SaveIncident(incident(advice), "updated"))) == first
    changed = replace(advice, proposed=90)
    assert "+timeout = 90" in _diff(diffs.added(SaveIncident(incident(changed), "updated")))


def _diff(effect: Effect) -> str:
    assert isinstance(effect, SaveIncident)
    return effect.incident.recommendations[0].diff
