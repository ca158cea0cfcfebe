"""Sentences with names in braces: which names they use, and filling them. No attribute access, no code."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

from analyzerd.model import Value
from analyzerd.units import format_bytes, format_day, format_duration, format_time

_NAME_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "_.-")
UNITS: Mapping[str, Callable[[float], str]] = {
    "bytes": format_bytes,
    "duration": format_duration,
    "time": format_time,
    "day": format_day,
}
"""Format words beside Python's own: ``{value:bytes}``, ``{value:duration}``, ``{value:time}``, ``{value:day}``."""


def names(template: str) -> tuple[str, ...]:
    """Return the names in braces, in order. Raises ValueError saying what is wrong with the template."""
    found: list[str] = []
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name or conversion or not set(name) <= _NAME_CHARACTERS:
            raise ValueError(f"{{{name}}} is not a plain name")
        if spec and not _usable(spec):
            raise ValueError(f"{spec!r} after {name!r} is no number format and not one of {', '.join(UNITS)}")
        found.append(name)
    return tuple(found)


def fill(template: str, value_of: Callable[[str], Value]) -> str:
    """Put values into a template; a value that is not known (None) reads 'unknown'."""
    parts: list[str] = []
    for literal, name, spec, _ in string.Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            parts.append(show(value_of(name), spec or ""))
    return "".join(parts)


def show(value: Value, spec: str = "") -> str:
    """Show one value; text ignores a number format, whole floats lose their '.0'."""
    if value is None:
        return "unknown"
    if isinstance(value, bool | str):
        return str(value).lower() if isinstance(value, bool) else value
    if spec in UNITS:
        return UNITS[spec](value)
    if spec:
        return format(value, spec)
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def _usable(spec: str) -> bool:
    if spec in UNITS:
        return True
    if len(spec) > 6 or "{" in spec or any(mark in spec for mark in "<>^="):
        return False
    try:
        format(1.5, spec)
    except ValueError:
        return False
    return True
