"""A mistake in a rule file is found at load, with its place and what to write instead."""

# ruff: noqa: E501 - tables read better unbroken
from __future__ import annotations

import pytest

from analyzerd.errors import ConfigError, RuleError
from analyzerd.rules.loader import load_rule
from analyzerd.rules.schema import CauseRule, Comparison, SignalRule
from analyzerd.rules.yaml_strict import parse

SIGNAL = r"""rule: gunicorn.worker-timeout
kind: signal
severity: warning
title: a worker was stopped
description: it no longer reported in
source: gunicorn
match:
  contains: 'WORKER TIMEOUT'
  regex: '^WORKER TIMEOUT \(pid:(?P<worker>\d{1,10})\)$'
  where: {level: CRITICAL}
fields: {worker: pid}
opens: worker
tests:
  - name: as printed
    line: '[2026-11-23 07:00:48 +0000] [25900] [CRITICAL] WORKER TIMEOUT (pid:25916)'
    expect: {worker: 25916}
  - name: a look-alike
    line: 'WORKER TIMEOUT'
    expect: no match
"""
CAUSE = """rule: too-slow
kind: cause
severity: critical
title: a request took {value:duration}
description: it did
opens_on: gunicorn.worker-timeout
prior: 0.8
applies: {gunicorn: '>=22', worker_class: [sync]}
key: [endpoint.now]
evidence:
  - id: stack
    signal: gunicorn.request-error
    join: worker
    within: 1m30s
    count: '>= 3'
    where: {stack_kind: [sleep, lock], aborted: true}
    decisive: true
    says: 'it was in {frame}'
  - id: memory
    fact: unit.memory
    is: '>= 90%'
    weight: strong
    says: '{value:.0%} of memory, {value:bytes}'
against:
  - id: configured
    setting: gunicorn.workers
    is: '< 2'
    says: 'only {value} workers'
because:
  - id: sleeping
    when: {fact: unit.memory, is: '> 2GiB'}
    says: 'it slept'
recommend:
  - setting: gunicorn.timeout
    solver: timeout-for
    says: 'set {proposed}'
tests:
  - name: one
    stream: |
      +0s gunicorn [8] [CRITICAL] WORKER TIMEOUT (pid:9)
    expect: {cause: too-slow, verdict: confirmed}
"""
FACTS = frozenset({"unit.memory", "endpoint.now"})
SOLVERS = frozenset({"timeout-for"})


def _signal(old: str = "", new: str = "") -> str:
    assert old in SIGNAL
    return SIGNAL.replace(old, new, 1)


def _load_cause(old: str = "", new: str = "") -> object:
    assert old in CAUSE
    return load_rule(CAUSE.replace(old, new, 1), "too-slow.yaml", facts=FACTS, solvers=SOLVERS)


def test_a_signal_rule_is_read_whole() -> None:
    """Every key of a good signal file arrives in the value."""
    rule = load_rule(SIGNAL, "gunicorn/worker-timeout.yaml")
    assert isinstance(rule, SignalRule)
    assert (rule.sources, rule.opens, dict(rule.fields)) == (("gunicorn",), "worker", {"worker": "pid"})
    assert rule.where["level"] == Comparison("==", ("CRITICAL",), "CRITICAL")
    assert rule.literals == ("WORKER TIMEOUT",)
    assert [test.expect for test in rule.tests] == [{"worker": 25916}, None]
    assert rule.tests[1].source_line == 17


def test_a_cause_rule_is_read_whole() -> None:
    """Conditions, comparisons and durations of a good cause file arrive typed."""
    rule = _load_cause()
    assert isinstance(rule, CauseRule)
    stack, memory = rule.evidence
    assert (stack.join, stack.within_s, stack.min_count, stack.decisive) == ("worker", 90.0, 3, True)
    assert stack.where["stack_kind"].values == ("sleep", "lock")
    assert stack.where["aborted"] == Comparison("==", (True,), "true")
    assert memory.compare == Comparison(">=", (0.9,), ">= 90%")
    assert rule.because[0].when is not None
    assert rule.because[0].when.compare == Comparison(">", (2 << 30,), "> 2GiB")
    assert (rule.applies.gunicorn, rule.applies.worker_class, rule.prior) == (">=22", ("sync",), 0.8)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "\n\n"])
