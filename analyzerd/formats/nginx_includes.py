"""Nginx's configuration as one tree: the directives of included files where ``include`` stands. Opens no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from analyzerd.formats.nginx_tree import Directive, all_of, parse_tree

MAX_FILES = 200
_HARMLESS = ("*mime.types", "*fastcgi*params", "*scgi_params", "*uwsgi_params", "*koi-*", "*win-utf")


@dataclass(frozen=True, slots=True)
class NginxText:
    """One configuration file. ``name`` is how it is called in ``include`` (with ``*`` resolved), or its path."""

    path: str
    text: str


def whole_tree(
    files: Sequence[NginxText], includes: Mapping[str, Sequence[NginxText]] | None = None
) -> tuple[list[Directive], tuple[str, ...]]:
    """All directives, and what was not given. ``includes``: the files behind each ``include`` argument, as written."""
    reading = _Reading(includes or {})
    tree = [d for file in files for d in reading.expanded(parse_tree(file.text, file.path), 0)]
    if not any(d.name == "http" for d in tree):
        reading.unread.append("nginx.conf")
    return tree, tuple(dict.fromkeys(reading.unread))


def included(text: str) -> tuple[str, ...]:
    """Name the arguments of all ``include`` directives of a text that can hold what matters here."""
    found = (d.args[0] for d in all_of(parse_tree(text)) if d.name == "include" and d.args)
    return tuple(dict.fromkeys(pattern for pattern in found if not _is_harmless(pattern)))


def _is_harmless(pattern: str) -> bool:
    return any(fnmatchcase(pattern, known) for known in _HARMLESS)


class _Reading:
    """Puts the directives of included files where ``include`` stands."""

    def __init__(self, includes: Mapping[str, Sequence[NginxText]]) -> None:
        self._includes, self._files = includes, 0
        self.unread: list[str] = []

    def expanded(self, tree: list[Directive], depth: int) -> Iterator[Directive]:
        """The tree with its includes in place; a file that includes itself ends by depth."""
        for directive in tree:
            if directive.name == "include" and directive.args:
                yield from self._include(directive.args[0], depth)
                continue
            directive.children = list(self.expanded(directive.children, depth))
            yield directive

    def _include(self, pattern: str, depth: int) -> Iterator[Directive]:
        files = self._includes.get(pattern)
        if files is None or depth > 8:
            if not _is_harmless(pattern):
                self.unread.append(pattern)
            return
        for file in files:
            self._files += 1
            if self._files <= MAX_FILES:
                yield from self.expanded(parse_tree(file.text, file.path), depth + 1)
