"""A replay as text and as JSON. Counts nothing itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from analyzerd.cli.findings import coverage_json
from analyzerd.cli.replayed import Message, Replayed
from analyzerd.model import State
from analyzerd.render.phrases import line, plural
from analyzerd.units import format_duration, format_time

DAY_S = 86400.0
SCHEMA = "analyzerd.replay/1"
MARKS = {"new": "+", "changed": "~", "gone": "-", "": " "}


def as_text(done: Replayed, since_s: float, until_s: float, *, everything: bool) -> Iterator[str]:
    """Yield a line per message, then the counts; with a rule on trial only messages that it changes."""
    listed = [(message, done.change(message)) for message in done.messages()]
    for message, change in listed:
        if everything or change or done.tried is None:
            yield _row(message, change, marked=done.tried is not None)
    count, days = len(done.now.messages), max(0.0, until_s - since_s) / DAY_S
    if listed:
        yield ""
    yield f"Would have posted {plural(count, 'message')} in {_span(until_s - since_s)}{_daily(count, days)}."
    if done.tried:
        yield from _about_the_rule(done, [change for _, change in listed])
    causes = Counter(message.incident.cause for message in done.now.messages.values())
    if causes:
        yield "By cause: " + ", ".join(f"{cause} {n}" for cause, n in causes.most_common())
    for (app, finding), seen in sorted(done.now.benign.items()):
        yield f"Harmless, not posted: {seen.count:,} x {finding} ({line(app, 60)}): {line(seen.because, 200)}"
    records = sum(done.found.read.values())
    yield f"Read {records:,} records of {len(done.found.read)} sources."
    yield from (f"Not seen: {spot.source}: {line(spot.why, 300)}" for spot in done.found.blind)


def _row(message: Message, change: str, *, marked: bool) -> str:
    incident = message.incident
    mark = f"{MARKS[change]} " if marked else ""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(message.posted_s))
    edits = plural(message.edits, "edit")
    over = "" if incident.state is State.OPEN else "  over"
    told = f"{incident.cause:24}  {incident.verdict.value:9}  {edits:>9}"
    return f"{mark}{when}  {line(incident.app, 30):20}  {told}  {line(incident.title, 90)}{over}"


def _about_the_rule(done: Replayed, changes: list[str]) -> Iterator[str]:
    if done.tried is None or done.before is None:
        return
    rule, counts = done.tried.rule, Counter(changes)
    yield (
        f"With {rule.id} (without it: {plural(len(done.before.messages), 'message')}): {counts['new']} new, "
        f"{counts['changed']} with another cause, {counts['gone']} gone."
    )
    if rule.id in done.tried.added.signals:
        silent = not any(rule.id in cause.opens_on for cause in done.tried.added.causes.values())
        why = "; no cause has it in opens_on, so it raises no message by itself" if silent else ""
        yield f"{rule.id} matched {plural(done.now.matches[rule.id], 'line')}{why}."


def _span(length_s: float) -> str:
    days = length_s / DAY_S
    return f"{days:.0f} days" if days >= 1.5 else format_duration(length_s)


def _daily(count: int, days: float) -> str:
    return f", {count / days:.1f} a day" if days >= 1.5 else ""


def as_json(done: Replayed, since_s: float, until_s: float) -> dict[str, Any]:
    """Return the documented JSON (analyzerd.replay/1)."""
    counted = Counter(message.incident.cause for message in done.now.messages.values())
    rule = None
    if done.tried and done.before:
        name = done.tried.rule.id
        rule = {"id": name, "matches": done.now.matches[name], "messages_without": len(done.before.messages)}
    return {
        "schema": SCHEMA,
        "since": format_time(since_s),
        "until": format_time(until_s),
        "count": len(done.now.messages),
        "by_cause": dict(sorted(counted.items())),
        "rule": rule,
        "messages": [_message_json(message, done.change(message)) for message in done.messages()],
        "benign": [
            {"id": b.id, "app": line(b.app, 200), "count": b.count, "because": b.because}
            for _, b in sorted(done.now.benign.items())
        ],
        "coverage": coverage_json(done.found),
    }


def _message_json(message: Message, change: str) -> dict[str, Any]:
    incident = message.incident
    return {
        "posted": format_time(message.posted_s),
        "incident": incident.id,
        "app": line(incident.app, 200),
        "cause": incident.cause,
        "verdict": incident.verdict.value,
        "severity": incident.severity.value,
        "title": line(incident.title, 300),
        "edits": message.edits,
        "occurrences": incident.occurrences,
        "state": incident.state.value,
        "change": change,
    }
