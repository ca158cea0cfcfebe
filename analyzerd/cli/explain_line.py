"""``analyzerctl explain --line``: what a raw line is read as, which signal rules match it, and which nearly do."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analyzerd import formats
from analyzerd.core.near import Look, Part, look, near_misses
from analyzerd.errors import SourceError
from analyzerd.formats import Assembler
from analyzerd.model import Entries, Event, Lines, Stream
from analyzerd.render.phrases import line as shown
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.archive import JOURNAL, known_kinds
from analyzerd.sources.archive_kinds import ARCHIVE_KINDS, Content, kind_of
from analyzerd.sources.archive_parts import part_blocks
from analyzerd.units import format_time

MOST_NEAR = 6
MOST_BYTES = 1 << 20
PLAIN = "gunicorn"
"""Kind of a line of no known form: gunicorn's log holds whatever the application prints."""


@dataclass(frozen=True, slots=True)
class Read:
    """A text as it was read: ``known`` is False when its kind was not told from its form."""

    kind: str
    known: bool
    events: tuple[tuple[Event, str], ...]


def run(arguments: argparse.Namespace, rules: RuleSet) -> int:
    """Explain the text of --line ('-': standard input)."""
    text = sys.stdin.buffer.read(MOST_BYTES) if arguments.line == "-" else arguments.line.encode("utf-8", "replace")
    found = read(text, arguments.as_kind)
    signals = tuple(rules.signals.values())
    looked = [(event, look(signals, event, raw)) for event, raw in found.events]
    if arguments.json:
        events = [_event_json(event, looks, rules) for event, looks in looked]
        whole = {"schema": "analyzerd.explain-line/1", "kind": found.kind, "kind_known": found.known, "events": events}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return 0
    told = list(_reading(found))
    for event, looks in looked:
        told += ["", *_event(event), *_matches(looks, rules), *_nearly(looks)]
    sys.stdout.write("\n".join(told) + "\n")
    return 0


def read(text: bytes, as_kind: str = "") -> Read:
    """Read a text the way a file that holds it would be. Raises SourceError for an unknown kind."""
    if as_kind and as_kind not in known_kinds():
        raise SourceError(f"unknown kind {as_kind!r}; use one of {', '.join(known_kinds())}")
    if not text.strip():
        raise SourceError("the line is empty")
    data = text if text.endswith(b"\n") else text + b"\n"
    found = as_kind or kind_of(data, "")
    kind = found or PLAIN
    now_s = time.time()  # noqa: TID251 - stamps without a year are taken as the latest such day
    stream = Stream("line", JOURNAL if kind in ARCHIVE_KINDS else kind)
    events: list[tuple[Event, str]] = []
    for block in part_blocks(kind, stream, Content.of_bytes(data), now_s, []):
        if isinstance(block, Lines):
            raw = block.data.decode("utf-8", "replace")
            events += [(event, raw) for event in formats.read(block.data, stream)]
        elif isinstance(block, Entries):
            events += _of_entries(block, stream)
    return Read(kind, bool(found), tuple(events))


def _of_entries(block: Entries, stream: Stream) -> Iterator[tuple[Event, str]]:
    assembler = Assembler(stream)
    raw = "\n".join(entry.message.decode("utf-8", "replace") for entry in block.entries)
    for entry in block.entries:
        yield from ((event, raw) for event in assembler.feed_entry(entry))
        event = None if assembler.took else formats.parse_entry(entry, stream)
        if event is not None:
            yield event, raw
    yield from ((event, raw) for event in assembler.flush())


# ---- as text -------------------------------------------------------------------------------------------


def _reading(found: Read) -> Iterator[str]:
    if found.known:
        yield f"Read as {found.kind}."
    else:
        yield f"Of no form we know; read as {found.kind}, whatever an application may print (--as KIND forces another)."
    if not found.events:
        yield "No record of that kind: nothing in analyzerd would see it."


def _event(event: Event) -> Iterator[str]:
    when = format_time(event.time_s) if event.time_s else "no time of its own"
    pid = f", pid {event.pid}" if event.pid is not None else ""
    yield f"Record of {event.source}, {when}{pid}"
    yield f"  text: {shown(event.text, 300)}"
    fields = {name: value for name, value in event.fields.items() if value not in (None, "", event.text)}
    for name, value in fields.items():
        yield f"  {name}: {shown(str(value), 160)}"


def _matches(looks: Sequence[Look], rules: RuleSet) -> Iterator[str]:
    matched = [one for one in looks if one.captures is not None]
    yield "" if matched else "\nNo rule matches."
    for one in matched:
        yield f"Matches {one.rule.id}: {one.rule.title}" + (
            " (shadow: not told)" if one.rule.status == "shadow" else ""
        )
        for name, value in (one.captures or {}).items():
            yield f"  {name} = {shown(str(value), 160)}"
        yield f"  {_meaning(one, rules)}"


def _meaning(one: Look, rules: RuleSet) -> str:
    rule, suspects = one.rule, _suspects(one, rules)
    if rule.opens:
        return f"raises a question about the {rule.opens}; suspects: {', '.join(suspects) or 'none'}"
    if rule.benign:
        return f"counted as {rule.benign}: {rule.benign_because}"
    return "evidence only: raises no question by itself"


def _suspects(one: Look, rules: RuleSet) -> list[str]:
    return sorted(cause.id for cause in rules.causes.values() if one.rule.id in cause.opens_on)


def _nearly(looks: Sequence[Look]) -> Iterator[str]:
    near = near_misses(looks)
    for one in near[:MOST_NEAR]:
        yield f"Not {one.rule.id}: {one.rule.title}"
        yield from (f"  {_miss(part)}" for part in one.misses)
    if len(near) > MOST_NEAR:
        yield f"... and {len(near) - MOST_NEAR} more rules that share a word with it (--json shows all)"


def _miss(part: Part) -> str:
    found = shown(part.found, 160)
    if part.name == "source":
        return f"source: it looks at {part.wanted}; this is a record of {found}"
    if part.name == "regex":
        return f"regex: fits until it wants `{part.wanted}`; there stands: {found}"
    if part.name == "contains":
        return f"contains: wants {part.wanted!r}" + (f"; here it is written {found!r}" if found else "")
    return f"{part.name}: wants {part.wanted or 'nothing'}, is {found or 'not there'}"


# ---- as JSON -------------------------------------------------------------------------------------------


def _event_json(event: Event, looks: Sequence[Look], rules: RuleSet) -> dict[str, Any]:
    return {
        "source": event.source,
        "time": format_time(event.time_s) if event.time_s else None,
        "pid": event.pid,
        "text": shown(event.text, 1000),
        "fields": {name: _safe(value) for name, value in event.fields.items()},
        "matches": [_match_json(one, rules) for one in looks if one.captures is not None],
        "near_misses": [_near_json(one) for one in near_misses(looks)],
    }


def _near_json(one: Look) -> dict[str, Any]:
    misses = [{"part": part.name, "wanted": part.wanted, "found": _safe(part.found)} for part in one.misses]
    return {"rule": one.rule.id, "misses": misses}


def _match_json(one: Look, rules: RuleSet) -> dict[str, Any]:
    return {
        "rule": one.rule.id,
        "title": one.rule.title,
        "status": one.rule.status,
        "captures": {name: _safe(value) for name, value in (one.captures or {}).items()},
        "opens": one.rule.opens,
        "suspects": _suspects(one, rules),
        "benign": one.rule.benign,
    }


def _safe(value: object) -> object:
    return shown(value, 1000) if isinstance(value, str) else value
