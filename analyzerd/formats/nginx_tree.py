"""Splits the text of nginx's configuration into directives and blocks. Opens no file, knows no directive."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([{};])|((?:\$\{|\\.|[^\s{};"'\\])+[^\s{};]*)|(\s+)"""
)
_MAX_DEPTH = 64
_MAX_CHARS = 2 * 1024 * 1024


@dataclass(slots=True)
class Directive:
    """One directive with its arguments, its place, and the directives of its block.

    ``start`` and ``end``: where in the text its first word begins and its last one ends.
    """

    name: str
    args: list[str]
    line: int
    children: list[Directive] = field(default_factory=list)
    path: str = ""
    start: int = 0
    end: int = 0


def place_of(directive: Directive) -> str:
    """Where it stands: ``/etc/nginx/nginx.conf:14``."""
    return f"{directive.path}:{directive.line}"


def parse_tree(text: str, path: str = "") -> list[Directive]:
    """Split a configuration into directives; unbalanced braces are forgiven. ``path``: what each says it is from."""
    root: list[Directive] = []
    stack = [root]
    words: list[str] = []
    first = start = end = 0
    for word, literal, line, span in _tokens(text[:_MAX_CHARS]):
        if literal or word not in ("{", "}", ";"):
            first, start = (first, start) if words else (line, span[0])
            end = span[1]
            words.append(word)
            continue
        if words and word != "}":
            stack[-1].append(Directive(words[0], words[1:], first, path=path, start=start, end=end))
        if word == "{" and words and len(stack) < _MAX_DEPTH:
            stack.append(stack[-1][-1].children)
        elif word == "}" and len(stack) > 1:
            stack.pop()
        words = []
    return root


def _tokens(text: str) -> Iterator[tuple[str, bool, int, tuple[int, int]]]:
    line = 1
    for match in _TOKEN.finditer(text):
        double, single, mark, word, blank = match.groups()
        if double is not None or single is not None:
            yield re.sub(r"\\(.)", r"\1", double if double is not None else single), True, line, match.span()
        elif mark or word:
            yield mark or word, False, line, match.span()
        line += match[0].count("\n") if blank or double or single else 0


def all_of(tree: Sequence[Directive]) -> Iterator[Directive]:
    """Every directive, a block before what stands in it."""
    for directive in tree:
        yield directive
        yield from all_of(directive.children)
