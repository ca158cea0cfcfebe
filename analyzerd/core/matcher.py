"""Which lines may matter, and which signal rules an event satisfies. Reads no streams, parses no formats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from analyzerd.core.literals import MAX_KEPT_SETS, Find, finder, literal_lines
from analyzerd.model import Event, Fields, Value
from analyzerd.rules.comparison import holds
from analyzerd.rules.schema import SignalRule
from analyzerd.rules.vocabulary import STREAM_SOURCES

LineRules: TypeAlias = tuple[int, int, tuple[str, ...]]
"""Start and end of a line in its block, and the rules whose literals stand in it."""

MAX_DIGITS = 18


class Matcher:
    """Signal rules ready to run.

    ``extra_literals``: by kind of stream, literals that make a line worth parsing though no rule names them.
    ``use_hyperscan=False`` searches with bytes.find, with the same results.
    """

    def __init__(
        self,
        rules: Sequence[SignalRule],
        extra_literals: Mapping[str, Sequence[bytes]] | None = None,
        *,
        use_hyperscan: bool = True,
    ) -> None:
        extra = extra_literals or {}
        self._by_id = {rule.id: _Prepared(rule) for rule in rules}
        self._by_source: dict[str, list[_Prepared]] = {}
        self._without_literal: dict[str, list[_Prepared]] = {}
        for prepared in self._by_id.values():
            for source in prepared.rule.sources:
                self._by_source.setdefault(source, []).append(prepared)
                if not prepared.literals:
                    self._without_literal.setdefault(source, []).append(prepared)
        self._kinds = {
            kind: _Kind(_of_sources(rules, sources), extra.get(kind, ()), use_hyperscan=use_hyperscan)
            for kind, sources in STREAM_SOURCES.items()
        }

    def scan(self, kind: str, block: bytes) -> list[LineRules]:
        """Return the lines of a block that hold a literal of the stream kind, in order, each once.

        The rule ids are those whose literal was seen: () when only an extra literal was.
        Raises KeyError for an unknown kind.
        """
        return self._kinds[kind].scan(block)

    def match(self, event: Event) -> list[tuple[SignalRule, Fields]]:
        """Return the rules the event satisfies with their typed captures.

        Tries the rules named in ``event.rules`` and those without literals; all of its source when None.
        """
        found: list[tuple[SignalRule, Fields]] = []
        for prepared in self._candidates(event):
            captures = prepared.match(event)
            if captures is not None:
                found.append((prepared.rule, captures))
        return found

    def _candidates(self, event: Event) -> Iterable[_Prepared]:
        if event.rules is None:
            return self._by_source.get(event.source, ())
        named = [self._by_id[name] for name in event.rules if name in self._by_id]
        return [
            *(prepared for prepared in named if prepared.literals and event.source in prepared.rule.sources),
            *self._without_literal.get(event.source, ()),
        ]


class _Prepared:
    """One rule with its pattern compiled."""

    __slots__ = ("_literals", "_pattern", "literals", "rule")

    def __init__(self, rule: SignalRule) -> None:
        self.rule = rule
        self.literals = rule.literals or ((rule.contains,) if rule.contains else ())
        self._literals = () if rule.regex or rule.raw else self.literals
        self._pattern = re.compile(rule.regex, re.ASCII) if rule.regex else None

    def match(self, event: Event) -> Fields | None:
        """Return the typed captures, or None when the event does not satisfy the rule."""
        rule = self.rule
        if rule.event and event.fields.get("event") != rule.event:
            return None
        captures = self._captures(event)
        if captures is None:
            return None
        for name, comparison in rule.where.items():
            if not holds(comparison, captures.get(name, event.fields.get(name))):
                return None
        return captures

    def _captures(self, event: Event) -> dict[str, Value] | None:
        if self._pattern is None and not self._literals:
            return {}
        for name in self.rule.on:
            text = event.text if name == "text" else event.fields.get(name)
            if not isinstance(text, str):
                continue
            if self._pattern is None:
                if any(literal in text for literal in self._literals):
                    return {}
                continue
            found = self._pattern.match(text)
            if found:
                return _typed(found.groupdict(), self.rule.fields)
        return None


class _Kind:
    """The literals of one kind of stream and what each of them points to."""

    def __init__(self, rules: Sequence[SignalRule], extra: Sequence[bytes], *, use_hyperscan: bool) -> None:
        self._rules_of: dict[bytes, list[str]] = {literal: [] for literal in extra}
        for rule in rules:
            for literal in rule.literals or ((rule.contains,) if rule.contains else ()):
                self._rules_of.setdefault(literal.encode(), []).append(rule.id)
        self._numbered = list(self._rules_of.values())
        self._find: Find = finder(list(self._rules_of), use_hyperscan=use_hyperscan)
        self._sets: dict[int, tuple[str, ...]] = {}

    def scan(self, block: bytes) -> list[LineRules]:
        return [(start, end, self._rules(seen)) for start, end, seen in literal_lines(self._find, block)]

    def _rules(self, seen: int) -> tuple[str, ...]:
        known = self._sets.get(seen)
        if known is None:
            if len(self._sets) >= MAX_KEPT_SETS:
                self._sets.clear()
            wanted = (ids for number, ids in enumerate(self._numbered) if seen >> number & 1)
            known = self._sets[seen] = tuple(dict.fromkeys(rule_id for ids in wanted for rule_id in ids))
        return known


def _of_sources(rules: Sequence[SignalRule], sources: Sequence[str]) -> list[SignalRule]:
    return [rule for rule in rules if not set(rule.sources).isdisjoint(sources)]


def _typed(captured: Mapping[str, str | None], types: Mapping[str, str]) -> dict[str, Value] | None:
    """Type the captures; None when a number is too long to be one."""
    values: dict[str, Value] = {}
    for name, text in captured.items():
        kind = types.get(name, "str")
        if text is None or kind == "str":
            values[name] = text
        elif len(text) > MAX_DIGITS:
            return None
        else:
            values[name] = float(text) if kind == "float" else int(text)
    return values