def test_an_empty_file_is_no_rule(text: str) -> None:
    """An empty file switches a rule off instead of being an error."""
    assert load_rule(text, "x.yaml") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("match:", "matc:", "7:1: unknown key 'matc', did you mean 'match'?"),
        ("  contains:", "  contain:", "8:3: unknown key 'contain', did you mean 'contains'?"),
        ("opens: worker", "opens: wroker", "12:8: opens 'wroker' is not one of worker, app, upstream, did you"),
        ("severity: warning", "severity: high", "3:11: severity 'high' is not one of critical, warning, info"),
        ("opens: worker", "title: again", "12:1: key 'title' stands twice; first on line 4"),
        ("opens: worker", "opens: &x worker", "12:8: anchors and aliases are not allowed"),
        ("opens: worker", "opens: !!str worker", "12:8: tags such as"),
        ("level: CRITICAL", "level: no", "10:18: 'no' is a truth value to some readers"),
        ("level: CRITICAL", "level: 2026-11-23", "10:18: '2026-11-23' would be read as timestamp"),
        ("level: CRITICAL", "level: 0x1F", "10:18: '0x1F' would be read as int"),
        ("level: CRITICAL", "level: 1:30", "10:18: '1:30' would be read as int"),
        ("level: CRITICAL", "level: ~", "10:18: a value is missing here"),
        ("opens: worker", "opens:", "12:7: a value is missing here"),
        ("where: {level: CRITICAL}", "where: {level: CRITICAL", "11:7: while parsing a flow mapping"),
        ("fields: {worker: pid}", "fields: {workr: pid}", "11:10: field 'workr' is no named group"),
        ("fields: {worker: pid}", "fields: {worker: number}", "11:18: type 'number' is not one of pid, int"),
        ("fields: {worker: pid}\n", "", "8:3: named group 'worker' has no type in `fields`"),
        ("'WORKER TIMEOUT'", "'TIMED OUT'", "8:13: contains 'TIMED OUT' is not in every match of the regex"),
        ("'WORKER TIMEOUT'", "'WO'", "8:13: contains 'WO' is too short"),
        ("'^WORKER", "'WORKER", "9:10: regex: a regex starts with '^'"),
        (r"TIMEOUT \(", r"TIMEOUT\s\(", r"9:10: regex: \s also matches tabs"),
        (r"\d{1,10}", r"(?:\d+)+", "9:10: regex: a quantifier inside a quantifier"),
        (r"\d{1,10}", r"\d+.*x.*", "9:10: regex: at most one"),
        (r"\d{1,10})", r"\d{1,10}", "9:10: regex: not a regex"),
        ("'^WORKER TIM", "'(?i)^WORKER TIM", "9:10: regex: inline flags"),
        ("(?P<worker>", "(?P<worker>(1)?", "9:10: use (?:...) or name the group"),
        ("rule: gunicorn.worker-timeout", "rule: gunicorn.other", "1:7: rule 'gunicorn.other' must stand in a file"),
        ("expect: no match", "expect: nothing", "19:13: expect is a mapping of captured values"),
        ("    line: 'WORKER TIMEOUT'\n", "", "17:5: a test has exactly one of line, lines, entry"),
        ("source: gunicorn", "source: gunicron", "6:9: source: unknown 'gunicron', did you mean 'gunicorn'?"),
        ("title: a worker was stopped\n", "", "1:1: a signal rule needs 'title'"),
        ("description: it no", "references: http://x\ndescription: it no", "5:13: references: 'http://x' is not an"),
        ("kind: signal", "kind: pattern", "2:7: kind 'pattern' is not one of signal, cause"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_signal_rule_has_its_place(old: str, new: str, message: str) -> None:
    """Each mistake is reported at its line and column, with what is wrong."""
    with pytest.raises(RuleError) as caught:
        load_rule(_signal(old, new), "gunicorn/worker-timeout.yaml")
    assert str(caught.value).startswith(f"gunicorn/worker-timeout.yaml:{message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fact: unit.memory\n    is: '>= 90%'", "fact: unit.memry\n    is: '>= 90%'", "unknown fact 'unit.memry', did you mean 'unit.memory'?"),
        ("solver: timeout-for", "solver: timeout_for", "unknown solver 'timeout_for', did you mean 'timeout-for'?"),
        ("is: '>= 90%'", "is: '>= much'", "'much' has no order"),
        ("is: '>= 90%'", "is: '>='", "'>=' needs a value"),
        ("    is: '>= 90%'\n", "", "fact needs `is`"),
        ("    signal: gunicorn.request-error\n", "", "exactly one of signal, absent, fact, setting"),
        ("    join: worker", "    fact: unit.memory", "exactly one of signal, absent, fact, setting"),
        ("{frame}", "{frame.__class__}", "is no fact"),
        ("{value:.0%}", "{value!r}", "is not a plain name"),
        ("{value:.0%}", "{value:wide}", "'wide' after 'value' is no number format"),
        ("{value:.0%}", "{value:.0%", "says: "),
        ("id: memory", "id: stack", "id 'stack' stands twice"),
        ("prior: 0.8", "prior: 1.8", "prior lies between 0 and 1"),
        ("'>=22'", "'22+'", "is no version range"),
        ("worker_class: [sync]", "worker_class: [synk]", "unknown 'synk', did you mean 'sync'?"),
        ("within: 1m30s", "within: soon", "'soon' is not a duration"),
        ("count: '>= 3'", "count: '< 3'", "count is written '>= 3'"),
        ("weight: strong", "weight: huge", "weight 'huge' is not one of weak, medium, strong"),
        ("verdict: confirmed", "verdict: sure", "verdict 'sure' is not one of confirmed"),
        ("opens_on: gunicorn.worker-timeout\n", "", "a cause rule needs 'opens_on'"),
        ("decisive: true", "decisive: 1", "decisive must be true or false"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_cause_rule_is_named(old: str, new: str, message: str) -> None:
    """Unknown facts, solvers, words, formats and comparisons are refused with a position."""
    with pytest.raises(RuleError) as caught:
        _load_cause(old, new)
    assert message in str(caught.value)
    assert caught.value.line > 0


def test_without_vocabulary_names_are_not_checked() -> None:
    """A rule can be read before core has said which facts it knows."""
    rule = load_rule(CAUSE.replace("unit.memory", "unit.other"), "too-slow.yaml")
    assert isinstance(rule, CauseRule)


def test_deep_nesting_and_long_files_end_in_an_error() -> None:
    """A hostile file is refused instead of exhausting the stack or memory."""
    with pytest.raises(RuleError, match="nested deeper"):
        parse("a: " + "[" * 500 + "]" * 500, "x.yaml")
    with pytest.raises(RuleError, match="longer than"):
        parse("# " + "x" * 300_000, "x.yaml")


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "a: *b\n", "<<: {a: 1}\n", "? [a]\n: 1\n", "a: \x00\n", "\t- a"])
def test_odd_yaml_is_an_error_of_the_file(text: str) -> None:
    """Whatever YAML offers beyond plain data becomes the file's error, not a crash."""
    with pytest.raises(RuleError):
        parse(text, "x.yaml")


def test_the_reader_raises_the_error_its_file_asks_for() -> None:
    """The configuration file uses the same reader with its own error."""
    with pytest.raises(ConfigError, match=r"c\.yaml:2:1: key 'a' stands twice"):
        parse("a: 1\na: 2\n", "c.yaml", ConfigError)
