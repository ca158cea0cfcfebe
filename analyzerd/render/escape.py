"""Makes hostile text harmless: no control, no terminal code, no Slack markup, no mention, never too long.

Hides no secrets: that is redact's work.
"""

from __future__ import annotations

import re

# CSI, OSC and the other escape sequences of a terminal.
_ANSI = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)?"
    r"|\x1b[@-Z\\-_]?|\x9b[0-?]{0,64}[@-~]?"
)
_LINE_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
# Controls (not tab, not newline), soft hyphen, zero-width, bidirectional, fillers, tags, private use.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ue000-\uf8ff\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL_SEQUENCE = re.compile(r"<(?=[!@#]|[a-zA-Z][a-zA-Z0-9+.-]{0,20}:)")
_BROADCAST = re.compile(r"@(?=(?i:channel|here|everyone|group)\b|[UWS][A-Z0-9]{7,})")
_MARKUP = str.maketrans({"*": "\u2217", "`": "'", "~": "\u223c"})
_EDGE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def clean(text: str, limit: int) -> str:
    """Remove terminal codes and invisible characters, keep line breaks as newlines, cut at ``limit``.

    Reads no more than a few times ``limit`` of the input.
    """
    text = text[: limit * 4 + 200]
    text = _LINE_BREAKS.sub("\n", _ANSI.sub("", text))
    text = _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text)).replace("\t", "    ")
    return cap(text, limit)


def one_line(text: str, limit: int) -> str:
    """Clean and join into a single line: a forged second line stays visibly part of the first."""
    return cap(" ".join(clean(text, limit * 2).split()), limit)


def cap(text: str, limit: int) -> str:
    """Cut at ``limit`` characters and show that something is missing."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "\u2026"


def literal(text: str) -> str:
    """Make cleaned text safe for Slack's literal elements (plain_text, rich_text).

    Slack does not parse them; should some client do so all the same, no mention and no link can arise.
    """
    return _BROADCAST.sub("\uff20", _CONTROL_SEQUENCE.sub("\u2039", text))


def mrkdwn(text: str) -> str:
    """Make cleaned text safe where Slack parses: entities escaped, markup replaced by look-alikes."""
    text = _EDGE_UNDERSCORE.sub("\uff3f", literal(text).translate(_MARKUP)).replace("://", ":\u2215\u2215")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
