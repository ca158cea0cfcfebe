"""What to collect next: the table knows a way to everything that rules ask for."""

from __future__ import annotations

from analyzerd.core.checks import CHECKS, OF_FACT, OF_SOURCE, checks_for
from analyzerd.rules.crosscheck import conditions_of
from analyzerd.rules.vocabulary import SOURCES
from tests.core.stage import RULES


def test_every_condition_of_every_rule_has_a_check_that_opens_it() -> None:
    """Whatever can be missing, the table says how to get it."""
    lost = {
        f"{cause.id}: {condition.fact or condition.setting or condition.signal or condition.absent}"
        for cause in RULES.causes.values()
        for condition in conditions_of(cause)
        if not checks_for(condition, RULES)
    }
    assert lost == set(), "add a line for it to OF_FACT in analyzerd/core/checks.py"


def test_the_table_names_only_what_there_is() -> None:
    """Every entry leads to a check, every source has one."""
    named = {check for checks in (*OF_SOURCE.values(), *OF_FACT.values()) for check in checks}
    assert named <= set(CHECKS)
    assert set(OF_SOURCE) == set(SOURCES)
