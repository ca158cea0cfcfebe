"""YAML text to nodes that know their place. Refuses duplicate keys, anchors, aliases, tags, ambiguous words.

Only what a person would read the same way as the parser does is accepted; everything else is an error with
``path:line:column`` and what to write instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from analyzerd.errors import RuleError, TextError
from analyzerd.model import Value

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 16

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}", re.ASCII)
_FAST = getattr(yaml, "CSafeLoader", None)
_STRING_TAG = "tag:yaml.org,2002:str"
_BOOL_WORDS = {"yes", "no", "on", "off", "y", "n"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key or value stands, and the kind of error its file raises. Lines and columns start at 1."""

    path: str
    line: int
    column: int
    error: type[TextError] = RuleError

    def fail(self, message: str) -> TextError:
        """Return the error to raise for a mistake at this place."""
        return self.error(message, self.path, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file: a scalar in ``value``, or ``items`` of a list, or ``entries`` of a mapping."""

    place: Place
    kind: str
    value: Value = None
    quoted: bool = False
    items: Sequence[Node] = ()
    entries: Mapping[str, Node] = field(default_factory=dict)
    keys: Mapping[str, Place] = field(default_factory=dict)

    def fail(self, message: str) -> TextError:
        """Return the error to raise for a mistake in this value."""
        return self.place.fail(message)


def parse(text: str, path: str, error: type[TextError] = RuleError) -> Node | None:
    """Read one YAML document; None when it holds nothing but comments. Raises ``error`` with the place."""
    if len(text) > MAX_CHARACTERS:
        raise error(f"the file is longer than {MAX_CHARACTERS} characters", path)
    try:
        root = _compose(text, path, error)
    except yaml.MarkedYAMLError as problem:
        raise _from_yaml(problem, path, error) from None
    except yaml.YAMLError as problem:
        raise error(f"not readable as YAML: {problem}", path) from None
    return None if root is None else _node(root, path, error)


def _compose(text: str, path: str, error: type[TextError]) -> yaml.Node | None:
    """Compose with libyaml where it is there (ten times faster); the slow loader words every mistake."""
    if _FAST is not None:
        try:
            depth = 0
            for event in yaml.parse(text, Loader=_FAST):
                _refuse(event, depth, path, error)
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            return yaml.compose(text, Loader=_FAST)
        except yaml.YAMLError:
            pass
    return _StrictLoader(text, path, error).get_single_node()


def suggest(word: str, known: Collection[str]) -> str:
    """Return ``, did you mean 'x'?`` for the closest known word, or ''."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that only composes, and stops at what a rule file must not hold."""

    def __init__(self, text: str, path: str, error: type[TextError]) -> None:
        super().__init__(text)
        self._path, self._error, self._depth = path, error, 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one value after looking at what opens it."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        _refuse(event, self._depth, self._path, self._error)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _refuse(event: yaml.Event, depth: int, path: str, error: type[TextError]) -> None:
    message = ""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        message = "anchors and aliases are not allowed; write the value out"
    elif getattr(event, "tag", None):
        message = "tags such as !!str are not allowed"
    elif depth >= MAX_DEPTH and isinstance(event, yaml.NodeEvent):
        message = f"nested deeper than {MAX_DEPTH} levels"
    if message:
        mark = event.start_mark
        raise error(message, path, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0)


def _node(node: yaml.Node, path: str, error: type[TextError]) -> Node:
    place = _place(node.start_mark, path, error)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place)
    if isinstance(node, yaml.SequenceNode):
        return Node(place, "list", items=tuple(_node(item, path, error) for item in node.value))
    assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - the composer makes these three kinds only
    quoted = bool(node.style)
    return Node(place, "scalar", node.value if quoted else _plain(node, place), quoted)


def _mapping(node: yaml.MappingNode, place: Place) -> Node:
    entries: dict[str, Node] = {}
    keys: dict[str, Place] = {}
    for key_node, value_node in node.value:
        key_place = _place(key_node.start_mark, place.path, place.error)
        if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
            raise key_place.fail("a key must be a plain word")
        key = key_node.value
        if key in entries:
            raise key_place.fail(f"key {key!r} stands twice; first on line {keys[key].line}")
        entries[key], keys[key] = _node(value_node, place.path, place.error), key_place
    return Node(place, "mapping", entries=entries, keys=keys)


def _plain(node: yaml.ScalarNode, place: Place) -> Value:
    """Type an unquoted scalar; what YAML readers disagree about must be quoted."""
    text: str = node.value
    if text in {"true", "false"}:
        return text == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if text.lower() in _BOOL_WORDS or text.lower() in {"true", "false"}:
        raise place.fail(f"{text!r} is a truth value to some readers: write true or false, or quote it")
    if not text or text.lower() in {"null", "~"}:
        raise place.fail("a value is missing here; leave the key out or write ''")
    if node.tag != _STRING_TAG:
        kind = node.tag.rsplit(":", 1)[-1]
        raise place.fail(f"{text!r} would be read as {kind}: quote it if it is text")
    return text


def _place(mark: yaml.Mark, path: str, error: type[TextError]) -> Place:
    return Place(path, mark.line + 1, mark.column + 1, error)


def _from_yaml(problem: yaml.MarkedYAMLError, path: str, error: type[TextError]) -> TextError:
    mark = problem.problem_mark or problem.context_mark
    message = " ".join(part for part in (problem.context, problem.problem) if part)
    if "expected a single document" in message:
        message = "one file holds one document: '---' may not divide it"
    return error(message, path, mark.line + 1, mark.column + 1) if mark else error(message, path)
