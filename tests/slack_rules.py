"""What Slack documents about a message: fields, block kinds, lengths. Refuses what Slack would refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

Json = dict[str, Any]
PAYLOAD_LIMIT = 13_200  # undocumented; seen in the wild as msg_blocks_too_long


class RefusedError(Exception):
    """Slack's ``ok: false`` with its error code and what was wrong."""

    def __init__(self, code: str, why: str = "", status: int = 200) -> None:
        super().__init__(f"{code}: {why}" if why else code)
        self.code, self.status = code, status


def incident_of(message: Json) -> str:
    """Return the incident a message is about, by its metadata."""
    return str(((message.get("metadata") or {}).get("event_payload") or {}).get("incident", ""))


def as_text(message: Json) -> str:
    """Return all text of a message, one block after another."""
    blocks = message.get("blocks") or []
    return "\n".join("".join(texts(block)) for block in blocks) if blocks else str(message.get("text", ""))


def texts(node: Any) -> Iterator[str]:
    """Yield every text that a reader sees, with line ends after list items and code."""
    if isinstance(node, list):
        for item in node:
            yield from texts(item)
    elif isinstance(node, dict):
        if node.get("type") == "date":
            yield str(node.get("fallback", ""))
        elif isinstance(node.get("text"), str):
            yield node["text"]
        for key in ("text", "elements", "fields"):
            if isinstance(node.get(key), dict | list):
                yield from texts(node[key])
        if node.get("type") in {"rich_text_section", "rich_text_preformatted"}:
            yield "\n"


# ---- what Slack documents -------------------------------------------------------------------------


def read_body(kind: str, raw: bytes) -> Json:
    """Read a JSON or form body; Slack takes blocks and metadata in a form as JSON text."""
    try:
        if kind == "application/json":
            return dict(json.loads(raw))
        if kind == "application/x-www-form-urlencoded":
            form = parse_qs(raw.decode("ascii"), keep_blank_values=True)
            body: Json = {name: values[0] for name, values in form.items()}
            return body | {name: json.loads(body[name]) for name in ("blocks", "metadata") if name in body}
    except ValueError as error:
        wrong = "invalid_json" if kind == "application/json" else "invalid_form_data"
        raise RefusedError(wrong, str(error)) from error
    raise RefusedError("invalid_post_type", kind)


def check_message(body: Json) -> None:
    """Refuse a message that Slack would refuse."""
    text, blocks = body.get("text", ""), body.get("blocks")
    if not isinstance(text, str) or len(text) > 40_000:
        raise RefusedError("msg_too_long" if isinstance(text, str) else "invalid_arguments", "text")
    if not text and not blocks:
        raise RefusedError("no_text")
    if not text:
        raise RefusedError("invalid_arguments", "text is needed beside blocks, for notifications")
    if len(text) > 4000:
        raise RefusedError("msg_too_long", f"fallback text of {len(text)} characters")
    if blocks is not None:
        check_blocks(blocks)
    if body.get("metadata") is not None:
        check_metadata(body["metadata"])


def check_metadata(metadata: Any) -> None:
    """Refuse metadata that is not an event type and a flat payload."""
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    if not isinstance(payload, dict) or not re.fullmatch(r"[a-z0-9_]{1,255}", str(metadata.get("event_type", ""))):
        raise RefusedError("invalid_metadata_format", json.dumps(metadata)[:200])
    if not all(isinstance(value, str | int | float | bool) for value in payload.values()):
        raise RefusedError("invalid_metadata_schema", json.dumps(payload)[:200])


def check_blocks(blocks: Any) -> None:
    """Refuse blocks that break a documented limit."""
    if not isinstance(blocks, list):
        raise RefusedError("invalid_blocks_format", type(blocks).__name__)
    if len(blocks) > 50:
        raise RefusedError("invalid_blocks", f"{len(blocks)} blocks")
    if len(json.dumps(blocks)) > PAYLOAD_LIMIT:
        raise RefusedError("msg_blocks_too_long", f"{len(json.dumps(blocks))} characters")
    for block in blocks:
        check = _BLOCKS.get(block.get("type") if isinstance(block, dict) else None)
        if check is None:
            raise RefusedError("invalid_blocks", f"unknown block {str(block)[:80]}")
        check(block)


def _expect(good: bool, why: str) -> None:
    if not good:
        raise RefusedError("invalid_blocks", why)


def _text_object(node: Any, limit: int, kinds: tuple[str, ...]) -> None:
    _expect(isinstance(node, dict) and node.get("type") in kinds, f"needs {kinds}: {str(node)[:80]}")
    _expect(set(node) <= {"type", "text", "emoji", "verbatim"}, f"unknown keys in {sorted(node)}")
    text = node.get("text")
    _expect(isinstance(text, str) and 1 <= len(text) <= limit, f"text must have 1 to {limit} characters")


def _header(block: Json) -> None:
    _text_object(block.get("text"), 150, ("plain_text",))


def _section(block: Json) -> None:
    _expect("text" in block or "fields" in block, "section needs text or fields")
    if "text" in block:
        _text_object(block["text"], 3000, ("plain_text", "mrkdwn"))
    _expect(len(block.get("fields", ())) <= 10, "at most 10 fields")
    for one in block.get("fields", ()):
        _text_object(one, 2000, ("plain_text", "mrkdwn"))


def _context(block: Json) -> None:
    _expect(1 <= len(block.get("elements", ())) <= 10, "context needs 1 to 10 elements")
    for one in block["elements"]:
        _text_object(one, 3000, ("plain_text", "mrkdwn"))


_RICH_KEYS: Mapping[str, set[str]] = {
    "text": {"type", "text", "style"},
    "date": {"type", "timestamp", "format", "url", "fallback"},
    "link": {"type", "url", "text", "style", "unsafe"},
    "emoji": {"type", "name", "unicode"},
}


def _rich_leaf(node: Any, *, code: bool) -> None:
    kind = node.get("type") if isinstance(node, dict) else None
    _expect(kind in (("text", "link") if code else _RICH_KEYS), f"rich text element {kind!r}")
    _expect(set(node) <= _RICH_KEYS[str(kind)], f"unknown keys in {sorted(node)}")
    if kind == "text":
        _expect(isinstance(node.get("text"), str) and 1 <= len(node["text"]) <= 3000, "rich text of 1 to 3000")
        _expect(set(node.get("style", {})) <= {"bold", "italic", "strike", "code"}, "style")
    if kind == "date":
        _expect(
            isinstance(node.get("timestamp"), int) and bool(node.get("format")),
            "date needs timestamp, format",
        )


def _rich_text(block: Json) -> None:
    _expect(isinstance(block.get("elements"), list) and bool(block["elements"]), "rich_text needs elements")
    for part in block["elements"]:
        kind = part.get("type")
        _expect(isinstance(part.get("elements"), list) and bool(part["elements"]), f"{kind} needs elements")
        if kind == "rich_text_list":
            _expect(part.get("style") in {"bullet", "ordered"}, "list style")
            for item in part["elements"]:
                _expect(item.get("type") == "rich_text_section" and bool(item.get("elements")), "list item")
                for leaf in item["elements"]:
                    _rich_leaf(leaf, code=False)
            continue
        _expect(kind in {"rich_text_section", "rich_text_preformatted", "rich_text_quote"}, f"part {kind!r}")
        for leaf in part["elements"]:
            _rich_leaf(leaf, code=kind == "rich_text_preformatted")


_BLOCKS: Mapping[Any, Any] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "rich_text": _rich_text,
    "divider": lambda _: None,
}
