"""Tries a signal rule on the sample of one of its own tests, the whole way: bytes, format, literals, rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from analyzerd import formats
from analyzerd.core.matcher import Matcher
from analyzerd.model import Entry, Event, Fields, Stream, Value
from analyzerd.rules.schema import RuleTest, SignalRule

UNIT = "app.service"
_NAMED = {"MESSAGE", "_PID", "_SYSTEMD_UNIT", "_TRANSPORT", "SYSLOG_IDENTIFIER"}


def rehearse(rule: SignalRule, test: RuleTest) -> Sequence[Fields]:
    """Return, for every event of the sample that the rule matches, its fields and captures.

    ``pid``, ``unit`` and ``text`` of the event are among them. The line counts only if one of the rule's
    literals stands in it, as in the daemon.
    """
    matcher = Matcher([rule], formats.LITERALS)
    if rule.sources in (("derived",), ("stack",)):
        made = Event(0.0, rule.sources[0], "", fields=test.entry)
        return [dict(captures) for _, captures in matcher.match(made)]
    events = _from_entry(test.entry) if test.entry else _from_lines(rule, test, matcher)
    found: list[Fields] = []
    for event in events:
        for _, captures in matcher.match(event):
            found.append({**_outer(event), **event.fields, **captures})
    return found


def _from_lines(rule: SignalRule, test: RuleTest, matcher: Matcher) -> list[Event]:
    kind = test.source or next(source for source in rule.sources if source in formats.KINDS)
    data = test.line.encode("utf-8", "surrogateescape")
    seen = any(rule.id in ids for _, _, ids in matcher.scan(kind, data))
    rules = (rule.id,) if seen else ()
    stream = Stream("test", kind, UNIT, test.log_format)
    return [dataclasses.replace(event, rules=rules) for event in formats.read(data, stream)]


def _from_entry(given: Mapping[str, Value]) -> list[Event]:
    texts = {key: str(value) for key, value in given.items()}
    entry = Entry(
        time_s=0.0,
        message=texts.get("MESSAGE", "").encode(),
        pid=int(texts["_PID"]) if "_PID" in texts else None,
        unit=texts.get("_SYSTEMD_UNIT", ""),
        transport=texts.get("_TRANSPORT", ""),
        identifier=texts.get("SYSLOG_IDENTIFIER", ""),
        fields={key: text for key, text in texts.items() if key not in _NAMED},
    )
    event = formats.parse_entry(entry, Stream("journal", "gunicorn", UNIT))
    return [event] if event else []


def _outer(event: Event) -> dict[str, Value]:
    return {"pid": event.pid, "unit": event.unit, "text": event.text, "source": event.source}
