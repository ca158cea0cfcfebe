"""Changes one setting in the text of gunicorn.conf.py by position: everything else stays as it is. Runs nothing.

A literal is replaced; what is computed, or what other values are computed from, gets a line after it that overrides it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from analyzerd.core.edits.edit import Edit, EditError, comment, newline_of, text_of
from analyzerd.model import Value

BOM = b"\xef\xbb\xbf"
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_UTF8 = (b"utf-8", b"utf8", b"ascii", b"us-ascii")
_BEHIND_THE_BACK = ("exec", "eval", "globals", "locals", "vars")
_LINE = re.compile(rb"\r\n|\n|\r")


def set_in_config(path: str, old: bytes, name: str, value: Value, why: str = "") -> Edit:
    """Set ``name`` to ``value``. ``why``: for the comment of a line that is added.

    Raises EditError when the file is no Python that can be read, or the result would not say exactly that.
    """
    text_of(path, old)
    mark, source = (BOM, old[3:]) if old.startswith(BOM) else (b"", old)
    body = _parsed(path, source)
    literal = _literal(value)
    last = max((i for i, node in enumerate(body) if _binds(node, name)), default=None)
    used = [i for i, node in enumerate(body) if _reads(node, name)]
    starts = [0, *(found.end() for found in _LINE.finditer(source))]
    if last is not None and not used and (span := _replaceable(body[last], starts)):
        new, line = source[: span[0]] + _like(source[slice(*span)], literal) + source[span[1] :], body[last].lineno
    else:
        after = None if last is None else max([last, *used])
        new, line = _with_line(source, body, after, starts, f"{name} = {literal}", _reason(body, last, why))
    _check(path, body, _parsed(path, new), name, value)
    return Edit(path, old, mark + new, line)


def _parsed(path: str, source: bytes) -> list[ast.stmt]:
    for line in source.split(b"\n")[:2]:
        coding = _CODING.match(line)
        if coding and coding[1].lower().replace(b"_", b"-") not in _UTF8:
            raise EditError(f"{path} is written in {coding[1].decode('ascii', 'replace')}; change it by hand")
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise EditError(f"{path} cannot be read as Python; change it by hand") from None


def _literal(value: Value) -> str:
    if value is None:
        raise EditError("there is no value to write")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return ascii(value)


def _binds(node: ast.stmt, name: str) -> bool:
    """Whether a statement may set the name, openly or behind the back."""
    return any(_may_set(part, name) for part in ast.walk(node))


def _may_set(part: ast.AST, name: str) -> bool:
    if isinstance(part, ast.Name):
        return (part.id == name and not isinstance(part.ctx, ast.Load)) or part.id in _BEHIND_THE_BACK
    if isinstance(part, ast.alias):
        return "*" in part.name or (part.asname or part.name.partition(".")[0]) == name
    return isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and part.name == name


def _reads(node: ast.stmt, name: str) -> bool:
    """Whether a statement uses the name when it is run; what stands in a function is run later."""
    return any(isinstance(p, ast.Name) and p.id == name and isinstance(p.ctx, ast.Load) for p in _at_once(node))


def _at_once(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts: Iterable[ast.AST] = (*node.decorator_list, node.args)
    else:
        parts = () if isinstance(node, ast.Lambda) else ast.iter_child_nodes(node)
    for part in parts:
        yield from _at_once(part)


def _replaceable(node: ast.stmt, starts: list[int]) -> tuple[int, int] | None:
    """Where the literal stands that alone decides the value, as offsets; None where there is none on one line."""
    if isinstance(node, ast.Assign):
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
            return None
        value = node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        value = node.value
    else:
        return None
    bare = value.operand if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub) else value
    if not isinstance(bare, ast.Constant) or value.lineno != value.end_lineno:
        return None
    begin = starts[value.lineno - 1]
    return begin + value.col_offset, begin + (value.end_col_offset or 0)


def _like(written: bytes, literal: str) -> bytes:
    """The literal in the quotes that stood there."""
    if written[:1] == b'"' and literal[:1] == "'" and '"' not in literal and "\\" not in literal:
        literal = f'"{literal[1:-1]}"'
    return literal.encode()


def _reason(body: list[ast.stmt], last: int | None, why: str) -> str:
    over = f"overrides line {body[last].lineno}" if last is not None else "was not set"
    return comment(f"analyzerd: {over}; {why}" if why else f"analyzerd: {over}")


def _with_line(
    source: bytes, body: list[ast.stmt], after: int | None, starts: list[int], code: str, reason: str
) -> tuple[bytes, int]:
    """Add a line after a statement, or at the end; the statement's whole line counts, with what shares it."""
    newline = newline_of(source.decode("utf-8", "replace")).encode()
    added = f"{code}  # {reason}".encode()
    last = len(starts) if after is None else _last_line(body, after)
    if last >= len(starts):
        gap = b"" if not source or source[-1:] in b"\r\n" else newline
        whole = source + gap
        return whole + added + newline, len(_LINE.findall(whole)) + 1
    return source[: starts[last]] + added + newline + source[starts[last] :], last + 1


def _last_line(body: list[ast.stmt], index: int) -> int:
    last = body[index].end_lineno or 0
    for node in body[index + 1 :]:
        if node.lineno > last:
            break
        last = node.end_lineno or last
    return last


def _check(path: str, old: list[ast.stmt], new: list[ast.stmt], name: str, value: Value) -> None:
    """The new file must differ in one statement, and that one must say the value."""
    before, after = [ast.dump(node) for node in old], [ast.dump(node) for node in new]
    differ = next((i for i, dump in enumerate(after) if i >= len(before) or before[i] != dump), None)
    if differ is not None:
        rest = after[differ + 1 :]
        kept = rest in (before[differ:], before[differ + 1 :])
        if kept and _says(new[differ], name, value) and not any(_binds(n, name) for n in new[differ + 1 :]):
            return
    elif any(_says(node, name, value) for node in new):
        raise EditError(f"{path} says {name} = {value} already")
    raise EditError(f"{path} cannot be changed safely; set {name} by hand")


def _says(node: ast.stmt, name: str, value: Value) -> bool:
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return False
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    try:
        return isinstance(target, ast.Name) and target.id == name and bool(ast.literal_eval(node.value) == value)
    except ValueError:
        return False
