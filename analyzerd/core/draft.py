"""A first version of a signal rule from one raw line: what varies becomes captures, what stays becomes the pattern.

The author still says what it means. What comes out loads and passes its own tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzerd.core.rehearse import rehearse
from analyzerd.errors import RuleError
from analyzerd.model import Event, Fields
from analyzerd.rules.loader import load_rule
from analyzerd.rules.schema import RuleTest, SignalRule
from analyzerd.rules.selftest import run_signal_tests

KINDS = ("gunicorn", "app", "nginx.error", "kernel")
"""Kinds of line a pattern can be drafted from; requests and systemd's messages are told by their fields."""

LOUD = ("ERROR", "CRITICAL", "error", "crit", "alert", "emerg")
MAX_TEXT = 400
MAX_CAPTURES = 8
_ID = re.compile(r"(?:[a-z][a-z0-9-]{0,40}\.)?[a-z][a-z0-9-]{0,60}")
_HIDDEN = r"\[(?:hidden|e-mail|card)\]"
_VARIABLE = re.compile(
    r"(?P<hidden>" + _HIDDEN + r"|[^\s\"']{0,300}\u2026[^\s\"']{0,300})"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    r"|(?P<url>\b[a-z][a-z+]{1,11}://[^\s\"'<>()]{1,300})"
    r"|(?P<address>(?<![\w.])\d{1,3}(?:\.\d{1,3}){2}\.(?:\d{1,3}|x)(?::\d{1,5})?(?![\w.]))"
    r"|(?P<worker>(?<=pid:)\d{1,10}\b|(?<=pid: )\d{1,10}\b|(?<=pid )\d{1,10}\b)"
    r"|(?P<path>(?<![\w/])/[\w@%+=,.-]{1,100}(?:/[\w@%+=,.-]{0,100}){0,20})"
    r"|(?P<code>\b0x[0-9a-fA-F]{1,16}\b|\b(?=[0-9a-f]{0,15}\d)(?=\d{0,15}[a-f])[0-9a-f]{8,64}\b)"
    r"|(?P<amount>(?<![\w.])\d{1,9}\.\d{1,9}(?![\w.]))"
    r"|(?P<number>(?<![\w.])\d{1,15}(?![\d.]))",
    re.ASCII,
)
_PATTERNS: Mapping[str, tuple[str, str]] = {
    "uuid": (r"[0-9a-fA-F-]{36}", "str"),
    "url": (r"[a-z][a-z+]{1,11}://\S{1,300}", "str"),
    "address": (r"[\d.x]{7,15}(?::\d{1,5})?", "str"),
    "worker": (r"\d{1,10}", "pid"),
    "path": (r"/\S{0,300}", "str"),
    "code": (r"[0-9a-fxA-F]{1,64}", "str"),
    "amount": (r"\d{1,9}\.\d{1,9}", "float"),
    "number": (r"\d{1,15}", "int"),
}
_NOT_SEEN = r"\S{0,600}"
_TODO = "TODO: what was seen, in one line; never why"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regex with the type of each of its named groups."""

    regex: str
    fields: Mapping[str, str]


def pattern_of(text: str) -> Pattern:
    """Turn a message into an anchored pattern: numbers, addresses, paths and ids are captured, words kept."""
    parts, fields, done = ["^"], dict[str, str](), 0
    for found in _VARIABLE.finditer(text[:MAX_TEXT]):
        parts.append(_literal(text[done : found.start()]))
        parts.append(_capture(str(found.lastgroup), fields))
        done = found.end()
    parts.append(_literal(text[done:MAX_TEXT]))
    return Pattern("".join(parts) + ("$" if len(text) <= MAX_TEXT else ""), fields)


def _capture(kind: str, fields: dict[str, str]) -> str:
    if kind == "hidden":
        return _NOT_SEEN
    pattern, typed = _PATTERNS[kind]
    if len(fields) >= MAX_CAPTURES:
        return f"(?:{pattern})"
    number = sum(name.rsplit("_", 1)[0] == kind for name in fields) + 1
    name = kind if number == 1 else f"{kind}_{number}"
    fields[name] = typed if number == 1 or typed != "pid" else "int"
    return f"(?P<{name}>{pattern})"


def _literal(text: str) -> str:
    return re.sub(r"\\([ #&~'\"/=,:@!%<>`-])", r"\1", re.escape(text))


def draft(rule_id: str, line: str, event: Event, kind: str) -> str:
    """Write the rule file for a line and the record it was read as. Raises ValueError with what stands in the way.

    ``line`` must be without secrets: it becomes a test. ``kind``: the kind of stream the line stands in.
    """
    if not _ID.fullmatch(rule_id):
        raise ValueError(f"{rule_id!r} is no rule id: small letters, digits and -, like gunicorn.worker-timeout")
    if event.source not in KINDS:
        raise ValueError(
            f"a record of {event.source} is told by its fields, not by a pattern: copy the nearest rule of that folder"
        )
    if not line.isprintable():
        raise ValueError("the line holds control characters: give it as the log prints it")
    body, pattern = _body(rule_id, event)
    try:
        rule = _loaded(body, rule_id)
    except RuleError as problem:
        raise ValueError(f"too little in it stays the same: {problem.message}") from None
    matching = RuleTest("as printed", line=line, source=_source(kind, event))
    found = rehearse(rule, matching)
    if not found:
        raise ValueError("the line is not recognised again by its own pattern: it is read together with others")
    tests = [
        *_match_test(matching, {name: found[0][name] for name in pattern.fields}),
        *_other_test(rule, matching, event),
    ]
    whole = "\n".join([body, "tests:", *tests]) + "\n"
    failures = run_signal_tests(_loaded(whole, rule_id), rehearse)
    if failures:
        raise ValueError(failures[0])
    return whole


def _loaded(text: str, rule_id: str) -> SignalRule:
    rule = load_rule(text, f"{rule_id.rsplit('.', 1)[-1]}.yaml")
    if not isinstance(rule, SignalRule):
        raise TypeError("a draft is a signal rule")
    return rule


def _source(kind: str, event: Event) -> str:
    return "" if kind == event.source else kind


def _body(rule_id: str, event: Event) -> tuple[str, Pattern]:
    """Everything before the tests."""
    message = event.fields.get("message") if event.source == "nginx.error" else None
    pattern = pattern_of(message if isinstance(message, str) else event.text)
    told = [
        f"rule: {rule_id}",
        "kind: signal",
        "status: experimental",
        f"severity: {'warning' if event.fields.get('level') in LOUD else 'info'}",
        f"title: {_quoted(_TODO)}",
        "description: |",
        "  TODO: who prints this, when, and since which version.",
        f"source: {event.source}",
        "match:",
        *(["  on: message"] if isinstance(message, str) else []),
        f"  regex: {_quoted(pattern.regex)}",
        *_where(event),
    ]
    if pattern.fields:
        told.append(f"fields: {{{', '.join(f'{name}: {kind}' for name, kind in pattern.fields.items())}}}")
    return "\n".join([*told, "# opens: worker, app or upstream, where the line raises a question", ""]), pattern


def _where(event: Event) -> list[str]:
    """The level of a line of gunicorn's, the action of one of nginx's: what its format already told apart."""
    names = {"gunicorn": "level", "nginx.error": "action"}
    value = event.fields.get(names.get(event.source, ""))
    return [f"  where: {{{names[event.source]}: {_quoted(value)}}}"] if isinstance(value, str) and value else []


def _match_test(test: RuleTest, captured: Fields) -> Iterator[str]:
    expect = ", ".join(f"{name}: {_quoted(v) if isinstance(v, str) else v}" for name, v in captured.items())
    yield from _test(test, f"{{{expect}}}")


def _other_test(rule: SignalRule, test: RuleTest, event: Event) -> Iterator[str]:
    """A line that must not match: the same words inside another message, or cut short."""
    text = _shared(test.line, event.text)
    others = [test.line.replace(text, f"the gateway said: {text}", 1), test.line[: -max(1, len(text) // 3)]]
    for line in others:
        other = replace(test, name="TODO: a line that looks like it; here the same words in another message", line=line)
        if line != test.line and line.strip() and not rehearse(rule, other):
            yield from _test(other, "no match")
            return
    raise ValueError("no look-alike can be derived that the pattern would not match: it holds too few words")


def _shared(line: str, text: str) -> str:
    """The beginning of the message as it stands in the line."""
    for length in (len(text), 80, 40, 20, 10):
        if text[:length] and text[:length] in line:
            return text[:length]
    return line


def _test(test: RuleTest, expect: str) -> Sequence[str]:
    source = [f"    source: {test.source}"] if test.source else []
    return [f"  - name: {_quoted(test.name)}", *source, f"    line: {_quoted(test.line)}", f"    expect: {expect}"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
