"""Changes a systemd service by a drop-in of its own: the unit's own file stays as it is. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from analyzerd.core.edits.edit import Edit, EditError, bytes_of, comment
from analyzerd.formats.gunicorn_settings import as_options, from_command_line
from analyzerd.formats.unit_settings import from_unit
from analyzerd.model import Value

FOLDER = "/etc/systemd/system"
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,200}\.service", re.ASCII)
_NAME = re.compile(r"[A-Za-z]{1,60}", re.ASCII)
_VALUE = re.compile(r"[^\x00-\x1f\x7f]{1,4096}")
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+""")
_SHORT = {"workers": "-w", "worker_class": "-k", "timeout": "-t"}


def drop_in(unit: str, name: str, value: str, texts: Iterable[tuple[str, str]], old: bytes | None, why: str) -> Edit:
    """Set ``name`` of the [Service] section. ``texts``: the unit and its drop-ins; ``old``: ours, if there is one.

    Raises EditError when a name or value is unfit, or another drop-in would win.
    """
    if not (_UNIT.fullmatch(unit) and ".." not in unit and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
        raise EditError(f"no drop-in can be written for {unit!r}; change it by hand")
    path = f"{FOLDER}/{unit}.d/zz-analyzerd-{name.lower()}.conf"
    reset = f"{name}=\n" if name == "ExecStart" else ""
    text = f"# analyzerd: {comment(why) or 'recommended'}\n[Service]\n{reset}{name}={value}\n"
    given = [(place, said) for place, said in texts if place != path]
    later = [place for place, said in given if _wins(place, path) and _sets(said, name)]
    if later:
        raise EditError(f"{later[-1]} sets {name} and counts after {path}; change it there")
    if old == bytes_of(text):
        raise EditError(f"{path} says {name}={value} already")
    return Edit(path, old, bytes_of(text), text.count("\n"))


def _wins(place: str, path: str) -> bool:
    return place.rpartition("/")[0].endswith(".d") and place.rpartition("/")[2] > path.rpartition("/")[2]


def _sets(text: str, name: str) -> bool:
    return any(setting.name == f"unit.{name}" for setting in from_unit([("", text)]))


def with_option(command: str, name: str, value: Value) -> str:
    """An ExecStart= line in which one gunicorn option has another value, all else as written.

    Raises EditError where gunicorn is not started by this line itself, or the line would not say the value.
    """
    options = as_options(name, value)
    words = list(_WORD.finditer(command))
    program = next((i for i, word in enumerate(words) if re.fullmatch(r"(.*/)?gunicorn[\w.-]*", word[0])), None)
    if program is None or len(options) != 2 or not re.fullmatch(r"[\w.:/-]+", options[1]):
        raise EditError(f"the command line does not start gunicorn plainly; set {name} by hand")
    flags = (options[0], _SHORT.get(name, options[0]))
    found = [span for i in range(program + 1, len(words)) if (span := _value_at(words, i, flags))]
    if found:
        begin, end = found[-1]
        new = command[:begin] + options[1] + command[end:]
    else:
        after = words[program].end()
        new = f"{command[:after]} {options[0]} {options[1]}{command[after:]}"
    said = {s.name: s.value for s in from_command_line(new)}
    if said.get(f"gunicorn.{name}") != value:
        raise EditError(f"the command line sets {name} in an unusual way; change it by hand")
    return new


def _value_at(words: list[re.Match[str]], index: int, flags: tuple[str, str]) -> tuple[int, int] | None:
    """Where the value of an option stands: in its own word after ``=``, glued to a short one, or in the next word."""
    word = words[index]
    if word[0] in flags:
        return words[index + 1].span() if index + 1 < len(words) else None
    if word[0].startswith(f"{flags[0]}="):
        return word.start() + len(flags[0]) + 1, word.end()
    short = flags[1]
    if len(short) == 2 and word[0].startswith(short):
        return word.start() + 2 + (word[0][2:3] == "="), word.end()
    return None
