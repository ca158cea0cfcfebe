"""Changes one directive of an nginx file by position, or puts a new one beside ``proxy_pass``. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from analyzerd.core.edits.edit import Edit, EditError, bytes_of, newline_of, text_of
from analyzerd.formats.nginx_tree import Directive, all_of, parse_tree

_ARGUMENT = re.compile(r"[A-Za-z0-9_.:/=%-]{1,200}", re.ASCII)


def change_directive(path: str, old: bytes, name: str, value: str, line: int) -> Edit:
    """Give the directive ``name`` that begins on ``line`` (from 1) the one argument ``value``.

    Raises EditError when it does not stand there, or has several arguments.
    """
    text = text_of(path, old)
    _fit(value)
    found = [d for d in all_of(parse_tree(text)) if d.name == name and d.line == line]
    if len(found) != 1 or len(found[0].args) != 1:
        raise EditError(f"{path}:{line} holds no single {name} any more; change it by hand")
    one = found[0]
    if one.args == [value]:
        raise EditError(f"{path}:{line} says {name} {value} already")
    written = text[one.start : one.end]
    if re.search(r"[#\n]", written) or not written.startswith(name) or text[one.end :].lstrip()[:1] != ";":
        raise EditError(f"{path}:{line} writes {name} in an unusual way; change it by hand")
    blank = re.match(r"\s+", written[len(name) :])
    new = text[: one.start] + name + (blank[0] if blank else " ") + value + text[one.end :]
    return _checked(Edit(path, old, bytes_of(new), line), name, value, added=0, changed=1)


def insert_beside_proxy_pass(path: str, old: bytes, name: str, value: str, servers: Collection[str] = ()) -> Edit:
    """Put ``name value;`` above every ``proxy_pass`` to one of ``servers``; () stands for the only target there is.

    ``servers``: addresses or upstream names as written after ``http://``. A block that sets it already is refused.
    """
    text = text_of(path, old)
    _fit(value)
    places = list(_places(parse_tree(text)))
    targets = {_target(d) for d, _ in places}
    wanted = set(servers) or (targets if len(targets) == 1 else set())
    chosen = [(d, block) for d, block in places if _target(d) in wanted]
    if not chosen:
        raise EditError(f"{path} holds no proxy_pass that is certainly the app's; set {name} {value} by hand")
    if any(d.name == name for _, block in chosen for d in block):
        raise EditError(f"{path} sets {name} beside the app's proxy_pass already; change it by hand")
    new, newline = text, newline_of(text)
    for directive, _ in sorted(chosen, key=lambda pair: -pair[0].start):
        indent = re.search(r"(?:\A|[\r\n])([ \t]*)\Z", text[: directive.start])
        gap = newline + indent[1] if indent else " "
        new = f"{new[: directive.start]}{name} {value};{gap}{new[directive.start :]}"
    first = min(d.line for d, _ in chosen)
    return _checked(Edit(path, old, bytes_of(new), first), name, value, added=len(chosen), changed=0)


def _fit(value: str) -> None:
    if not _ARGUMENT.fullmatch(value):
        raise EditError("this value is no plain argument of nginx; change it by hand")


def _places(tree: list[Directive]) -> Iterator[tuple[Directive, list[Directive]]]:
    """Every proxy_pass with the block it stands in; ``if`` blocks inherit from the location around them."""
    for directive in tree:
        if directive.name == "proxy_pass" and directive.args:
            yield directive, tree
        yield from _places(directive.children)


def _target(directive: Directive) -> str:
    target = directive.args[0].partition("://")[2] or directive.args[0]
    if target.startswith("unix:"):
        return "unix:" + target[5:].partition(":")[0]
    return target.partition("/")[0]


def _checked(edit: Edit, name: str, value: str, *, added: int, changed: int) -> Edit:
    """The new file must differ in those directives alone."""
    before = _flat(parse_tree(text_of(edit.path, edit.old or b"")), 0)
    after = _flat(parse_tree(text_of(edit.path, edit.new)), 0)
    fresh = [one for one in after if one[1:] == (name, (value,))]
    was = [one for one in before if one[1:] == (name, (value,))]
    same = [one for one in after if one[1] != name] == [one for one in before if one[1] != name]
    if not same or len(after) != len(before) + added or len(fresh) != len(was) + added + changed:
        raise EditError(f"{edit.path} cannot be changed safely; set {name} by hand")
    return edit


def _flat(tree: list[Directive], depth: int) -> list[tuple[int, str, tuple[str, ...]]]:
    return [line for d in tree for line in ((depth, d.name, tuple(d.args)), *_flat(d.children, depth + 1))]
