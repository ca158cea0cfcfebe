"""``*.adjust.yaml``: an operator's change of a few whitelisted fields of a rule that stays someone else's.

``was:`` repeats the value the change relied on: when the rule no longer has it, that is a warning.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from analyzerd.model import Severity
from analyzerd.rules.comparison import parse_comparison
from analyzerd.rules.schema import STATUSES, CauseRule, Condition, Rule
from analyzerd.rules.table import Table
from analyzerd.rules.vocabulary import ADJUSTABLE, ADJUSTABLE_OF_CONDITION
from analyzerd.rules.yaml_strict import Node, parse, suggest

ADJUST_SUFFIX = ".adjust.yaml"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """New values by field, and the values they replace as the operator knew them."""

    rule: str
    changes: Mapping[str, Node]
    was: Mapping[str, Node]
    origin: str


def read_adjustment(text: str, origin: str) -> Adjustment | None:
    """Read one adjustment file; None when it is empty. Raises RuleError."""
    node = parse(text, origin)
    if node is None:
        return None
    table = Table(node, ("adjust", "set", "was"), "an adjustment")
    table.need("set")
    changes, was = table.entries("set"), table.entries("was")
    for name, value in was.items():
        if name not in changes:
            raise value.fail(f"was {name!r} has no counterpart in `set`{suggest(name, changes)}")
    return Adjustment(table.text("adjust"), changes, was, origin)


def adjust_rule(rule: Rule, adjustment: Adjustment) -> tuple[Rule, list[str]]:
    """Return the changed rule and warnings. Raises RuleError for a change that is not allowed."""
    warnings: list[str] = []
    for name, node in adjustment.changes.items():
        changed = _changed(rule, name, node)
        expected = adjustment.was.get(name)
        if expected is not None and _changed(rule, name, expected) != rule:
            place = expected.place
            warnings.append(
                f"{place.path}:{place.line}:{place.column}: {name} of {rule.id} is no longer {expected.value}"
            )
        rule = changed
    return rule, warnings


def _changed(rule: Rule, name: str, node: Node) -> Rule:
    if "." not in name:
        return _changed_field(rule, name, node)
    condition_id, _, part = name.rpartition(".")
    if not isinstance(rule, CauseRule):
        raise node.fail(f"{rule.id} is a signal rule and has no conditions")
    if part not in ADJUSTABLE_OF_CONDITION:
        raise node.fail(f"{part!r} of a condition cannot be adjusted, only {', '.join(ADJUSTABLE_OF_CONDITION)}")
    known = {condition.id for condition in (*rule.evidence, *rule.against)}
    if condition_id not in known:
        raise node.fail(f"{rule.id} has no condition {condition_id!r}{suggest(condition_id, known)}")
    return dataclasses.replace(
        rule,
        evidence=tuple(_condition(item, condition_id, part, node) for item in rule.evidence),
        against=tuple(_condition(item, condition_id, part, node) for item in rule.against),
    )


def _changed_field(rule: Rule, name: str, node: Node) -> Rule:
    value = node.value
    if name not in ADJUSTABLE:
        raise node.fail(f"{name!r} cannot be adjusted, only {', '.join(ADJUSTABLE)}{suggest(name, ADJUSTABLE)}")
    if name == "severity" and value in tuple(Severity):
        return dataclasses.replace(rule, severity=Severity(value))
    if name == "status" and value in STATUSES:
        return dataclasses.replace(rule, status=str(value))
    if name == "min_count" and type(value) is int and value >= 1 and isinstance(rule, CauseRule):
        return dataclasses.replace(rule, min_count=value)
    raise node.fail(f"{value!r} is no {name} for {rule.id}")


def _condition(condition: Condition, condition_id: str, part: str, node: Node) -> Condition:
    if condition.id != condition_id:
        return condition
    if part == "within":
        within_s = Table(Node(node.place, "mapping", entries={"within": node}), ("within",), "set").duration_s(
            "within", condition.within_s
        )
        return dataclasses.replace(condition, within_s=within_s)
    if condition.compare is None:
        raise node.fail(f"condition {condition_id!r} compares nothing, so it has no `is`")
    return dataclasses.replace(condition, compare=parse_comparison(node))
