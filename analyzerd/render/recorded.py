"""What may stand in a recording: log lines, settings and command lines without secrets, stamps in UTC.

Settings are kept by what is known of them, everything else in such a file is left out; an environment never.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from analyzerd.formats.gunicorn_settings import is_setting
from analyzerd.render.escape import clean
from analyzerd.render.redact import HIDDEN, redact

MAX_LINE = 16 * 1024
MAX_MESSAGE = 64 * 1024
_KEY_BEGINS, _KEY_ENDS = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"), "-----END"
_LOCAL_STAMPS = (
    (re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?= \[)"), "%Y/%m/%d %H:%M:%S"),
    (re.compile(r"(?<=^\[)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?=,\d{3}\] )"), "%Y-%m-%d %H:%M:%S"),
)
_ENVIRONMENT_OPTIONS = ("-e", "--env")
_UNIT_SECRETS = re.compile(
    r"^[ \t]*(?:Environment|EnvironmentFile|PassEnvironment|SetCredential\w*|LoadCredential\w*)[ \t]*="
    r"(?:[^\n]*\\\n)*[^\n]*(?:\n|\Z)|^[ \t]*[#;][^\n]*(?:\n|\Z)",
    re.MULTILINE,
)
_NGINX_VALUES = re.compile(
    r"(?<![\w$-])(set|proxy_set_header|add_header|fastcgi_param|uwsgi_param|scgi_param|sub_filter|return|rewrite)"
    r"(\s+[^\s;{}]+)(\s+[^;{}]*);"
)
_NGINX_IF = re.compile(r"\bif\s*\(\s*(\$\w+)\s*[!=~*]{1,3}[^)\n]*\)")
_NGINX_MAP = re.compile(r"(\b(?:map|geo|split_clients)\s[^{};]{1,500}\{)[^{}]*\}")
_NGINX_COMMENT = re.compile(r"^[ \t]*#[^\n]*", re.MULTILINE)
_NGINX_PLAIN = re.compile(r"[\s\"']*(?:\$\w+[\s\"']*|close[\s\"']*|upgrade[\s\"']*)*", re.IGNORECASE)


class LogLines:
    """Cleans the lines of one log, in order: a key may reach over several of them."""

    def __init__(self, utc_offset_s: int = 0) -> None:
        self._offset = timedelta(seconds=utc_offset_s)
        self._in_key = False

    def line(self, raw: bytes) -> str:
        """Return a line as it may be kept: harmless, without secrets, its local stamp turned into UTC."""
        text = clean(raw.decode("utf-8", "replace"), MAX_LINE).replace("\n", " ")
        if self._in_key or _KEY_BEGINS.search(text):
            self._in_key = _KEY_ENDS not in text
            return HIDDEN
        return redact(self._in_utc(text) if self._offset else text)

    def _in_utc(self, text: str) -> str:
        for pattern, form in _LOCAL_STAMPS:
            if (found := pattern.match(text) or pattern.match(text, 1)) is not None:
                try:
                    stamp = datetime.strptime(found[0], form) - self._offset  # noqa: DTZ007 - its zone is the offset
                except ValueError:
                    return text
                return text[: found.start()] + stamp.strftime(form) + text[found.end() :]
        return text


def message(raw: bytes) -> str:
    """Return a journal message, which may have several lines, without secrets."""
    return redact(clean(raw.decode("utf-8", "replace"), MAX_MESSAGE))


def arguments(words: Sequence[str]) -> list[str]:
    """Return a command line without the values of secret options, and without any of the environment's."""
    kept: list[str] = []
    for word in words:
        before = kept[-1] if kept else ""
        if before in _ENVIRONMENT_OPTIONS or word.startswith("--env="):
            kept.append(f"{word.removeprefix('--env=').partition('=')[0]}={HIDDEN}")
        elif word.startswith("-e") and not word.startswith("--") and len(word) > 2:
            kept.append(f"-e{word[2:].partition('=')[0]}={HIDDEN}")
        elif before.startswith("--") and "=" not in before and HIDDEN in redact(f"{before[2:]}={word}"):
            kept.append(HIDDEN)
        else:
            kept.append(redact(clean(word, MAX_LINE)))
    return kept


def python(text: str) -> str:
    """Return gunicorn.conf.py with what sets something of gunicorn's, line by line where it stood, and no more."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    lines = [""] * len(text.splitlines())
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_kept(node):
            source = redact(ast.get_source_segment(text, node) or "")
            if _is_python(source):
                for number, line in enumerate(source.splitlines(), node.lineno - 1):
                    lines[number] = line
    return "\n".join(lines).rstrip("\n") + "\n"


def _is_kept(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether it sets a setting of gunicorn's, or numbers that one may be made of."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    if len(names) != len(targets) or not names:
        return False
    constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return all(map(is_setting, names)) or not any(isinstance(value, str | bytes) for value in constants)


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def nginx(text: str) -> str:
    """Return an nginx configuration without comments, header values, conditions and maps."""
    for pattern, replacement in _NGINX_STEPS:
        text = pattern.sub(replacement, text)
    return redact(text)


def _nginx_value(found: re.Match[str]) -> str:
    plain = _NGINX_PLAIN.fullmatch(found[3]) is not None
    return found[0] if plain else f"{found[1]}{found[2]} {HIDDEN};"


_NGINX_STEPS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_NGINX_COMMENT, ""),
    (_NGINX_MAP, r"\1 }"),
    (_NGINX_IF, rf"if (\1 = {HIDDEN})"),
    (_NGINX_VALUES, _nginx_value),
)


def unit(text: str) -> str:
    """Return a unit file without its environment, credentials and comments."""
    return redact(_UNIT_SECRETS.sub("", text))
