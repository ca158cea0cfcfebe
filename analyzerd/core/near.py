"""Why a signal rule did or did not match an event, part by part. Shows a rule's conditions; decides nothing.

The matcher decides; this looks at the same parts one after the other, slowly, so that a near miss can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyzerd.core.matcher import Matcher
from analyzerd.model import Event, Fields, Value
from analyzerd.rules.comparison import holds
from analyzerd.rules.schema import SignalRule

MAX_SHOWN = 160
TELLING_LETTERS = 8
"""Shorter words stand in too many lines to call one with other capitals a near miss."""


@dataclass(frozen=True, slots=True)
class Part:
    """One condition of a rule: ``name`` is source, contains, event, regex or ``where NAME``.

    ``found``: what stands in the event instead; log text, hostile.
    """

    name: str
    fits: bool
    wanted: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One rule beside one event: its captures where it matched, else None; and every part of it."""

    rule: SignalRule
    captures: Fields | None
    parts: tuple[Part, ...]

    @property
    def misses(self) -> tuple[Part, ...]:
        """The parts that did not fit."""
        return tuple(part for part in self.parts if not part.fits)


def look(rules: Iterable[SignalRule], event: Event, raw: str) -> list[Look]:
    """Hold every rule beside the event, those that matched first; ``raw`` is the text as it was logged."""
    looks = [_look(rule, event, raw) for rule in rules]
    return sorted(looks, key=lambda one: (one.captures is None, len(one.misses), one.rule.id))


def near_misses(looks: Iterable[Look]) -> list[Look]:
    """Rules that did not match although something that is theirs alone stood in the line."""
    return [one for one in looks if one.captures is None and _is_near(one)]


def _look(rule: SignalRule, event: Event, raw: str) -> Look:
    parts = tuple(_parts(rule, event, raw))
    found = Matcher([rule], use_hyperscan=False).match(event)
    captures = found[0][1] if found and all(part.fits for part in parts if part.name == "contains") else None
    return Look(rule, captures, parts)


def _is_near(one: Look) -> bool:
    fitting = {part.name for part in one.parts if part.fits}
    if "contains" in fitting:
        return True
    if any(part.name == "contains" and part.found for part in one.parts):
        return True  # the same words, written with other capitals
    return {"source", "event"} <= fitting


def _parts(rule: SignalRule, event: Event, raw: str) -> Iterator[Part]:
    yield Part("source", event.source in rule.sources, " or ".join(rule.sources), event.source)
    if literals := rule.literals or ((rule.contains,) if rule.contains else ()):
        yield _words(rule, event, raw, literals)
    if rule.event:
        seen = str(event.fields.get("event") or "")
        yield Part("event", seen == rule.event, rule.event, seen)
    if rule.regex:
        yield _pattern(rule, event)
    values = {**event.fields, **_captured(rule, event)}
    for name, comparison in rule.where.items():
        value = values.get(name)
        yield Part(f"where {name}", holds(comparison, value), comparison.text, "" if value is None else str(value))


def _words(rule: SignalRule, event: Event, raw: str, literals: Iterable[str]) -> Part:
    """The words a line must hold: anywhere in it, or in its text where the rule has nothing else to go by."""
    places = [raw] if rule.regex or rule.raw else _texts(rule, event)
    fits = any(literal in place for literal in literals for place in places)
    return Part("contains", fits, " or ".join(literals), "" if fits else _other_capitals(literals, raw))


def _other_capitals(literals: Iterable[str], raw: str) -> str:
    lowered = raw.lower()
    telling = [literal for literal in literals if len(literal.strip()) >= TELLING_LETTERS]
    found = ((lowered.find(literal.lower()), len(literal)) for literal in telling)
    return next((raw[at : at + length] for at, length in found if at >= 0), "")


def _texts(rule: SignalRule, event: Event) -> list[str]:
    values: list[Value] = [event.text if name == "text" else event.fields.get(name) for name in rule.on]
    return [value for value in values if isinstance(value, str)]


def _captured(rule: SignalRule, event: Event) -> dict[str, Value]:
    pattern = re.compile(rule.regex, re.ASCII)
    matches = (pattern.match(text) for text in _texts(rule, event)) if rule.regex else ()
    return next((dict(match.groupdict()) for match in matches if match), {})


def _pattern(rule: SignalRule, event: Event) -> Part:
    """The pattern beside the text it came furthest in."""
    texts = _texts(rule, event)
    if any(re.match(rule.regex, text, re.ASCII) for text in texts):
        return Part("regex", True, rule.regex)
    reached = [(*reach(rule.regex, text), text) for text in texts]
    if not reached:
        return Part("regex", False, rule.regex)
    fitting, end, text = max(reached, key=lambda one: len(one[0]))
    there = text[end : end + MAX_SHOWN] or "the end of the text"
    return Part("regex", False, rule.regex[len(fitting) :] or rule.regex, there)


def reach(regex: str, text: str) -> tuple[str, int]:
    """Return the longest beginning of a pattern that matches, and where in the text it ends."""
    for length in range(len(regex), 0, -1):
        try:
            match = re.match(regex[:length], text, re.ASCII)
        except re.error:
            continue
        if match:
            return regex[:length], match.end()
    return "", 0
