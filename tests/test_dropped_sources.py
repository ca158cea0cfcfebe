"""A source that is missing may cost the answer, never turn it into a wrong one: every recording, less its sources."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzerd.cli.diagnose import diagnose, load_rules
from analyzerd.model import Incident, Truth, Verdict
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.archive import open_archive
from tests.recordings import RECORDED, Expected, all_expected

SOURCES = {
    "gunicorn's log": ("gunicorn.log",),
    "gunicorn's access log": ("gunicorn-access.log",),
    "nginx's access log": ("nginx-access.log",),
    "nginx's error log": ("nginx-error.log",),
    "nginx's configuration": ("nginx.conf",),
    "nginx": ("nginx-access.log", "nginx-error.log", "nginx.conf"),
    "samples": ("samples.jsonl",),
    "kernel": ("kernel.json",),
    "command line": ("gunicorn.cmdline",),
}


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    """The rules as shipped."""
    return load_rules([])


def without(recording: Path, files: Iterable[str], folder: Path) -> Path:
    """The same recording as if these files had never been written."""
    left = folder / recording.name
    left.mkdir()
    for path in recording.iterdir():
        if path.name not in {*files, "expected.json"}:
            (left / path.name).symlink_to(path)
    return left


def diagnosed(expected: Expected, files: Iterable[str], folder: Path, rules: RuleSet) -> list[Incident]:
    """What is said of the recording without these files."""
    return diagnose(open_archive([str(without(RECORDED / expected.name, files, folder))]), rules).incidents


def is_wrong(incident: Incident, expected: Expected) -> bool:
    """Whether it claims, and not merely considers, what did not happen."""
    return incident.verdict is not Verdict.POSSIBLE and incident.cause not in expected.causes


def names_what_is_missing(incident: Incident) -> bool:
    """Whether some suspect says which witness was not heard."""
    return any(e.truth is Truth.UNKNOWN and e.says for h in incident.hypotheses for e in h.evidence)


@pytest.mark.parametrize("dropped", SOURCES)
@pytest.mark.parametrize("expected", all_expected(), ids=lambda e: e.name)
def test_a_missing_source_never_makes_a_wrong_answer(
    expected: Expected, dropped: str, rules: RuleSet, tmp_path: Path
) -> None:
    """What is left gives the right answer, or one no surer than ``possible``."""
    recording = RECORDED / expected.name
    if not any((recording / name).exists() for name in SOURCES[dropped]):
        pytest.skip("not in this recording")
    found = diagnosed(expected, SOURCES[dropped], tmp_path, rules)
    wrong = [(i.cause, i.verdict.value, i.confidence) for i in found if is_wrong(i, expected)]
    assert not wrong
    unsaid = [i.cause for i in found if i.cause not in expected.causes and not names_what_is_missing(i)]
    assert not unsaid


@given(st.sampled_from(all_expected()), st.sets(st.sampled_from(sorted({f for fs in SOURCES.values() for f in fs}))))
@settings(max_examples=150, deadline=None)
def test_nor_do_several_missing_ones(rules: RuleSet, expected: Expected, dropped: set[str]) -> None:
    """However little is left, nothing wrong is claimed."""
    here = {path.name for path in (RECORDED / expected.name).iterdir()} - {"expected.json"}
    if not here - dropped:
        return
    with TemporaryDirectory() as folder:
        found = diagnosed(expected, dropped, Path(folder), rules)
    assert not [(i.cause, i.verdict.value) for i in found if is_wrong(i, expected)]
