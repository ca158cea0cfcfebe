"""A fault keeps its name when the same evidence comes in another shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzerd.cli.diagnose import diagnose, load_rules
from analyzerd.model import Verdict
from analyzerd.sources.archive import open_archive
from tests.dressed import as_journal, without_timings
from tests.recordings import NO_EVIDENCE, RECORDED, Expected, all_expected

RULES = load_rules([])
ALL = pytest.mark.parametrize("expected", all_expected(), ids=lambda expected: expected.name)


@ALL
@pytest.mark.parametrize("unit", ["gunicorn.service", "shop.service"])
def test_a_journal_tells_the_same(expected: Expected, unit: str, tmp_path: Path) -> None:
    """Gunicorn's lines from the journal of a unit, readings and settings that name none."""
    found = diagnose(open_archive([str(as_journal(RECORDED / expected.name, tmp_path, unit))]), RULES)
    said = [i.cause for i in found.incidents]
    silence = not expected.causes or expected.or_none or expected.name in NO_EVIDENCE
    assert all(cause in expected.causes for cause in said)
    assert said or silence


@ALL
def test_logs_without_timings_tell_nothing_wrong(expected: Expected, tmp_path: Path) -> None:
    """Default access logs hold no durations: an answer may be lost, not turned."""
    found = diagnose(open_archive([str(without_timings(RECORDED / expected.name, tmp_path))]), RULES)
    wrong = [(i.cause, i.verdict.value) for i in found.incidents if i.cause not in expected.causes]
    assert not [one for one in wrong if one[1] != Verdict.POSSIBLE.value]
