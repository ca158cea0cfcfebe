"""Rule files of several layers to one RuleSet: later layers replace, mask and adjust earlier ones.

Pure: the caller reads the files. One broken file is one problem; the last good version of its rule stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from analyzerd.errors import RuleError
from analyzerd.rules.adjust import ADJUST_SUFFIX, adjust_rule, read_adjustment
from analyzerd.rules.crosscheck import cross_check
from analyzerd.rules.loader import load_rule
from analyzerd.rules.schema import CauseRule, Rule, RuleSet, SignalRule

SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Layer:
    """One directory of rules: ``name`` is its path as shown to people, ``files`` relative path to text."""

    name: str
    files: Mapping[str, str]


@dataclass(slots=True)
class _Build:
    """What has been read so far."""

    previous: Mapping[str, Rule]
    facts: Container[str] | None
    solvers: Container[str] | None
    rules: dict[str, Rule] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def build(
    layers: Sequence[Layer],
    previous: RuleSet | None = None,
    *,
    facts: Container[str] | None = None,
    solvers: Container[str] | None = None,
) -> RuleSet:
    """Read all layers, lowest (vendor) first. A bad file raises nothing: see ``problems``, ``warnings``."""
    known: dict[str, Rule] = {**previous.signals, **previous.causes} if previous else {}
    state = _Build(known, facts, solvers)
    paths = sorted({path for layer in layers for path in layer.files if path.endswith(SUFFIX)})
    for path in paths:
        if not path.endswith(ADJUST_SUFFIX):
            _add(state, path, layers)
    for path in paths:
        if path.endswith(ADJUST_SUFFIX):
            _adjust(state, path, layers)
    ordered = sorted(state.rules.items())
    signals = {name: rule for name, rule in ordered if isinstance(rule, SignalRule)}
    causes = {name: rule for name, rule in ordered if isinstance(rule, CauseRule)}
    state.problems += cross_check(signals, causes, facts)
    return RuleSet(signals, causes, tuple(state.problems), tuple(state.warnings))


def _add(state: _Build, path: str, layers: Sequence[Layer]) -> None:
    """Put the rule of one relative path into the set: its highest layer decides."""
    holders = [layer for layer in layers if path in layer.files]
    kept: Rule | None = None
    for layer in reversed(holders):
        origin = f"{layer.name}/{path}"
        try:
            rule = load_rule(layer.files[path], origin, facts=state.facts, solvers=state.solvers)
        except RuleError as problem:
            kept = kept or _last_good(state, path)
            state.problems.append(_with_rest(str(problem), kept, layer is holders[0]))
            if kept:
                break
            continue
        kept = rule
        break
    if kept:
        _keep(state, kept)


def _keep(state: _Build, rule: Rule) -> None:
    other = state.rules.get(rule.id)
    if other and other.origin != rule.origin:
        state.problems.append(f"{rule.origin}: rule {rule.id!r} already stands in {other.origin}")
        return
    state.rules[rule.id] = rule


def _last_good(state: _Build, path: str) -> Rule | None:
    """Return the rule that the file at this relative path held when it was last readable."""
    for rule in state.previous.values():
        if rule.origin.split(" (adjusted", 1)[0].endswith(f"/{path}"):
            return rule
    return None


def _with_rest(problem: str, kept: Rule | None, lowest: bool) -> str:
    if kept:
        return f"{problem} (its last good version stays in force)"
    return problem if lowest else f"{problem} (the version of the layer below is used)"


def _adjust(state: _Build, path: str, layers: Sequence[Layer]) -> None:
    """Apply one adjustment file: the highest layer that holds it decides; empty text switches it off."""
    layer = [layer for layer in layers if path in layer.files][-1]
    origin = f"{layer.name}/{path}"
    try:
        adjustment = read_adjustment(layer.files[path], origin)
        if adjustment is None:
            return
        rule = state.rules.get(adjustment.rule)
        if rule is None:
            state.warnings.append(f"{origin}: there is no rule {adjustment.rule!r} to adjust")
            return
        adjusted, warnings = adjust_rule(rule, adjustment)
    except RuleError as problem:
        state.problems.append(f"{problem} (its last good version stays in force)")
        _restore(state, path.rsplit("/", 1)[-1].removesuffix(ADJUST_SUFFIX))
        return
    state.warnings += warnings
    state.rules[rule.id] = dataclasses.replace(adjusted, origin=f"{rule.origin} (adjusted by {origin})")


def _restore(state: _Build, rule_id: str) -> None:
    if rule_id in state.previous and rule_id in state.rules:
        state.rules[rule_id] = state.previous[rule_id]
