"""An audit as words: a table for each app, one item in detail, or JSON. All text is hostile; judges nothing."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from analyzerd.core.audit import Finding, Item, Outcome
from analyzerd.render.escape import clean, one_line
from analyzerd.render.redact import redact

SCHEMA = "analyzerd.audit/1"
MAX_REASON = 600
MAX_CHANGE = 600
MAX_PLACES = 8
WIDTH = 110
_NAME_WIDTH = 22
_COLOURS: Mapping[Outcome, str] = {Outcome.FAIL: "31", Outcome.UNKNOWN: "33", Outcome.PASS: "32"}


def table(findings: Sequence[Finding], notes: Sequence[str] = (), *, colour: bool = False) -> str:
    """One table for each app: what fails, then what cannot be told, then what passes."""
    parts = ["\n".join(_of_app(app, list(own), colour)) for app, own in groupby(findings, key=lambda f: f.app)]
    if notes:
        parts.append("\n".join(f"Note: {_line(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def details(findings: Sequence[Finding], *, colour: bool = False) -> str:
    """Everything about the given findings: question, answer, where it stands, what to write, what to read."""
    return "\n\n".join("\n".join(_detail(finding, colour)) for finding in findings) + "\n"


def as_json(findings: Sequence[Finding], notes: Sequence[str] = ()) -> str:
    """The documented JSON (schema analyzerd.audit/1); the same findings give the same bytes."""
    apps = [_app_json(app, list(own)) for app, own in groupby(findings, key=lambda f: f.app)]
    whole = {"schema": SCHEMA, "apps": apps, "notes": [_line(note) for note in notes]}
    return json.dumps(whole, indent=2, ensure_ascii=True) + "\n"


def listing(items: Sequence[Item]) -> str:
    """The closed list of items with their questions."""
    return "\n".join(f"{item.id:{_NAME_WIDTH}}{item.question}" for item in items) + "\n"


def _of_app(app: str, findings: list[Finding], colour: bool) -> Iterator[str]:
    counts = ", ".join(f"{_count(findings, outcome)} {outcome.value}" for outcome in Outcome)
    yield f"{_line(app, 100)}: {counts}"
    for outcome in Outcome:
        own = [finding for finding in findings if finding.answer.outcome is outcome]
        if own:
            yield ""
            yield _painted(outcome.value.upper(), outcome, colour)
        for finding in own:
            yield from _row(finding)


def _count(findings: Sequence[Finding], outcome: Outcome) -> int:
    return sum(finding.answer.outcome is outcome for finding in findings)


def _row(finding: Finding) -> Iterator[str]:
    answer = finding.answer
    yield from _wrapped(_line(answer.reason), f"  {finding.item.id:{_NAME_WIDTH}}")
    if answer.outcome is Outcome.PASS:
        return
    for line in _change(answer.change):
        yield f"  {'':{_NAME_WIDTH}}-> {line}"
    if answer.places and answer.outcome is Outcome.FAIL:
        yield from _wrapped(f"at {_places(answer.places)}", f"  {'':{_NAME_WIDTH}}")


def _wrapped(text: str, head: str) -> list[str]:
    """Text beside a head; what does not fit stands below, as far in. Words are not broken: paths stay whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _detail(finding: Finding, colour: bool) -> Iterator[str]:
    item, answer = finding.item, finding.answer
    yield f"{_line(finding.app, 100)}: {item.id}: {_painted(answer.outcome.value, answer.outcome, colour)}"
    yield f"  {item.question}"
    yield from _wrapped(_line(answer.reason), "  ")
    for line in _change(answer.change):
        yield f"  -> {line}"
    if answer.places:
        yield from _wrapped(f"at {_places(answer.places)}", "  ")
    if item.guide:
        yield f"  guide: {item.guide}"
    yield from (f"  cause: {cause} (docs/causes/{cause}.md)" for cause in item.causes)
    yield from (f"  see: {link}" for link in item.references)


def _painted(text: str, outcome: Outcome, colour: bool) -> str:
    return f"\x1b[{_COLOURS[outcome]}m{text}\x1b[0m" if colour else text


def _change(text: str) -> list[str]:
    return [line for line in redact(clean(text, MAX_CHANGE)).splitlines() if line]


def _places(places: Sequence[str]) -> str:
    shown = [_line(place, 300) for place in places[:MAX_PLACES]]
    return ", ".join(shown) + (f" and {len(places) - MAX_PLACES} more" if len(places) > MAX_PLACES else "")


def _line(text: str, limit: int = MAX_REASON) -> str:
    return redact(one_line(text, limit))


def _app_json(app: str, findings: list[Finding]) -> dict[str, Any]:
    return {
        "app": _line(app, 100),
        "counts": {outcome.value: _count(findings, outcome) for outcome in Outcome},
        "items": [_finding_json(finding) for finding in findings],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    item, answer = finding.item, finding.answer
    return {
        "id": item.id,
        "question": item.question,
        "outcome": answer.outcome.value,
        "reason": _line(answer.reason),
        "change": "\n".join(_change(answer.change)),
        "places": [_line(place, 300) for place in answer.places],
        "guide": item.guide,
        "causes": list(item.causes),
        "references": list(item.references),
    }
