"""Makes hostile bytes safe to keep and show: decoded, no control characters, bounded. Interprets nothing."""

from __future__ import annotations

import re

MAX_TEXT = 8192
"""Most characters kept of any text that came from a log."""

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[@-Z\\^_])")
# Tab and newline stay visible as arrows: dropping them, or making them blanks, could finish a forged line.
_VISIBLE = {0x09: "\u21e5", 0x0A: "\u21b5"}
_INVISIBLE = (
    *range(0x20),
    *range(0x7F, 0xA0),
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
)
_TABLE: dict[int, str | None] = {**dict.fromkeys(_INVISIBLE), **_VISIBLE}


def clean(raw: bytes, limit: int = MAX_TEXT) -> str:
    """Decode with replacement, drop ANSI sequences and control characters, cut at ``limit`` characters."""
    return clean_text(raw[: limit * 4].decode("utf-8", "replace"), limit)


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Do the same for text that is decoded already."""
    text = text[: limit * 4]
    if text.isascii() and text.isprintable():
        return text[:limit]
    return _ANSI.sub("", text).translate(_TABLE)[:limit]


def chomp(line: bytes) -> bytes:
    """Drop the line end, and a carriage return before it."""
    return line.rstrip(b"\r\n")


_ID = re.compile(
    r"\d+|[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[A-Za-z0-9_-]{32,}|(?=\w*\d\w*\d)\w{12,}", re.ASCII
)
MAX_PARTS = 12


def endpoint_of(path: str) -> str:
    """Fold what varies between requests of one route: numbers, UUIDs, hashes, tokens; query and fragment go."""
    parts = path.partition("?")[0].partition("#")[0].split("/")
    return "/".join(":id" if part and _ID.fullmatch(part[:200]) else part for part in parts[:MAX_PARTS])
