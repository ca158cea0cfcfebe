"""Hides secrets and people in text from logs; takes time linear in the length of the text.

What has no telling shape (a password in prose, a secret path segment under 40 characters) it cannot know.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

HIDDEN = "[hidden]"

_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?!-----END)[\s\S])*(?:-----END[A-Z -]{0,60})?")
_SHAPES = re.compile(
    r"(?<![\w-])(?:"
    r"eyJ[\w-]{5,}(?:\.[\w-]+){1,4}"  # JWT
    r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}"  # AWS
    r"|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|x(?:ox[a-z]|app)-[\w-]{6,}"  # Slack
    r"|[srp]k[_-](?:live|test|proj|ant)[_-][\w-]{6,}|sk-[\w-]{20,}"
    r"|AIza[\w-]{20,}|npm_\w{20,}|pypi-[\w-]{20,}|SG\.[\w-]{10,}\.[\w-]{10,}"
    r")",
    re.ASCII,
)
_SLACK_HOOK = re.compile(r"(hooks\.slack\.com/)\S+", re.IGNORECASE)
_DSN = re.compile(r"(://[^\s:/@\"'?#]{0,200}):[^\s\"'<>]{1,300}@")
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie2?|x-[a-z-]{0,30}(?:token|key|auth)[a-z-]{0,10})"
    r"([\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\r\n\"']+",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic|digest|negotiate)\s{1,4}[\w+/=.~-]{6,}", re.IGNORECASE)
_NAMED = re.compile(r"(?<![\w.-])([\w.-]{1,64})[\"']?\s{0,4}(?:=>|:=|[=:])\s{0,4}")
_VALUE = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|[\"']?[^\s&;,\"'<>)}]+")
_SECRET_NAME = re.compile(
    r"passw|passphrase|pwd|secret|token|api[_.-]?key|apikey|access[_.-]?key|private[_.-]?key|credential|session[_.-]?id|"
    r"sessid|csrf|xsrf|jwt|signature|(?:^|[_.-])(?:auth|sid|otp|pin|pass)$",
    re.IGNORECASE,
)
_QUERY = re.compile(r"([?&;][\w.\[\]%+-]{1,80})=[^&\s\"'#;]*")
_BARE_QUERY = re.compile(r"(?<=[\w/])\?[^\s\"'=&#]{6,}(?![^\s\"'&#])")
_LONG_SEGMENT = re.compile(r"(?<=/)(?=[A-Za-z._-]{0,64}\d)[\w.=-]{40,}(?=[/\s\"'?#,]|$)", re.ASCII)
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@((?:[\w-]{1,63}\.){1,6}[A-Za-z]{2,24})(?![\w-])")
_UNIT_SUFFIX = ("service", "socket", "slice", "scope", "target", "mount", "timer", "path", "swap")
_CARD = re.compile(r"(?<![\d.])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\d.])", re.ASCII)
_IPV4 = re.compile(r"(client:? {0,2})?(?<![\w.])(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}(?!\.?\w)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9a-f]{0,4}:)[0-9a-f:]{3,39}(?![\w:])", re.IGNORECASE | re.ASCII)


def redact(text: str) -> str:
    """Return the text with secrets, e-mail addresses, card numbers and public client addresses hidden.

    Call it on text of bounded length, after clean(): an invisible character must not split a secret.
    """
    for step in _STEPS:
        text = step(text)
    return text


def _named(text: str) -> str:
    """Hide the values of telling names, also of those inside the value of another name."""
    parts, done = [], 0
    for name in _NAMED.finditer(text):
        value = _VALUE.match(text, name.end()) if name.start() >= done and _SECRET_NAME.search(name[1]) else None
        if value:
            parts += [text[done : name.end()], HIDDEN]
            done = value.end()
    return "".join((*parts, text[done:]))


def _email(match: re.Match[str]) -> str:
    # getty@tty1.service is a unit, not a person.
    return match[0] if match[1].rsplit(".", 1)[-1].lower() in _UNIT_SUFFIX else "[e-mail]"


def _card(match: re.Match[str]) -> str:
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(digits[::-1])]
    return "[card]" if sum(doubled) % 10 == 0 else match[0]


def _ipv4(match: re.Match[str]) -> str:
    """Mask a client, and any address that is not of this machine or network (those name upstreams)."""
    try:
        known = ipaddress.IPv4Address(match[0].removeprefix(match[1] or ""))
    except ValueError:
        return match[0]
    own = known.is_loopback or known.is_unspecified or (known in _PRIVATE and not match[1])
    return match[0] if own else f"{match[1] or ''}{match[2]}.x"


class _Networks:
    nets = tuple(ipaddress.IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))

    def __contains__(self, address: ipaddress.IPv4Address) -> bool:
        return any(address in net for net in self.nets)


_PRIVATE = _Networks()


def _ipv6(match: re.Match[str]) -> str:
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:
        return match[0]
    if address.is_loopback or address.is_unspecified or address.is_link_local:
        return match[0]
    return ":".join(address.exploded.split(":")[:3]) + "::x"


def _by(pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    return lambda text: pattern.sub(replacement, text)


_STEPS: tuple[Callable[[str], str], ...] = (
    _by(_KEY_BLOCK, HIDDEN),
    _by(_SLACK_HOOK, rf"\1{HIDDEN}"),
    _by(_SHAPES, HIDDEN),
    _by(_DSN, rf"\1:{HIDDEN}@"),
    _by(_HEADER, rf"\1\2{HIDDEN}"),
    _by(_SCHEME, rf"\1 {HIDDEN}"),
    _by(_QUERY, r"\1=…"),
    _by(_BARE_QUERY, "?…"),
    _named,
    _by(_LONG_SEGMENT, "…"),
    _by(_EMAIL, _email),
    _by(_CARD, _card),
    _by(_IPV4, _ipv4),
    _by(_IPV6, _ipv6),
)
