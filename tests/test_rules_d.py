"""Every rule that is shipped: its own tests, its words, and its behaviour on hostile lines."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from analyzerd.core.facts import FACTS
from analyzerd.core.matcher import Matcher
from analyzerd.core.rehearse import rehearse
from analyzerd.core.scenario import diagnose_scenario
from analyzerd.core.solvers import SOLVERS
from analyzerd.model import Event, Severity
from analyzerd.rules.layers import Layer, build
from analyzerd.rules.pattern import lint
from analyzerd.rules.schema import CauseRule, RuleTest, SignalRule
from analyzerd.rules.selftest import run_cause_tests, run_signal_tests

ROOT = Path(__file__).parent.parent / "rules.d"
RULES = build(
    [Layer("rules.d", {str(path.relative_to(ROOT)): path.read_text() for path in ROOT.rglob("*.yaml")})],
    facts=FACTS,
    solvers=SOLVERS,
)
SIGNALS = list(RULES.signals.values())
LINE_BYTES = 8192
CAUSES = list(RULES.causes.values())


def test_every_shipped_file_can_be_used() -> None:
    """No file of ours has a mistake, and no cause waits for a signal that does not exist."""
    assert RULES.problems == ()
    assert RULES.warnings == ()
    assert len(SIGNALS) > 90


@pytest.mark.parametrize("rule", SIGNALS, ids=lambda rule: rule.id)
def test_a_signal_rule_passes_its_own_tests(rule: SignalRule) -> None:
    """Real lines match with the captures the file promises; look-alikes do not."""
    assert run_signal_tests(rule, rehearse) == []


@pytest.mark.parametrize("rule", SIGNALS, ids=lambda rule: rule.id)
def test_a_signal_rule_is_documented(rule: SignalRule) -> None:
    """Someone who meets it in a message can read what it means and where that is written."""
    assert len(rule.description) > 30
    assert rule.references
    assert rule.id.split(".")[0] == rule.origin.split("/")[1]


@pytest.mark.parametrize("rule", CAUSES, ids=lambda rule: rule.id)
def test_a_cause_rule_passes_its_own_tests(rule: CauseRule) -> None:
    """Each recorded situation gets the verdict that the file promises."""
    assert rule.tests
    assert run_cause_tests(rule, lambda stream: diagnose_scenario(stream, RULES)) == []


@pytest.mark.parametrize("rule", [rule for rule in SIGNALS if rule.regex], ids=lambda rule: rule.id)
def test_a_pattern_stays_fast_on_hostile_lines(rule: SignalRule) -> None:
    """Eight kilobytes made of the rule's own words and of what its classes accept take a moment at most."""
    assert lint(rule.regex) == ""
    matcher = Matcher([rule])
    seeds = [
        *rule.literals,
        *(test.line[-60:] for test in rule.tests),
        "a",
        "0",
        " ",
        '"',
        "1.",
        "(",
        "\u00e9",
        "/a ",
    ]
    texts = [(seed * LINE_BYTES)[:LINE_BYTES] for seed in seeds if seed]
    texts += [literal + text[: LINE_BYTES // 2] + "!" for literal in rule.literals for text in texts]
    start = time.process_time()
    for text in texts:
        fields = dict.fromkeys(("message", "exception_text"), text)
        matcher.match(Event(0.0, rule.sources[0], text, fields=fields))
    assert time.process_time() - start < 0.05 * len(texts)


def test_no_sample_line_is_claimed_by_two_rules_of_one_folder() -> None:
    """Two telling rules never say the same of one line; context (info) may stand beside one."""
    twice: dict[str, list[str]] = {}
    for owner in SIGNALS:
        rivals = [rule for rule in SIGNALS if rule is not owner and _rivals(rule, owner)]
        for test in owner.tests:
            claimed = [rule.id for rule in rivals if test.expect is not None and _claims(rule, owner, test)]
            if claimed:
                twice[f"{owner.id}: {test.name}"] = claimed
    assert twice == {}


def _rivals(rule: SignalRule, owner: SignalRule) -> bool:
    telling = Severity.INFO not in (rule.severity, owner.severity)
    return telling and rule.id.split(".")[0] == owner.id.split(".")[0]


def _claims(rule: SignalRule, owner: SignalRule, test: RuleTest) -> bool:
    kind = test.source or owner.sources[0]
    return kind in rule.sources and bool(rehearse(rule, test))
