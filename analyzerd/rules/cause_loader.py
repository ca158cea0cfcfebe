"""Cause rules from their YAML mapping: conditions, refinements, advice, and the sentences they say."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from analyzerd.model import Severity, Value, Verdict
from analyzerd.rules import schema
from analyzerd.rules import vocabulary as words
from analyzerd.rules.comparison import parse_comparison, read_where, valid_version_range
from analyzerd.rules.schema import Advice, Applies, Because, CauseRule, Comparison, Condition, RuleTest
from analyzerd.rules.table import Table
from analyzerd.rules.template import names
from analyzerd.rules.yaml_strict import Node, suggest

Names: TypeAlias = Container[str] | None


@dataclass(frozen=True, slots=True)
class Known:
    """The names core registers; None leaves them unchecked."""

    facts: Names
    solvers: Names


def read_cause(table: Table, facts: Names, solvers: Names) -> CauseRule:
    """Read a cause rule from its mapping. Raises RuleError."""
    known = Known(facts, solvers)
    table.need("opens_on")
    rule = CauseRule(
        id=table.text("rule"),
        title=_sentence(table, "title", known),
        severity=Severity(table.choice("severity", tuple(Severity))),
        opens_on=table.words("opens_on"),
        guide_cause=table.text("guide_cause", ""),
        status=table.choice("status", schema.STATUSES, "stable"),
        description=table.text("description"),
        references=table.addresses("references"),
        prior=_fraction(table),
        rank=table.whole("rank", 50),
        benign=table.flag("benign"),
        applies=_applies(table),
        key=_fact_names(table, known),
        evidence=_conditions(table, "evidence", known),
        against=_conditions(table, "against", known),
        because=tuple(_because(node, known) for node in table.items("because")),
        explains_away=table.words("explains_away"),
        folds=table.words("folds"),
        folds_within_s=table.duration_s("folds_within", 30.0),
        info_when=_when(table, known, "info_when"),
        critical_when=_when(table, known, "critical_when"),
        min_count=table.whole("min_count", 1),
        recommend=tuple(_advice(node, known) for node in table.items("recommend")),
        verify=_sentence(table, "verify", known),
        moves=table.choice("moves", words.MOVES, ""),
        promise=table.choice("promise", words.PROMISES, ""),
        tests=tuple(_test(node) for node in table.items("tests")),
        origin=table.node.place.path,
    )
    _distinct_ids(table)
    return rule


def read_condition(node: Node, known: Known, *, spoken: bool = True) -> Condition:
    """Read one item of evidence or against, or a ``when:`` (not ``spoken``: no id needed, nothing said)."""
    table = Table(node, words.CONDITION_KEYS, "a condition")
    subject = _subject(table, known)
    return Condition(
        id=table.text("id") if spoken else table.text("id", ""),
        says=_sentence(table, "says", known, required=spoken),
        says_not=_sentence(table, "says_not", known),
        missing=_sentence(table, "missing", known),
        weight=table.choice("weight", schema.WEIGHTS, "medium"),
        decisive=table.flag("decisive"),
        required=table.flag("required"),
        signal=table.text("signal", ""),
        absent=table.text("absent", ""),
        fact=table.text("fact", ""),
        setting=table.text("setting", ""),
        compare=_compare(table, subject),
        join=table.choice("join", schema.JOINS, "app"),
        within_s=table.duration_s("within", 30.0),
        where=read_where(table),
        min_count=_min_count(table),
    )


def _subject(table: Table, known: Known) -> str:
    subjects = [key for key in words.SUBJECT_KEYS if key in table]
    if len(subjects) != 1:
        raise table.fail(f"a condition has exactly one of {', '.join(words.SUBJECT_KEYS)}")
    if subjects == ["fact"]:
        _check_fact(table, "fact", table.text("fact"), known)
    return subjects[0]


def _compare(table: Table, subject: str) -> Comparison | None:
    about_value = subject in {"fact", "setting"}
    if about_value != ("is" in table):
        raise table.fail(f"{subject} {'needs' if about_value else 'takes no'} `is`", "is")
    only_signals = [key for key in ("where", "count", "join", "within") if key in table]
    if subject == "setting" and only_signals:
        raise table.fail(f"{only_signals[0]} does not go with a setting", only_signals[0])
    return parse_comparison(table.need("is")) if about_value else None


def _min_count(table: Table) -> int:
    node = table.get("count")
    if node is None:
        return 1
    wanted = parse_comparison(node)
    count = wanted.values[0]
    if wanted.op not in {">=", "=="} or type(count) is not int or count < 1:
        raise node.fail("count is written '>= 3'")
    return count


def _because(node: Node, known: Known) -> Because:
    table = Table(node, words.BECAUSE_KEYS, "a because")
    return Because(table.text("id"), _sentence(table, "says", known, required=True), _when(table, known))


def _advice(node: Node, known: Known) -> Advice:
    table = Table(node, words.ADVICE_KEYS, "a recommendation")
    solver = table.text("solver", "")
    if solver and known.solvers is not None and solver not in known.solvers:
        raise table.fail(f"unknown solver {solver!r}{_suggest(solver, known.solvers)}", "solver")
    return Advice(
        setting=table.text("setting", ""),
        says=_sentence(table, "says", known, required=True),
        solver=solver,
        when=_when(table, known),
        verify=_sentence(table, "verify", known),
    )


def _when(table: Table, known: Known, key: str = "when") -> Condition | None:
    node = table.get(key)
    return None if node is None else read_condition(node, known, spoken=False)


def _sentence(table: Table, key: str, known: Known, *, required: bool = False) -> str:
    """Read a sentence and check the names in its braces."""
    text = table.text(key) if required or key == "title" else table.text(key, "")
    try:
        used = names(text)
    except ValueError as problem:
        raise table.fail(f"{key}: {problem}", key) from None
    for name in used:
        if not _sayable(name, known):
            raise table.fail(f"{key}: {{{name}}} is no fact{_suggest(name, known.facts)}", key)
    return text


def _sayable(name: str, known: Known) -> bool:
    """Words, event fields and facts may be said; a plain name may be a capture of the joined signal.

    Captures are checked when all rules are known, see layers.py.
    """
    if known.facts is None or name in words.TEMPLATE_WORDS or name in words.EVENT_FIELDS or name in known.facts:
        return True
    return "." not in name or name.startswith(words.SETTING_PREFIXES)


def _check_fact(table: Table, key: str, name: str, known: Known) -> None:
    if known.facts is not None and name not in known.facts:
        raise table.fail(f"unknown fact {name!r}{_suggest(name, known.facts)}", key)


def _fact_names(table: Table, known: Known) -> tuple[str, ...]:
    for name in table.words("key"):
        _check_fact(table, "key", name, known)
    return table.words("key")


def _suggest(name: str, known: Names) -> str:
    return suggest(name, tuple(known)) if isinstance(known, frozenset | set | dict | tuple | list) else ""


def _conditions(table: Table, key: str, known: Known) -> tuple[Condition, ...]:
    return tuple(read_condition(node, known) for node in table.items(key))


def _distinct_ids(table: Table) -> None:
    """Refuse two conditions of one id: adjustments and messages name them by it."""
    seen: set[Value] = set()
    for node in (*table.items("evidence"), *table.items("against")):
        place = node.entries["id"]
        if place.value in seen:
            raise place.fail(f"id {place.value!r} stands twice in this rule")
        seen.add(place.value)


def _fraction(table: Table) -> float:
    prior = table.number("prior", 0.9)
    if not 0 < prior <= 1:
        raise table.fail("prior lies between 0 and 1", "prior")
    return prior


def _applies(table: Table) -> Applies:
    node = table.get("applies")
    if node is None:
        return Applies()
    applies = Table(node, words.APPLIES_KEYS, "applies")
    version = applies.text("gunicorn", "")
    if version and not valid_version_range(version):
        raise applies.fail(f"{version!r} is no version range such as '>=22' or '>=21, <24'", "gunicorn")
    return Applies(version, applies.words("worker_class", words.WORKER_CLASSES))


def _test(node: Node) -> RuleTest:
    test = Table(node, words.CAUSE_TEST_KEYS, "a test")
    expect = Table(test.need("expect"), words.CAUSE_EXPECT_KEYS, "expect")
    if "verdict" in expect:
        expect.choice("verdict", tuple(Verdict))
    values: dict[str, Value] = {key: item.value for key, item in expect.node.entries.items()}
    return RuleTest(
        name=test.text("name"),
        stream=test.text("stream"),
        expect=MappingProxyType(values),
        source_line=node.place.line,
    )
