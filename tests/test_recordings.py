"""Every recorded fault gets its own name, every healthy recording stays silent."""

from __future__ import annotations

import pytest

from analyzerd.cli.diagnose import load_rules
from tests.recordings import NO_EVIDENCE, Expected, all_expected, outcome_of

RULES = load_rules([])
ALL = all_expected()


@pytest.mark.parametrize("expected", ALL, ids=lambda expected: expected.name)
def test_a_recording_is_diagnosed_as_what_happened(expected: Expected) -> None:
    """Where a rule covers it the cause is right; where none does, nothing wrong is said."""
    outcome = outcome_of(expected, RULES)
    said = [(i.cause, i.verdict.value) for i in outcome.incidents]
    assert not outcome.failed, f"expected {expected.causes or 'silence'}, said {said or 'nothing'}"


def test_the_recordings_are_all_there() -> None:
    """Faults and healthy ones alike; a recording excused from evidence exists."""
    assert len(ALL) >= 64
    assert sum(not expected.causes for expected in ALL) >= 10
    assert set(NO_EVIDENCE) <= {expected.name for expected in ALL}
