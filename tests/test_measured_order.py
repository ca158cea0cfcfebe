"""Causes judged on loads of hundreds of requests keep their answers in any order and over a restart."""

from __future__ import annotations

import pytest

from analyzerd.rules.schema import CauseRule
from tests.core.stage import RULES, is_measured, stands_any_order_and_a_restart


@pytest.mark.parametrize("rule", [r for r in RULES.causes.values() if is_measured(r)], ids=lambda rule: rule.id)
def test_a_measured_cause_stands_any_order_and_a_restart(rule: CauseRule) -> None:
    """The loads inside the cause rules, shuffled and interrupted, keep their answers."""
    stands_any_order_and_a_restart(rule)
