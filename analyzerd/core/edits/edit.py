"""One file before and after a change, and the text of what is put into it. Knows no format."""

from __future__ import annotations

import re
from dataclasses import dataclass

from analyzerd.errors import AnalyzerdError

MOST_BYTES = 1 << 20
MOST_COMMENT = 160
_NEWLINE = re.compile("\r\n|\n|\r")


class EditError(AnalyzerdError):
    """A file cannot be changed safely; the message says why and what to do by hand."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The whole content of one file before and after. ``old`` None: it is not there yet. ``line``: the changed one."""

    path: str
    old: bytes | None
    new: bytes
    line: int = 1


def text_of(path: str, data: bytes) -> str:
    """Decode so that ``bytes_of`` gives the same bytes back, whatever they are. Raises EditError when too large."""
    if len(data) > MOST_BYTES:
        raise EditError(f"{path} is larger than any configuration; change it by hand")
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Encode what ``text_of`` has decoded."""
    return text.encode("utf-8", "surrogateescape")


def newline_of(text: str) -> str:
    """The line end that a text uses first."""
    found = _NEWLINE.search(text)
    return found[0] if found else "\n"


def comment(text: str) -> str:
    """One harmless line of a comment: ASCII, no control characters, shortened."""
    plain = re.sub(r"[^ -~]+", " ", text)
    return " ".join(plain.split())[:MOST_COMMENT]
