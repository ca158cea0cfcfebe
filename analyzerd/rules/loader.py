"""Rule text to a SignalRule or CauseRule; every mistake is a RuleError with path, line and column.

Reads no files: the caller hands over text. Signal rules are read here, cause rules in cause_loader.py.
"""

from __future__ import annotations

from collections.abc import Container
from types import MappingProxyType

from analyzerd.model import Severity, Value
from analyzerd.rules import schema
from analyzerd.rules import vocabulary as words
from analyzerd.rules.cause_loader import read_cause
from analyzerd.rules.comparison import read_where
from analyzerd.rules.pattern import groups, lint, required_literals, requires
from analyzerd.rules.schema import Rule, RuleTest, SignalRule
from analyzerd.rules.table import Table, scalar
from analyzerd.rules.yaml_strict import Node, parse

SHORTEST_LITERAL = 3
NO_MATCH = "no match"
_EVERY_KEY = frozenset((*words.SIGNAL_KEYS, *words.CAUSE_KEYS))


def load_rule(
    text: str,
    path: str,
    *,
    facts: Container[str] | None = None,
    solvers: Container[str] | None = None,
) -> Rule | None:
    """Read one rule file; None when it is empty (the rule is switched off).

    ``facts`` and ``solvers`` are the names core knows; None leaves them unchecked. Raises RuleError.
    """
    node = parse(text, path)
    if node is None:
        return None
    kind = Table(node, _EVERY_KEY, "a rule").choice("kind", words.KINDS)
    keys = words.SIGNAL_KEYS if kind == "signal" else words.CAUSE_KEYS
    table = Table(node, keys, f"a {kind} rule")
    _check_name(table, path)
    return read_signal(table) if kind == "signal" else read_cause(table, facts, solvers)


def read_signal(table: Table) -> SignalRule:
    """Read a signal rule from its mapping. Raises RuleError."""
    match = Table(table.need("match"), words.MATCH_KEYS, "match")
    regex = match.text("regex", "")
    contains = match.words("contains")
    raw = match.text("raw", "")
    literals = _literals(match, regex, contains, raw)
    rule = SignalRule(
        id=table.text("rule"),
        title=table.text("title"),
        sources=_sources(table),
        severity=Severity(table.choice("severity", tuple(Severity))),
        status=table.choice("status", schema.STATUSES, "stable"),
        description=table.text("description"),
        references=table.addresses("references"),
        contains=contains[0] if len(contains) == 1 else "",
        regex=regex,
        event=match.text("event", ""),
        where=read_where(match),
        fields=_fields(table, regex),
        opens=table.choice("opens", schema.SUBJECTS, ""),
        tests=_tests(table),
        origin=table.node.place.path,
        literals=literals,
        raw=raw,
        on=match.words("on", words.MATCHED_FIELDS) or ("text",),
    )
    return _with_benign(table, rule)


def _check_name(table: Table, path: str) -> None:
    rule_id = table.text("rule")
    stem = path.rsplit("/", 1)[-1].removesuffix(".yaml")
    if rule_id.rsplit(".", 1)[-1] != stem:
        raise table.fail(f"rule {rule_id!r} must stand in a file named {rule_id.rsplit('.', 1)[-1]}.yaml", "rule")


def _sources(table: Table) -> tuple[str, ...]:
    table.need("source")
    return table.words("source", words.SOURCES)


def _literals(match: Table, regex: str, contains: tuple[str, ...], raw: str) -> tuple[str, ...]:
    """Return what the raw line must hold, checked against the regex or taken from it."""
    for literal in (*contains, *([raw] if raw else ())):
        if len(literal) < SHORTEST_LITERAL or "\n" in literal:
            key = "contains" if literal in contains else "raw"
            raise match.fail(f"{key} {literal!r} is too short or holds a newline", key)
    if regex:
        problem = lint(regex)
        if problem:
            raise match.fail(f"regex: {problem}", "regex")
        if contains and not requires(regex, contains):
            raise match.fail(f"contains {contains[0]!r} is not in every match of the regex", "contains")
        contains = contains or required_literals(regex)
        if not (contains or raw or "event" in match):
            raise match.fail("no literal is certain in the regex; name one in `contains`", "regex")
    if not (contains or raw or "event" in match):
        raise match.fail("match needs at least one of contains, raw, regex, event")
    return (raw,) if raw else contains


def _fields(table: Table, regex: str) -> MappingProxyType[str, str]:
    entries = table.entries("fields")
    named = groups(regex) if regex else ()
    if "" in named:
        raise Table(table.need("match"), words.MATCH_KEYS, "match").fail("use (?:...) or name the group", "regex")
    for name, node in entries.items():
        if name not in named:
            raise table.need("fields").keys[name].fail(f"field {name!r} is no named group of the regex")
        if scalar(node, str, name) not in schema.FIELD_TYPES:
            raise node.fail(f"type {node.value!r} is not one of {', '.join(schema.FIELD_TYPES)}")
    for name in named:
        if name not in entries:
            raise table.fail(f"named group {name!r} has no type in `fields`", "match")
    return MappingProxyType({name: scalar(node, str, name) for name, node in entries.items()})


def _with_benign(table: Table, rule: SignalRule) -> SignalRule:
    node = table.get("benign")
    if node is None:
        return rule
    benign = Table(node, ("id", "because"), "benign")
    changes = {"benign": benign.text("id"), "benign_because": benign.text("because")}
    return SignalRule(**{name: getattr(rule, name) for name in SignalRule.__slots__} | changes)


def _tests(table: Table) -> tuple[RuleTest, ...]:
    return tuple(_test(node) for node in table.items("tests"))


def _test(node: Node) -> RuleTest:
    test = Table(node, words.SIGNAL_TEST_KEYS, "a test")
    given = [key for key in ("line", "lines", "entry") if key in test]
    if len(given) != 1:
        raise node.fail("a test has exactly one of line, lines, entry")
    return RuleTest(
        name=test.text("name"),
        line="" if given == ["entry"] else test.text(given[0]),
        expect=_expect(test.need("expect")),
        source_line=node.place.line,
        source=test.text("source", ""),
        entry=_values(test.entries("entry")),
        log_format=test.text("log_format", ""),
    )


def _expect(node: Node) -> MappingProxyType[str, Value] | None:
    if node.kind == "scalar" and node.value == NO_MATCH:
        return None
    if node.kind != "mapping":
        raise node.fail(f"expect is a mapping of captured values, or {NO_MATCH!r}")
    return _values(dict(node.entries))


def _values(entries: dict[str, Node]) -> MappingProxyType[str, Value]:
    for node in entries.values():
        if node.kind != "scalar":
            raise node.fail("a single value is wanted here")
    return MappingProxyType({key: node.value for key, node in entries.items()})
