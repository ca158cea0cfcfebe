"""What a Python file that only assigns would leave behind, without running it: values, and why others are not known.

Follows literals, arithmetic, the processors, the environment and a few functions that cannot surprise. Whatever else a
name depends on (a condition, a loop, an import, a call) makes it unresolved; nothing is guessed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_CHARS = 1 << 18
Scalar: TypeAlias = str | int | float | bool | None
Held: TypeAlias = Scalar | list[Scalar]

_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Div: operator.truediv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[object, object], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_CALLS: Mapping[str, Callable[..., Scalar]] = {
    "int": int, "float": float, "str": str, "bool": bool, "min": min, "max": max, "round": round, "abs": abs,
}  # fmt: skip
_COUNTS = ("os.cpu_count", "multiprocessing.cpu_count", "psutil.cpu_count")
_AFFINITY = ("os.sched_getaffinity", "os.process_cpu_count")
_GETTERS = ("os.environ.get", "os.getenv")
_CHANGES_ENVIRONMENT = re.compile(
    r"dotenv|environ\s{0,3}\[[^\]]{0,200}\]\s{0,3}=[^=]|environ\.(?:update|setdefault|pop)|putenv"
)
_REACHES_GLOBALS = ("exec", "eval", "globals", "locals", "vars", "setattr", "__import__")
_SECRET = re.compile(r"pass|secret|token|key|credential|dsn|_url$|_uri$", re.IGNORECASE)
_MOST_TEXT = 4096


class UnresolvedError(Exception):
    """The value depends on what only running the file could tell; says on what."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file may ask the process that runs it; None: not known.

    ``environment``: the variables that may be read, absent ones are unset. ``processors``: of the machine, as
    os.cpu_count() says, which heeds neither affinity nor a quota. ``usable``: by the process's affinity.
    """

    environment: Mapping[str, str] | None = None
    processors: int | None = None
    usable: int | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """What a file leaves behind. Each value with its line; each unresolved name with its line and the reason.

    ``opaque``: why any name at all may have been set besides; '' when none can.
    """

    values: Mapping[str, tuple[Held, int]] = field(default_factory=dict)
    unresolved: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    opaque: str = ""


def read_module(text: str, about: Surroundings | None = None) -> Left:
    """Read a module's text. One that does not parse is opaque."""
    try:
        body = ast.parse(text[:MAX_CHARS]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Left(opaque=f"it does not parse: {type(error).__name__}")
    about = about or Surroundings()
    if _CHANGES_ENVIRONMENT.search(text):
        about = Surroundings(None, about.processors, about.usable)
    module = _Module(about)
    try:
        for statement in body:
            module.take(statement)
    except RecursionError:
        return Left(opaque="it is nested too deeply")
    return Left(module.values, module.unresolved, module.opaque)


def environment_keys(text: str) -> tuple[str, ...]:
    """Name the variables that a module's text asks for by a literal; those that name a secret are left out."""
    try:
        tree = ast.parse(text[:MAX_CHARS])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return tuple(dict.fromkeys(k for k in found if re.fullmatch(r"[A-Za-z_]\w{0,63}", k) and not _SECRET.search(k)))


class _Module:
    """The names of a module, statement by statement."""

    def __init__(self, about: Surroundings) -> None:
        self._about = about
        self._modules: dict[str, str] = {}
        self.values: dict[str, tuple[Held, int]] = {}
        self.unresolved: dict[str, tuple[str, int]] = {}
        self.opaque = ""

    def take(self, node: ast.stmt) -> None:
        """Follow one statement of the top level."""
        if self._reaches_globals(node):
            self._blur(f"line {node.lineno} may set any name")
        match node:
            case ast.Assign():
                for target in node.targets:
                    self._assign(target, node.value, node.lineno)
            case ast.AnnAssign(value=ast.expr() as value):
                self._assign(node.target, value, node.lineno)
            case ast.AugAssign(target=ast.Name() as target):
                whole = ast.BinOp(ast.Name(target.id, ast.Load()), node.op, node.value)
                self._assign(target, ast.copy_location(whole, node), node.lineno)
            case ast.Import():
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self._forget(name)
                    self._modules[name] = alias.name if alias.asname else name
            case ast.ImportFrom():
                self._import_from(node)
            case ast.If(test=ast.Compare(left=ast.Name("__name__"))):
                pass  # gunicorn loads the file under another name than __main__
            case ast.Expr() | ast.Pass() | ast.AnnAssign() | ast.Global():
                pass
            case _:
                self._doubt(node)

    def _assign(self, target: ast.expr, value: ast.expr, line: int) -> None:
        match target, value:
            case ast.Tuple() | ast.List(), ast.Tuple() | ast.List() if len(target.elts) == len(value.elts):
                for one, other in zip(target.elts, value.elts, strict=True):
                    self._assign(one, other, line)
                return
        if not isinstance(target, ast.Name):
            for name in _touched(target):
                if name not in self._modules:
                    self._unknown(name, "it is unpacked from something, or changed in place", line)
            return
        try:
            found = self.value(value)
        except UnresolvedError as error:
            self._unknown(target.id, str(error), line)
            return
        self._forget(target.id)
        self.values[target.id] = (found, line)

    def _import_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self._blur(f"line {node.lineno} imports everything from {node.module or '.'}")
                continue
            name = alias.asname or alias.name
            self._unknown(name, f"it is imported from {node.module or '.'}", node.lineno)
            if node.module in ("os", "multiprocessing", "psutil"):
                self._forget(name)
                self._modules[name] = f"{node.module}.{alias.name}"

    def _doubt(self, node: ast.stmt) -> None:
        """Give up every name that a compound statement may set, or a function that is defined."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._unknown(node.name, "it is defined as a function or class", node.lineno)
            for part in ast.walk(node):
                if isinstance(part, ast.Global):
                    for name in part.names:
                        self._unknown(name, f"a function may set it (line {part.lineno})", part.lineno)
            return
        what = {ast.If: "under a condition", ast.For: "in a loop", ast.While: "in a loop", ast.Try: "in a try block"}
        for name, line in _stores(node):
            self._unknown(name, f"it is set {what.get(type(node), 'in a block')}", line)

    def _unknown(self, name: str, why: str, line: int) -> None:
        self._forget(name)
        self.unresolved[name] = (why, line)

    def _forget(self, name: str) -> None:
        for known in (self.values, self.unresolved, self._modules):
            known.pop(name, None)

    def _blur(self, why: str) -> None:
        self.opaque = self.opaque or why
        for name, (_, line) in list(self.values.items()):
            self._unknown(name, why, line)

    def _reaches_globals(self, node: ast.stmt) -> bool:
        called = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
        return any(isinstance(one, ast.Name) and one.id in _REACHES_GLOBALS for one in called)

    # ---- expressions ---------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Held:
        """Work out an expression. Raises UnresolvedError."""
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.Name():
                return self._named(node.id)
            case ast.List() | ast.Tuple():
                return [self._scalar(part) for part in node.elts]
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                return self._either(node)
            case ast.IfExp():
                return self.value(node.body if self.value(node.test) else node.orelse)
            case ast.Compare(ops=[one], comparators=[other]) if type(one) in _COMPARISONS:
                return _COMPARISONS[type(one)](self.value(node.left), self.value(other))
            case ast.JoinedStr():
                return _short("".join(self._piece(part) for part in node.values))
            case ast.Call() | ast.Subscript():
                return self._asked(node)
        raise UnresolvedError(f"it depends on what {type(node).__name__} gives")

    def _named(self, name: str) -> Held:
        if name in self.values:
            return self.values[name][0]
        because = self.unresolved.get(name, ("it is not known", 0))[0]
        raise UnresolvedError(f"it depends on {name}: {because}")

    def _scalar(self, node: ast.expr) -> Scalar:
        found = self.value(node)
        if isinstance(found, list):
            raise UnresolvedError("it holds lists in a list")
        return found

    def _piece(self, node: ast.expr) -> str:
        if isinstance(node, ast.FormattedValue):
            if node.format_spec is not None or node.conversion != -1:
                raise UnresolvedError("it is formatted")
            return str(self._scalar(node.value))
        return str(self._scalar(node))

    def _unary(self, node: ast.UnaryOp) -> Scalar:
        found = self._scalar(node.operand)
        if isinstance(node.op, ast.Not):
            return not found
        if isinstance(node.op, ast.USub | ast.UAdd) and isinstance(found, int | float):
            return -found if isinstance(node.op, ast.USub) else found
        raise UnresolvedError("it depends on an operation that is not followed")

    def _either(self, node: ast.BoolOp) -> Held:
        for part in node.values[:-1]:
            found = self.value(part)
            if bool(found) == isinstance(node.op, ast.Or):
                return found
        return self.value(node.values[-1])

    def _arithmetic(self, node: ast.BinOp) -> Held:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add):
            if isinstance(left, str) and isinstance(right, str):
                return _short(left + right)
            if isinstance(left, list) and isinstance(right, list):
                return (left + right)[:1024]
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise UnresolvedError("it depends on an operation on something that is no number")
        operation = _OPERATORS.get(type(node.op))
        if operation is None or max(abs(left), abs(right)) > 1e12:
            raise UnresolvedError("it depends on an operation that is not followed")
        try:
            return operation(left, right)
        except ZeroDivisionError:
            raise UnresolvedError("it divides by zero") from None

    def _asked(self, node: ast.Call | ast.Subscript) -> Scalar:
        """The processors, the environment, and plain functions of known values."""
        if isinstance(node, ast.Subscript):
            if self._path(node.value) == "os.environ":
                return self._variable(str(self._scalar(node.slice)), UnresolvedError("the variable is not set"))
            raise UnresolvedError("it depends on what a subscript gives")
        path = self._path(node.func)
        if path in _COUNTS and not node.args and not node.keywords:
            return _known(self._about.processors)
        if path in _AFFINITY or (path == "len" and self._is_affinity(node)):
            return _known(self._about.usable)
        if path in _GETTERS and 1 <= len(node.args) <= 2 and not node.keywords:
            otherwise = self._scalar(node.args[1]) if len(node.args) == 2 else None
            return self._variable(str(self._scalar(node.args[0])), otherwise)
        if path in _CALLS and path not in self.unresolved and node.args and not node.keywords:
            return _called(path, [self._scalar(part) for part in node.args])
        raise UnresolvedError(f"it depends on what {path or 'a function'}() returns")

    def _is_affinity(self, node: ast.Call) -> bool:
        inner = node.args[0] if len(node.args) == 1 else None
        return isinstance(inner, ast.Call) and self._path(inner.func) in _AFFINITY

    def _path(self, node: ast.expr) -> str:
        """The dotted name of what is called, through imports and their aliases; '' for anything else."""
        if isinstance(node, ast.Name):
            return self._modules.get(node.id, node.id if node.id in (*_CALLS, "len") else "")
        if isinstance(node, ast.Attribute):
            above = self._path(node.value)
            return f"{above}.{node.attr}" if above else ""
        return ""

    def _variable(self, key: str, otherwise: Scalar | UnresolvedError) -> Scalar:
        if _SECRET.search(key):
            raise UnresolvedError(f"the variable {key} may hold a secret and is not read")
        if self._about.environment is None:
            raise UnresolvedError(f"it depends on the variable {key}, and the environment is not known")
        found = self._about.environment.get(key)
        if found is None and isinstance(otherwise, UnresolvedError):
            raise otherwise
        return _short(found) if found is not None else otherwise  # type: ignore[return-value]


def _called(name: str, values: list[Scalar]) -> Scalar:
    try:
        found = _CALLS[name](*values)
    except (TypeError, ValueError, OverflowError):
        raise UnresolvedError(f"{name}() fails on what it is given") from None
    return _short(found) if isinstance(found, str) else found


def _known(count: int | None) -> int:
    if count is None:
        raise UnresolvedError("it depends on the number of processors, which is not known")
    return count


def _short(text: str) -> str:
    if len(text) > _MOST_TEXT:
        raise UnresolvedError("it is longer than any setting")
    return text


def _touched(target: ast.expr) -> Iterator[str]:
    yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


def _stores(node: ast.stmt) -> Iterator[tuple[str, int]]:
    """Names that a statement may bind, whichever way."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del):
            yield part.id, part.lineno
        elif isinstance(part, ast.alias):
            yield (part.asname or part.name).partition(".")[0], getattr(part, "lineno", node.lineno)
        elif isinstance(part, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield part.name, part.lineno
