"""Settings in effect as words and as JSON. All text is hostile; judges nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzerd.model import Setting
from analyzerd.render.escape import one_line
from analyzerd.render.redact import redact

SCHEMA = "analyzerd.settings/1"
_WIDTH = 36
_MAX = 300


@dataclass(frozen=True, slots=True)
class InEffect:
    """One running app. ``unresolved``: name, place and reason; ``drift`` and ``blind``: sentences."""

    app: str
    unit: str
    pid: int
    settings: tuple[Setting, ...]
    unresolved: tuple[tuple[str, str, str], ...] = ()
    drift: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()


def as_text(found: Sequence[InEffect], *, defaults: bool = False, colour: bool = False) -> str:
    """One block for each app: values with their places, then what is not known and what is not loaded."""
    return "\n\n".join("\n".join(_block(one, defaults, colour)) for one in found) + "\n"


def _block(one: InEffect, defaults: bool, colour: bool) -> Iterator[str]:
    yield f"{_line(one.app)} (master {one.pid}{', ' + _line(one.unit) if one.unit else ''})"
    shown = [s for s in one.settings if defaults or not _is_default(s)]
    for setting in shown:
        yield f"  {_line(setting.name):{_WIDTH}} {_line(_value(setting)):20} {_line(setting.origin)}"
    left = len(one.settings) - len(shown)
    if left:
        yield f"  {left} more are defaults: --all shows them"
    for name, place, why in one.unresolved:
        yield _painted(f"  {_line(name):{_WIDTH}} not known            {_line(place)}: {_line(why)}", colour)
    for said in (*one.drift, *one.blind):
        yield _painted(f"  ! {_line(said)}", colour)


def as_json(found: Sequence[InEffect]) -> str:
    """The documented JSON (schema analyzerd.settings/1); defaults are in it."""
    apps = [
        {
            "app": _line(one.app),
            "unit": _line(one.unit),
            "master_pid": one.pid,
            "settings": [
                {"name": s.name, "value": _line(s.value) if isinstance(s.value, str) else s.value, "origin": s.origin}
                for s in one.settings
            ],
            "unresolved": [
                {"name": name, "origin": _line(place), "because": _line(why)} for name, place, why in one.unresolved
            ],
            "drift": [_line(said) for said in one.drift],
            "blind_spots": [_line(said) for said in one.blind],
        }
        for one in found
    ]
    return json.dumps({"schema": SCHEMA, "apps": apps}, indent=2, ensure_ascii=True) + "\n"


def _is_default(setting: Setting) -> bool:
    return setting.origin.endswith("default")


def _value(setting: Setting) -> str:
    if isinstance(setting.value, bool):
        return "on" if setting.value else "off"
    if isinstance(setting.value, float):
        return f"{setting.value:g}"
    return str(setting.value) if setting.value != "" else "(none)"


def _line(text: str) -> str:
    return redact(one_line(text, _MAX))


def _painted(text: str, colour: bool) -> str:
    return f"\x1b[33m{text}\x1b[0m" if colour else text
