"""What makes a regex fit for hostile text: lint it, and say which literals every match must hold.

Reads the parse tree of the standard library's own regex parser. Never runs a pattern on text.
"""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found]  # the parse tree has no public reader
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

Items: TypeAlias = Sequence[tuple[Any, Any]]

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)
_ALL_REPEATS = (*_REPEATS, op.POSSESSIVE_REPEAT)
_LONG = 64
_SHORTEST_LITERAL = 3


def lint(regex: str) -> str:
    """Return what is wrong with a pattern, '' when it is fit: anchored, ASCII, no spaces class, linear."""
    try:
        compiled = re.compile(regex, re.ASCII)
        tree = parser.parse(regex, re.ASCII)
    except (re.error, OverflowError, RecursionError) as problem:
        return f"not a regex: {problem}"
    if compiled.flags != re.ASCII:
        return "inline flags are not allowed"
    if not regex.startswith("^"):
        return "a regex starts with '^': use `contains` alone for text that may stand anywhere"
    return _lint_tree(list(tree))


def groups(regex: str) -> tuple[str, ...]:
    """Return the named groups in order of appearance; unnamed capturing groups are named ''."""
    compiled = re.compile(regex, re.ASCII)
    names = sorted(compiled.groupindex, key=lambda name: compiled.groupindex[name])
    return tuple(names) + ("",) * (compiled.groups - len(names))


def required_literals(regex: str) -> tuple[str, ...]:
    """Return literals of which every match holds at least one, the longest choice; () when none is known."""
    return _best(list(parser.parse(regex, re.ASCII)))


def requires(regex: str, literals: Sequence[str]) -> bool:
    """Tell whether every match of the pattern holds one of ``literals``."""
    return _requires(list(parser.parse(regex, re.ASCII)), literals)


def _lint_tree(items: Items) -> str:
    wide = 0
    for code, argument, inside in _walk(items, ()):
        if code is op.CATEGORY and argument is op.CATEGORY_SPACE:
            return r"\s also matches tabs and newlines: write a literal space"
        if code in _REPEATS and argument[1] > _LONG:
            if any(outer[1] > 1 for outer in inside):
                return "a quantifier inside a quantifier can take forever on hostile text"
            wide += any(inner[0] is op.ANY for inner in argument[2])
        if code in {op.GROUPREF, op.GROUPREF_EXISTS}:
            return "back-references are not allowed"
    return "at most one '.*' or '.+': bound the others, like '.{0,60}'" if wide > 1 else ""


def _walk(items: Items, inside: tuple[Any, ...]) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Yield every element with the repeats around it."""
    for code, argument in items:
        yield code, argument, inside
        within = (*inside, argument) if code in _REPEATS else inside
        for child in _children(code, argument):
            yield from _walk(child, within)


def _children(code: Any, argument: Any) -> tuple[Items, ...]:
    if code in _ALL_REPEATS:
        return (list(argument[2]),)
    if code is op.SUBPATTERN:
        return (list(argument[3]),)
    if code is op.ATOMIC_GROUP:
        return (list(argument),)
    if code is op.BRANCH:
        return tuple(list(alternative) for alternative in argument[1])
    if code in {op.ASSERT, op.ASSERT_NOT}:
        return (list(argument[1]),)
    return (argument,) if code is op.IN else ()


def _runs(items: Items) -> Iterator[str]:
    """Yield the literal texts that stand in one piece at this level."""
    run = ""
    for code, argument in items:
        if code is op.LITERAL:
            run += chr(argument)
        elif run:
            yield run
            run = ""
    if run:
        yield run


def _certain(items: Items) -> Iterator[tuple[Items, ...]]:
    """Yield, for each element that every match passes through, its alternatives."""
    for code, argument in items:
        if code in _ALL_REPEATS and argument[0] == 0:
            continue
        if code in _ALL_REPEATS or code in {op.SUBPATTERN, op.ATOMIC_GROUP, op.BRANCH}:
            yield _children(code, argument)


def _requires(items: Items, literals: Sequence[str]) -> bool:
    if any(literal in run for run in _runs(items) for literal in literals):
        return True
    return any(all(_requires(choice, literals) for choice in choices) for choices in _certain(items))


def _best(items: Items) -> tuple[str, ...]:
    offers: list[tuple[str, ...]] = [(run,) for run in _runs(items) if len(run) >= _SHORTEST_LITERAL]
    for choices in _certain(items):
        parts = [_best(choice) for choice in choices]
        if all(parts):
            offers.append(tuple(literal for part in parts for literal in part))
    return max(offers, key=lambda offer: min(len(literal) for literal in offer), default=())
