"""The tests inside rule files are able to fail, and say how."""

from __future__ import annotations

from analyzerd.core.rehearse import rehearse
from analyzerd.rules.loader import load_rule
from analyzerd.rules.schema import CauseRule, SignalRule
from analyzerd.rules.selftest import run_cause_tests, run_signal_tests

LINE = "[2026-11-23 07:00:48 +0000] [25900] [CRITICAL] WORKER TIMEOUT (pid:25916)"
RULE = rf"""rule: gunicorn.worker-timeout
kind: signal
severity: warning
title: x
description: x
source: gunicorn
match:
  regex: '^WORKER TIMEOUT \(pid:(?P<worker>\d{{1,10}})\)$'
fields: {{worker: pid}}
tests:
  - name: real
    line: '{LINE}'
    expect: {{worker: 25916, pid: 25900}}
  - name: look-alike
    line: '[2026-11-23 07:00:48 +0000] [25900] [CRITICAL] DIRTY WORKER TIMEOUT (pid:25916)'
    expect: no match
"""
CAUSE = """rule: slow
kind: cause
severity: info
title: x
description: x
opens_on: a.b
tests:
  - {name: one, stream: 'x', expect: {cause: slow, verdict: likely}}
"""


def _failures(old: str = "", new: str = "") -> list[str]:
    assert old in RULE
    rule = load_rule(RULE.replace(old, new, 1), "gunicorn/worker-timeout.yaml")
    assert isinstance(rule, SignalRule)
    return run_signal_tests(rule, rehearse)


def test_a_good_rule_passes() -> None:
    """No failure, no noise."""
    assert _failures() == []


def test_a_wrong_capture_is_shown() -> None:
    """Expected and found stand side by side, at the line of the test."""
    assert _failures("worker: 25916", "worker: 7") == [
        "gunicorn/worker-timeout.yaml:11: test 'real': worker: expected 7, got 25916"
    ]


def test_a_field_that_does_not_exist_gets_a_suggestion() -> None:
    """A typing error in an expectation is not a silent pass."""
    assert "no such field, did you mean 'worker'?" in _failures("worker: 25916", "workr: 25916")[0]


def test_a_pattern_that_matches_too_little_fails() -> None:
    """The sample line must match."""
    assert "test 'real': no match for" in _failures("'^WORKER TIMEOUT", "'^WORKER  TIMEOUT")[0]


def test_a_pattern_that_matches_too_much_fails() -> None:
    """The look-alike must not match."""
    failures = _failures("'^WORKER TIMEOUT", "'^(?:DIRTY )?WORKER TIMEOUT")
    assert failures == [
        "gunicorn/worker-timeout.yaml:14: test 'look-alike': matched, but should not: "
        + failures[0].split("not: ", 1)[1]
    ]
    assert "worker=25916" in failures[0]


def test_a_rule_without_both_kinds_of_test_fails() -> None:
    """A rule that was never shown a look-alike is not tested."""
    assert "needs a test with a look-alike" in _failures(RULE[RULE.index("  - name: look") :], "")[0]


def test_a_cause_test_compares_the_verdict() -> None:
    """The verdict of the named cause counts, others are listed to help."""
    rule = load_rule(CAUSE, "slow.yaml")
    assert isinstance(rule, CauseRule)
    assert run_cause_tests(rule, lambda _: [("slow", "likely", ""), ("other", "possible", "")]) == []
    assert run_cause_tests(rule, lambda _: [("slow", "possible", "")]) == [
        "slow.yaml:8: test 'one': expected slow likely, got possible (found: slow possible)"
    ]
    assert "got none (found: nothing)" in run_cause_tests(rule, lambda _: [])[0]


def test_a_wrong_reason_is_shown() -> None:
    """The refinement of a cause is part of what a test promises."""
    rule = load_rule(CAUSE.replace("verdict: likely", "verdict: likely, because: leak"), "causes/slow.yaml")
    assert isinstance(rule, CauseRule)
    assert run_cause_tests(rule, lambda _: [("slow", "likely", "leak")]) == []
    assert "expected because leak, got spike" in run_cause_tests(rule, lambda _: [("slow", "likely", "spike")])[0]
