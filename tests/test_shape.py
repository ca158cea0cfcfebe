"""The shape of the package: short files, short functions. Read from the source, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

PACKAGE = Path(__file__).resolve().parents[1] / "analyzerd"
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES = 400, 50, 10


def modules() -> list[Path]:
    """Find every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Yield the name and length in lines of every function, its docstring left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1 - docstring_lines(node)


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's docstring."""
    if ast.get_docstring(node) is None:
        return 0
    text = node.body[0]
    return text.end_lineno - text.lineno + 1


def too_long(source: str) -> list[str]:
    """Name the functions over the limit."""
    return [f"{name} ({lines})" for name, lines in functions(source) if lines > FUNCTION_LINES]


def test_no_module_is_too_long() -> None:
    """Every module fits the limit."""
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in modules()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    """Every function fits the limit."""
    found = {str(path.relative_to(PACKAGE)): too_long(path.read_text()) for path in modules()}
    assert {name: names for name, names in found.items() if names} == {}


def test_functions_are_short_as_a_rule() -> None:
    """Half of all functions have ten lines or fewer."""
    lengths = [lines for path in modules() for _, lines in functions(path.read_text())]
    assert median(lengths) <= MEDIAN_LINES


def test_a_long_function_would_be_found() -> None:
    """The measure counts code and not the docstring."""
    body = "\n".join(f"    a{number} = {number}" for number in range(FUNCTION_LINES))
    assert too_long(f"def long():\n{body}\n") == [f"long ({FUNCTION_LINES + 1})"]
    assert too_long(f'def fits():\n    """Say.\n\n    More.\n    """\n{body[: body.rindex(chr(10))]}\n') == []
