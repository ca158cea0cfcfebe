"""``analyzerctl rules``: list, show, test, lint and draft rules, and say what they cover."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from analyzerd.cli import rules_coverage, rules_new
from analyzerd.core.facts import FACTS
from analyzerd.core.rehearse import rehearse
from analyzerd.core.scenario import diagnose_scenario
from analyzerd.core.solvers import SOLVERS
from analyzerd.errors import AnalyzerdError
from analyzerd.rules.layers import build
from analyzerd.rules.schema import CauseRule, Rule, RuleSet, SignalRule
from analyzerd.rules.selftest import run_cause_tests, run_signal_tests
from analyzerd.rules.yaml_strict import suggest
from analyzerd.sources.rulefiles import read_layers

OPERATOR_RULES = Path("/etc/analyzerd/rules.d")


def run(arguments: argparse.Namespace) -> int:
    """Do the action asked for."""
    if arguments.action == "new":
        return rules_new.run(arguments)
    rules = rules_in_force(arguments.rules_dir)
    actions = {"list": _list, "show": _show, "test": _test, "lint": _lint, "coverage": rules_coverage.run}
    return actions[arguments.action](arguments, rules)


def rules_in_force(folders: Iterable[str]) -> RuleSet:
    """Rules of the vendor, the operator, and of more folders; files that cannot be used are among its problems."""
    return build(read_layers([OPERATOR_RULES, *map(Path, folders)]), facts=FACTS, solvers=SOLVERS)


def _all(rules: RuleSet) -> dict[str, Rule]:
    return {**rules.signals, **rules.causes}


def _kind(rule: Rule) -> str:
    return "signal" if isinstance(rule, SignalRule) else "cause"


def _list(arguments: argparse.Namespace, rules: RuleSet) -> int:
    chosen = [r for r in _all(rules).values() if arguments.kind in (None, _kind(r))]
    if arguments.json:
        rows = [
            {"id": r.id, "kind": _kind(r), "severity": r.severity.value, "status": r.status, "title": r.title,
             "origin": r.origin}
            for r in chosen
        ]  # fmt: skip
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return _complain(rules.problems)
    width = max((len(r.id) for r in chosen), default=0)
    for rule in chosen:
        sys.stdout.write(f"{rule.id:<{width}}  {_kind(rule):6}  {rule.severity.value:8}  {rule.title}\n")
    return _complain(rules.problems)


def _complain(problems: Sequence[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def _one(rules: RuleSet, name: str) -> Rule:
    known = _all(rules)
    if name not in known:
        raise AnalyzerdError(f"no rule {name!r}{suggest(name, known)}; `analyzerctl rules list` names them all")
    return known[name]


def _show(arguments: argparse.Namespace, rules: RuleSet) -> int:
    rule = _one(rules, arguments.rule)
    sys.stdout.write(f"# in force from {rule.origin}\n")
    for layer in reversed(read_layers([OPERATOR_RULES, *map(Path, arguments.rules_dir)])):
        name = rule.origin.removeprefix(f"{layer.name}/")
        if name in layer.files:
            sys.stdout.write(layer.files[name])
            break
    adjusted = [w for w in rules.warnings if rule.id in w]
    for warning in adjusted:
        sys.stdout.write(f"# {warning}\n")
    return 0


def _test(arguments: argparse.Namespace, rules: RuleSet) -> int:
    chosen = [_one(rules, name) for name in arguments.rules] or list(_all(rules).values())
    failures = list(rule_failures(chosen, rules))
    for failure in failures:
        sys.stdout.write(f"{failure}\n")
    count = sum(len(rule.tests) for rule in chosen)
    sys.stdout.write(f"{len(chosen)} rules, {count} tests, {len(failures)} failures\n")
    return 1 if failures or rules.problems else 0


def rule_failures(chosen: Iterable[Rule], rules: RuleSet) -> Iterable[str]:
    """A readable line per failing test of the chosen rules."""
    for rule in chosen:
        if isinstance(rule, CauseRule):
            yield from run_cause_tests(rule, lambda stream: diagnose_scenario(stream, rules))
        else:
            yield from run_signal_tests(rule, rehearse)


def _lint(arguments: argparse.Namespace, rules: RuleSet) -> int:
    del arguments
    for warning in rules.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if not rules.problems:
        sys.stdout.write(f"{len(_all(rules))} rules, no mistake\n")
    return _complain(rules.problems)
