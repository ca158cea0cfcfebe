"""Slack's block kinds as small functions. Only literal kinds: nothing here is parsed as markup by Slack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analyzerd.render.escape import cap, literal
from analyzerd.render.phrases import minute

Block = dict[str, Any]

HEADER_LIMIT = 150
TEXT_LIMIT = 2900
CONTEXT_LIMIT = 300


def header(text: str) -> Block:
    """Return the headline."""
    return {"type": "header", "text": _plain(cap(text, HEADER_LIMIT))}


def paragraph(text: str, label: str = "") -> Block:
    """Return a paragraph, its label in bold before it."""
    return _rich([{"type": "rich_text_section", "elements": [*_label(label), _text(text)]}])


def bullets(items: Sequence[str], label: str = "") -> Block:
    """Return a list of facts under a bold label."""
    points = [{"type": "rich_text_section", "elements": [_text(item)]} for item in items]
    parts: list[Block] = [{"type": "rich_text_list", "style": "bullet", "elements": points}]
    return _rich(_labelled(label) + parts)


def code(text: str, label: str = "") -> Block:
    """Return text as it stands, in a fixed-width box under a bold label."""
    return _rich([*_labelled(label), {"type": "rich_text_preformatted", "elements": [_text(text)]}])


def dated(text: str, *moments_s: float) -> Block:
    """Return a sentence; the moments in it (as minute() shows them) appear in the reader's own time zone."""
    leaves = [_text(text)]
    for time_s in dict.fromkeys(int(moment_s) for moment_s in moments_s):
        leaves = [part for leaf in leaves for part in _with_date(leaf, time_s)]
    return _rich([{"type": "rich_text_section", "elements": leaves}])


def _with_date(leaf: Block, time_s: int) -> list[Block]:
    before, found, after = leaf.get("text", "").partition(minute(time_s))
    if not found:
        return [leaf]
    shown = {
        "type": "date",
        "timestamp": time_s,
        "format": "{date_short_pretty} {time}",
        "fallback": found,
    }
    return [_text(before), shown, *([_text(after)] if after else [])]


def context(*texts: str) -> Block:
    """Return the small print."""
    return {"type": "context", "elements": [_plain(cap(text, CONTEXT_LIMIT)) for text in texts[:10]]}


def divider() -> Block:
    """Return a line between two suspects."""
    return {"type": "divider"}


def _rich(elements: list[Block]) -> Block:
    return {"type": "rich_text", "elements": elements}


def _labelled(label: str) -> list[Block]:
    return [{"type": "rich_text_section", "elements": _label(label)}] if label else []


def _label(label: str) -> list[Block]:
    return [{"type": "text", "text": f"{literal(cap(label, 300))} ", "style": {"bold": True}}] if label else []


def _text(text: str) -> Block:
    return {"type": "text", "text": cap(literal(text), TEXT_LIMIT) or " "}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": literal(text) or " ", "emoji": False}
