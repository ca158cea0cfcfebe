"""``is:`` of a condition: text to a Comparison, and whether a value satisfies it. Missing never satisfies."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from types import MappingProxyType

from analyzerd.model import Value
from analyzerd.rules.schema import Comparison
from analyzerd.rules.table import Table
from analyzerd.rules.yaml_strict import Node
from analyzerd.units import parse_duration_s, parse_size_bytes

_OPERATOR = re.compile(r"(>=|<=|==|!=|>|<|not in(?= )|in(?= ))", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|min|m|h|d|w))+", re.ASCII)
_SIZE = re.compile(r"\d+(?:\.\d+)?(?:[KMGT](?:i?B)?|B)", re.ASCII)
_VERSION_PART = re.compile(r"(>=|<=|==|!=|>|<) ?(\d{1,4}(?:\.\d{1,4}){0,3})", re.ASCII)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


def parse_comparison(node: Node) -> Comparison:
    """Read ``'>= 90%'``, ``sync``, ``[sync, gevent]``, ``true``, ``30``, ``'> 2GiB'``, ``'not in a, b'``.

    Without an operator the value is taken as YAML typed it; after one, percentages become fractions,
    durations seconds and sizes bytes. Raises the file's error with the place.
    """
    if node.kind == "list":
        values = tuple(_list_item(item) for item in node.items)
        if not values:
            raise node.fail("an empty list can never be satisfied")
        return Comparison("in", values, f"one of {', '.join(_show(value) for value in values)}")
    if node.kind != "scalar":
        raise node.fail("write one value, a list of values or a comparison such as '>= 90%'")
    found = _OPERATOR.match(node.value) if isinstance(node.value, str) else None
    if found is None:
        return Comparison("==", (node.value,), _show(node.value))
    return _operated(node, found[1], str(node.value)[found.end() :].strip())


def read_where(table: Table) -> MappingProxyType[str, Comparison]:
    """Read ``where:``, conditions on fields; empty when absent."""
    return MappingProxyType({key: parse_comparison(node) for key, node in table.entries("where").items()})


def holds(comparison: Comparison, value: Value) -> bool:
    """Tell whether ``value`` satisfies the comparison; None (not known) never does."""
    if value is None:
        return False
    op, values = comparison.op, comparison.values
    if op in {"==", "in"}:
        return any(_same(value, expected) for expected in values)
    if op in {"!=", "not in"}:
        return not any(_same(value, expected) for expected in values)
    bound = values[0]
    if not isinstance(value, int | float) or not isinstance(bound, int | float):
        return False
    return _ORDER[op](value, bound)


def parse_literal(text: str) -> Value:
    """Type one word: ``90%`` 0.9, ``30s`` 30.0, ``2GiB`` bytes, numbers, true and false; else the text."""
    if text in {"true", "false"}:
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if text.endswith("%") and _NUMBER.fullmatch(text[:-1]):
        return float(text[:-1]) / 100
    if _DURATION.fullmatch(text):
        return parse_duration_s(text)
    return parse_size_bytes(text) if _SIZE.fullmatch(text) else text


def valid_version_range(text: str) -> bool:
    """Tell whether ``text`` reads like ``>=22`` or ``>=21, <24``."""
    return all(_VERSION_PART.fullmatch(part.strip()) for part in text.split(","))


def version_holds(version_range: str, version: str) -> bool:
    """Tell whether a version lies in a range such as ``>=21, <24``; an unknown version ('') does."""
    have = _version(version)
    if not version_range or not have:
        return True
    return all(_version_part(part.strip(), have) for part in version_range.split(","))


def _version_part(part: str, have: tuple[int, ...]) -> bool:
    found = _VERSION_PART.fullmatch(part)
    if found is None:
        return False
    want = _version(found[2])
    if found[1] in {"==", "!="}:
        return (have[: len(want)] == want) == (found[1] == "==")
    size = max(len(have), len(want))
    left, right = (parts + (0,) * (size - len(parts)) for parts in (have, want))
    order: Callable[[tuple[int, ...], tuple[int, ...]], bool] = getattr(
        operator, {">=": "ge", "<=": "le", ">": "gt", "<": "lt"}[found[1]]
    )
    return order(left, right)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,6}", text, re.ASCII)[:4])


def _operated(node: Node, op: str, rest: str) -> Comparison:
    if not rest:
        raise node.fail(f"{op!r} needs a value after it")
    if op in {"in", "not in"}:
        values = tuple(parse_literal(part.strip()) for part in rest.strip("[]").split(","))
        return Comparison(op, values, str(node.value))
    value = parse_literal(rest)
    if op in _ORDER and (isinstance(value, str | bool)):
        raise node.fail(f"{rest!r} has no order: {op} needs a number, percentage, duration or size")
    return Comparison(op, (value,), str(node.value))


def _list_item(item: Node) -> Value:
    if item.kind != "scalar":
        raise item.fail("a list of values holds single values only")
    return item.value


def _same(value: Value, expected: Value) -> bool:
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    return value == expected or str(value) == str(expected)


def _show(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
