"""Runs the tests that stand in rule files. Matching and diagnosing are the caller's; this compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from analyzerd.model import Fields, Value, Verdict
from analyzerd.rules.schema import CauseRule, RuleTest, SignalRule
from analyzerd.rules.yaml_strict import suggest

MatchTest: TypeAlias = Callable[[SignalRule, RuleTest], Sequence[Fields]]
"""A rule and one of its tests to what the rule found: for each match the event's fields and captures."""

Diagnose: TypeAlias = Callable[[str], Sequence[tuple[str, str, str]]]
"""A stream's text to (cause, verdict, because) of every hypothesis, the leading one of each incident first."""


def run_signal_tests(rule: SignalRule, match: MatchTest) -> list[str]:
    """Return a readable line per failing test of a signal rule; it needs a test of each kind."""
    failures = [failure for test in rule.tests for failure in _signal_failures(rule, test, match)]
    for wanted, what in ((True, "a line that matches"), (False, "a look-alike with `expect: no match`")):
        if not any((test.expect is not None) == wanted for test in rule.tests):
            failures.append(f"{rule.origin}: rule {rule.id} needs a test with {what}")
    return failures


def run_cause_tests(rule: CauseRule, diagnose: Diagnose) -> list[str]:
    """Return a readable line per failing test of a cause rule."""
    failures: list[str] = []
    for test in rule.tests:
        answers = list(reversed(list(diagnose(test.stream))))
        verdicts = {name: verdict for name, verdict, _ in answers}
        expect: Mapping[str, Value] = test.expect or {}
        cause = str(expect.get("cause", rule.id))
        wanted, got = str(expect.get("verdict", Verdict.CONFIRMED)), verdicts.get(cause)
        if got != wanted:
            others = ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items()) or "nothing"
            failures.append(_at(rule.origin, test, f"expected {cause} {wanted}, got {got or 'none'} (found: {others})"))
        because, given = expect.get("because"), {name: reason for name, _, reason in answers}.get(cause)
        if because is not None and given != because:
            failures.append(_at(rule.origin, test, f"expected because {because}, got {given or 'none'}"))
    return failures


def _signal_failures(rule: SignalRule, test: RuleTest, match: MatchTest) -> list[str]:
    found = match(rule, test)
    if test.expect is None:
        return [_at(rule.origin, test, f"matched, but should not: {_show(found[0])}")] if found else []
    if not found:
        return [_at(rule.origin, test, f"no match for {test.line or dict(test.entry)!r}")]
    if any(_fits(test.expect, fields) for fields in found):
        return []
    return [_at(rule.origin, test, problem) for problem in _differences(test.expect, found[0])]


def _fits(expect: Mapping[str, Value], fields: Fields) -> bool:
    return all(name in fields and fields[name] == value for name, value in expect.items())


def _differences(expect: Mapping[str, Value], fields: Fields) -> list[str]:
    return [
        f"{name}: expected {value!r}, got {fields[name]!r}"
        if name in fields
        else f"{name}: expected {value!r}, but there is no such field{suggest(name, list(fields))}"
        for name, value in expect.items()
        if name not in fields or fields[name] != value
    ]


def _at(origin: str, test: RuleTest, message: str) -> str:
    return f"{origin}:{test.source_line}: test {test.name!r}: {message}"


def _show(fields: Fields) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in fields.items()) or "no captures"
