"""One rule on trial: read from a file or taken by its id, added to the rules in force and told like any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from analyzerd.core.facts import FACTS
from analyzerd.core.solvers import SOLVERS
from analyzerd.errors import AnalyzerdError, RuleError
from analyzerd.rules.crosscheck import cross_check
from analyzerd.rules.loader import load_rule
from analyzerd.rules.schema import CauseRule, Rule, RuleSet, SignalRule
from analyzerd.rules.yaml_strict import suggest

FIRM, SHADOW = "stable", "shadow"


@dataclass(frozen=True, slots=True)
class Trial:
    """The rule, and the rules in force with it and without it."""

    rule: Rule
    added: RuleSet
    without: RuleSet


def trial(name: str, rules: RuleSet) -> Trial:
    """Put a rule on trial: ``name`` is a rule file or the id of a rule in force. Raises AnalyzerdError."""
    file = name.endswith(".yaml") or Path(name).is_file()
    found = _from_file(Path(name)) if file else _by_id(name, rules)
    rule = replace(found, status=FIRM)
    added = _with(rules, rule)
    problems = cross_check(added.signals, added.causes, FACTS)
    if problems:
        raise RuleError(problems[0])
    # A file and a shadow rule are compared with what is told today; a rule in force with its absence.
    today = file or found.status == SHADOW
    return Trial(rule, added, rules if today else _less(rules, rule.id))


def _from_file(path: Path) -> Rule:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AnalyzerdError(f"cannot read {path}: {error}") from error
    rule = load_rule(text, str(path), facts=FACTS, solvers=SOLVERS)
    if rule is None:
        raise AnalyzerdError(f"{path} is empty: it switches a rule off, there is nothing to try")
    return rule


def _by_id(name: str, rules: RuleSet) -> Rule:
    known: dict[str, Rule] = {**rules.signals, **rules.causes}
    if name not in known:
        raise AnalyzerdError(f"no rule {name!r}{suggest(name, known)}; give the id of one in force or a .yaml file")
    return known[name]


def _with(rules: RuleSet, rule: Rule) -> RuleSet:
    if isinstance(rule, SignalRule):
        return replace(rules, signals=dict(sorted({**rules.signals, rule.id: rule}.items())))
    return replace(rules, causes=dict(sorted({**rules.causes, rule.id: rule}.items())))


def _less(rules: RuleSet, name: str) -> RuleSet:
    signals: dict[str, SignalRule] = {key: rule for key, rule in rules.signals.items() if key != name}
    causes: dict[str, CauseRule] = {key: rule for key, rule in rules.causes.items() if key != name}
    return replace(rules, signals=signals, causes=causes)
