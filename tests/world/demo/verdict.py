"""Compares what had to come with what came. Pure: takes values, returns rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.slack_standin import incident_of
from tests.world.demo.faults import Fault


@dataclass(frozen=True)
class Came:
    """One incident: what the store says of it, and how many Slack messages stand for it."""

    id: str
    cause: str
    app: str
    verdict: str
    messages: int


@dataclass(frozen=True)
class Row:
    """One line of the closing table. `skipped` says why a fault was not made."""

    name: str
    expected: str
    came: str
    right: bool
    skipped: str = ""


def came(incidents: Sequence[Mapping[str, object]], messages: Sequence[Mapping[str, object]]) -> list[Came]:
    """Join the incidents of the store with the messages (not thread replies) that stand in Slack."""
    named = Counter(incident_of(message) for message in messages if "thread_ts" not in message)
    return [
        Came(
            str(incident["id"]),
            str(incident["cause"]),
            str(incident["app"]),
            str(incident["verdict"]),
            named[str(incident["id"])],
        )
        for incident in incidents
    ]


def judge(faults: Sequence[Fault], skipped: Mapping[str, str], found: Sequence[Came]) -> list[Row]:
    """One row per fault, then one per incident nobody expected."""
    left = list(found)
    rows = [_row(fault, skipped.get(fault.name, ""), left) for fault in faults if fault.cause]
    quiet = [fault for fault in faults if not fault.cause]
    rows += [Row(fault.says, "nothing", _list(left) or "nothing", not left) for fault in quiet]
    return rows + ([] if quiet or not left else [Row("(nothing else)", "nothing", _list(left), right=False)])


def accepted(refused: Sequence[str]) -> list[Row]:
    """Judge whether Slack took every message as it was sent."""
    told = "; ".join(refused) or "taken"
    return [Row("messages as Slack documents them", "taken", told, not refused)]


def _row(fault: Fault, skipped: str, left: list[Came]) -> Row:
    """Take the expected incident out of `left`; right when it stands once in Slack."""
    if skipped:
        return Row(fault.says, fault.cause, "skipped", right=True, skipped=skipped)
    mine = next((one for one in left if (one.cause, one.app) == (fault.cause, fault.app)), None)
    if mine is None:
        return Row(fault.says, fault.cause, "nothing", right=False)
    left.remove(mine)
    told = f"{mine.cause} ({mine.verdict}), {mine.messages} Slack message{'s' * (mine.messages != 1)}"
    return Row(fault.says, fault.cause, told, mine.messages == 1)


def _list(found: Sequence[Came]) -> str:
    return ", ".join(f"{one.cause} on {one.app}" for one in found)


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out as text with aligned columns."""
    cells = [("", "what was broken", "expected", "came")]
    cells += [(_mark(row), row.name, row.expected, row.skipped or row.came) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join(_line(line, widths) for line in cells)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _mark(row: Row) -> str:
    return "skip" if row.skipped else "ok" if row.right else "WRONG"
