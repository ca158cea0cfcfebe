"""Unified diffs that ``patch -p0`` and ``git apply -p0`` accept from the root folder, byte for byte.

Names are relative to ``/``: both programs refuse absolute ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff

from analyzerd.core.edits.edit import Edit, EditError, bytes_of

NOWHERE = "/dev/null"
_UNFIT = re.compile(r'[\x00-\x1f\x7f"\\]')


def unified(edit: Edit) -> str:
    """The change as a diff; bytes that are no UTF-8 stand in it as surrogates. '' when nothing changes."""
    return _diff(edit.path, edit.old, edit.new)


def rollback(edit: Edit) -> str:
    """The diff that undoes the change."""
    return _diff(edit.path, edit.new, edit.old)


def as_bytes(diff: str) -> bytes:
    """A diff as the programs read it."""
    return bytes_of(diff)


def _diff(path: str, old: bytes | None, new: bytes | None) -> str:
    before, after = _name(path, old), _name(path, new)
    # difflib puts a tab and a date after a name only if there is a date; a tab ends a name that holds blanks.
    told = unified_diff(_lines(old), _lines(new), before, after)
    return "".join(_marked(told, tab="\t" if " " in path else ""))


def _name(path: str, data: bytes | None) -> str:
    if not path.startswith("/") or _UNFIT.search(path) or "/../" in path:
        raise EditError(f"no diff can name {path!r}; change it by hand")
    return NOWHERE if data is None else path.lstrip("/")


def _lines(data: bytes | None) -> list[str]:
    r"""Lines end at ``\n`` alone: a carriage return is part of its line."""
    text = (data or b"").decode("utf-8", "surrogateescape")
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _marked(told: Iterator[str], tab: str) -> Iterator[str]:
    for number, line in enumerate(told):
        if number < 2:
            yield line.rstrip("\n") + ("" if NOWHERE in line else tab) + "\n"
        else:
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
