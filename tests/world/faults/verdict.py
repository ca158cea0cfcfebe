"""Judges what was told about a scenario, and lays out the closing tables. Pure: takes values, returns values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.world.faults.scenario import Scenario

SURE = ("likely", "confirmed")


@dataclass(frozen=True)
class Told:
    """What stood in Slack about one incident from a moment on (Unix seconds)."""

    at_s: float
    incident: str
    cause: str
    verdict: str
    withdrawn: bool = False


@dataclass(frozen=True)
class Result:
    """A scenario that was played below `home`. `told` in order of time, `symptom_s` when its clients noticed."""

    scenario: Scenario
    told: tuple[Told, ...]
    symptom_s: float
    trouble: str = ""
    home: str = ""

    @property
    def standing(self) -> tuple[Told, ...]:
        """Give what each incident said at last; what was taken back left out."""
        last = {one.incident: one for one in self.told}
        return tuple(one for one in last.values() if not one.withdrawn)

    @property
    def causes(self) -> tuple[str, ...]:
        """Name what stood at the end, the first told first."""
        return tuple(dict.fromkeys(one.cause for one in self.standing))

    @property
    def after_s(self) -> float | None:
        """Seconds from the symptom until the right cause was told; None when it was not."""
        right = [one.at_s for one in self.told if one.cause in self.scenario.causes]
        return max(0.0, min(right) - self.symptom_s) if right else None

    @property
    def wrong(self) -> str:
        """Say what is wrong with it; '' when it is right."""
        if self.trouble:
            return self.trouble
        expected = self.scenario.causes
        beside = [one.cause for one in self.standing if one.cause not in expected]
        sure = [one.cause for one in self.told if one.cause not in expected and one.verdict in SURE]
        if beside or sure:
            return "told " + ", ".join(dict.fromkeys([*beside, *sure]))
        if not expected:
            return ""
        if self.after_s is None:
            return "told nothing"
        return f"late: {self.after_s:.0f} s" if self.after_s > self.scenario.within_s else ""


def line(result: Result) -> tuple[str, ...]:
    """Give one row of the table."""
    expected = " or ".join(result.scenario.causes) or "silence"
    verdicts = {one.cause: one.verdict for one in result.standing}
    got = ", ".join(f"{cause} ({verdicts[cause]})" for cause in result.causes) or "silence"
    after = "" if result.after_s is None else f"{result.after_s:.0f} s"
    return ("WRONG" if result.wrong else "ok", result.scenario.name, expected, got, after, result.wrong)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as text with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


HEADER = ("", "scenario", "expected", "got", "after", "")


def confusion(results: Sequence[Result]) -> str:
    """Give the confusion matrix without its empty cells: expected, then what was told and how often."""
    cells: Mapping[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        expected = result.scenario.causes
        for got in result.causes or ("silence",):
            cells[got if got in expected else (expected or ("silence",))[0]][got] += 1
    rows = [
        (expected, ", ".join(f"{cause} {n}" for cause, n in sorted(found.items()))) for expected, found in cells.items()
    ]
    return table([("expected", "told (times)"), *sorted(rows)])
