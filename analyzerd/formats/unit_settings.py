"""Reads what a systemd unit's text sets for a service: limits, restarts, user, and how it is started. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from analyzerd.model import Setting, Value
from analyzerd.units import parse_duration_s, parse_size_bytes

_PREFIX = re.compile(r"^[-@:+!|]{1,5}")
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(us|usec|ms|msec|s|sec|seconds?|m|min|minutes?|h|hr|hours?)", re.ASCII)
_MICROSECOND_S = 1e-6
_MAX_CHARS = 1 << 20
Read = Callable[[str], Value]


def from_unit(texts: Iterable[tuple[str, str]], *, time_s: float = 0.0, unit: str = "") -> tuple[Setting, ...]:
    """Read a unit's file and then its drop-ins, each ``(path, text)``; the last assignment of a name counts.

    Names are systemd's own (``unit.TimeoutStopSec``): durations in seconds, sizes in bytes, ``infinity`` as such. A
    value that cannot be understood (``MemoryMax=80%``) stays text. An empty assignment takes the name back.
    """
    found: dict[str, tuple[Value, str]] = {}
    for path, text in texts:
        for name, value, line in _assignments(text):
            for known in _ALIASES.get(name, (name,)):
                if known in _READ and not value:
                    found.pop(known, None)
                elif known in _READ:
                    found[known] = (_READ[known](value), f"{path}:{line}")
    return tuple(Setting(time_s, unit, f"unit.{name}", *found[name]) for name in sorted(found))


def unit_commands(texts: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return the last ExecStart without its prefix, and GUNICORN_CMD_ARGS as set there; '' where there is none."""
    command, variables = "", ""
    for _, text in texts:
        for name, value, _ in _assignments(text):
            if name == "ExecStart":
                command = _PREFIX.sub("", value)
            elif name == "Environment" and "GUNICORN_CMD_ARGS=" in value:
                variables = _variable(value, "GUNICORN_CMD_ARGS")
    return command, variables


def _assignments(text: str) -> Iterator[tuple[str, str, int]]:
    """Name, value and line of every assignment of the [Service] section."""
    section, joined, first = "", "", 0
    for number, line in enumerate(text[:_MAX_CHARS].splitlines(), 1):
        first = first if joined else number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        whole, joined = (joined + line).strip(), ""
        if whole.startswith("["):
            section = whole
        elif section == "[Service]" and "=" in whole and whole[:1] not in "#;":
            name, _, value = whole.partition("=")
            yield name.strip(), value.strip(), first


def _variable(value: str, name: str) -> str:
    """One variable of an Environment= line: quoted as a whole, or up to the next blank."""
    match = re.search(rf"\"{name}=([^\"]*)\"|'{name}=([^']*)'|(?<![\w\"']){name}=(\S*)", value)
    return next((part for part in match.groups() if part), "") if match else ""


def _duration(text: str) -> Value:
    if text == "infinity":
        return text
    parts = _SPAN.findall(text)
    if parts and not _SPAN.sub("", text).strip():
        return sum(_seconds(float(number), unit) for number, unit in parts)
    try:
        return parse_duration_s(text)
    except ValueError:
        return text


def _seconds(number: float, unit: str) -> float:
    if unit in ("us", "usec"):
        return number * _MICROSECOND_S
    if unit in ("ms", "msec"):
        return number / 1000
    return number * {"s": 1.0, "m": 60.0, "h": 3600.0}[unit[0]]


def _size(text: str) -> Value:
    try:
        return parse_size_bytes(text)
    except ValueError:
        return text


def _count(text: str) -> Value:
    """The soft limit of ``soft:hard``."""
    soft = text.partition(":")[0]
    return int(soft) if soft.isdecimal() and len(soft) < 16 else text


_ALIASES = {"TimeoutSec": ("TimeoutStartSec", "TimeoutStopSec"), "MemoryLimit": ("MemoryMax",)}
_READ: dict[str, Read] = {
    "TimeoutStartSec": _duration,
    "TimeoutStopSec": _duration,
    "MemoryMax": _size,
    "MemoryHigh": _size,
    "LimitNOFILE": _count,
    "CPUQuota": str,
    "Restart": str,
    "User": str,
    "DynamicUser": str,
    "ExecStart": str,
    "WorkingDirectory": str,
}
