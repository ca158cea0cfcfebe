"""Typed reading of one YAML mapping: every value by its key, every mistake with its place. Knows no rule."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from analyzerd.errors import TextError
from analyzerd.rules.yaml_strict import Node, suggest
from analyzerd.units import parse_duration_s

_T = TypeVar("_T")

NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


class Table:
    """A mapping whose keys are all known. Each reader raises the file's error when the value does not fit."""

    def __init__(self, node: Node, known: Collection[str], what: str) -> None:
        if node.kind != "mapping":
            raise node.fail(f"{what} must be a mapping of keys to values")
        for key, place in node.keys.items():
            if key not in known:
                raise place.fail(f"unknown key {key!r}{suggest(key, known)}")
        self.node, self.what = node, what

    def __contains__(self, key: str) -> bool:
        return key in self.node.entries

    def fail(self, message: str, key: str = "") -> TextError:
        """Return the error to raise, placed at ``key``'s value or at the mapping."""
        return (self.node.entries.get(key) or self.node).fail(message)

    def get(self, key: str) -> Node | None:
        """Return the value's node, or None."""
        return self.node.entries.get(key)

    def need(self, key: str) -> Node:
        """Return the value's node; a missing key is an error."""
        node = self.node.entries.get(key)
        if node is None:
            raise self.node.fail(f"{self.what} needs {key!r}")
        return node

    def text(self, key: str, default: str | None = None) -> str:
        """Read text; required when there is no default. Block text loses its outer blank lines."""
        if default is not None and key not in self:
            return default
        return scalar(self.need(key), str, key).strip("\n")

    def flag(self, key: str) -> bool:
        """Read true or false; false when absent."""
        return key in self and scalar(self.need(key), bool, key)

    def whole(self, key: str, default: int) -> int:
        """Read a whole number."""
        return scalar(self.need(key), int, key) if key in self else default

    def number(self, key: str, default: float) -> float:
        """Read a number."""
        return scalar(self.need(key), float, key) if key in self else default

    def choice(self, key: str, options: Collection[str], default: str | None = None) -> str:
        """Read one of a closed set of words."""
        word = self.text(key, default)
        if word not in options and key in self:
            known = ", ".join(options)
            raise self.fail(f"{key} {word!r} is not one of {known}{suggest(word, options)}", key)
        return word

    def words(self, key: str, options: Collection[str] | None = None) -> tuple[str, ...]:
        """Read one text or a list of texts; empty when absent."""
        node = self.get(key)
        if node is None:
            return ()
        nodes = node.items if node.kind == "list" else (node,)
        found = tuple(scalar(item, str, key) for item in nodes)
        for item, word in zip(nodes, found, strict=True):
            if options is not None and word not in options:
                raise item.fail(f"{key}: unknown {word!r}{suggest(word, options)}")
        return found

    def addresses(self, key: str) -> tuple[str, ...]:
        """Read https addresses; empty when absent."""
        for address in (found := self.words(key)):
            if not address.startswith("https://"):
                raise self.fail(f"{key}: {address!r} is not an https address", key)
        return found

    def duration_s(self, key: str, default: float) -> float:
        """Read ``30s``, ``5m`` or a bare number of seconds."""
        node = self.get(key)
        if node is None:
            return default
        try:
            return parse_duration_s(str(node.value))
        except ValueError as problem:
            raise node.fail(f"{key}: {problem}") from None

    def items(self, key: str) -> tuple[Node, ...]:
        """Read a list of anything; empty when absent."""
        node = self.get(key)
        if node is None:
            return ()
        if node.kind != "list":
            raise node.fail(f"{key} must be a list")
        return tuple(node.items)

    def entries(self, key: str) -> dict[str, Node]:
        """Read a mapping with free keys; empty when absent."""
        node = self.get(key)
        if node is None:
            return {}
        if node.kind != "mapping":
            raise node.fail(f"{key} must be a mapping")
        return dict(node.entries)


def scalar(node: Node, kind: type[_T], key: str) -> _T:
    """Return the scalar of a node as ``kind``; whole numbers count as numbers. Raises the file's error."""
    value = float(node.value) if kind is float and type(node.value) is int else node.value
    if node.kind != "scalar" or type(value) is not kind:
        raise node.fail(f"{key} must be {NAMES.get(kind, kind.__name__)}")
    return value
