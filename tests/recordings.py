"""Diagnoses every recording and compares with its truth: ``python -m tests.recordings`` prints the table.

A recording is a folder of logs and readings of a fault that was made on purpose; ``expected.json`` in it is the
truth, which the diagnosis never reads. Exits 1 when one whose cause we have a rule for is not as expected.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from analyzerd.cli.diagnose import diagnose, load_rules
from analyzerd.model import Incident, Truth, Verdict
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.archive import open_archive

RECORDED = Path(__file__).parent / "recorded"
NO_EVIDENCE = {
    "boot-portinuse": "only the log of the gunicorn that did start is in it",
    "disk-full": "the log was on the disk that was full",
}
"""Recordings in which no witness of the fault was left: silence is the only honest answer."""
NEEDS_RULE = {"db-slow-not-workers": "app-slow"}
"""Recordings whose other permitted cause is about time-outs, of which there were none."""
COLUMNS = (44, 40, 34, 34, 8)


@dataclass(frozen=True, slots=True)
class Expected:
    """The truth of a recording: ``causes`` of which any is right, ``or_none`` when silence is right as well."""

    name: str
    causes: tuple[str, ...]
    or_none: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the diagnosis made of a recording. ``covered``: we have a rule for what happened in it."""

    expected: Expected
    incidents: tuple[Incident, ...]
    covered: bool

    @property
    def right(self) -> bool:
        """Whether it says what happened and nothing else; for a healthy recording, that it says nothing."""
        if not self.incidents:
            return self.expected.or_none or not self.expected.causes or self.expected.name in NO_EVIDENCE
        return all(i.cause in self.expected.causes for i in self.incidents)

    @property
    def failed(self) -> bool:
        """Whether it is wrong where we claim to know: silence about what no rule covers is honest."""
        return not self.right and (self.covered or bool(self.incidents))


def expected_of(folder: Path) -> Expected:
    """Read the truth of a recording."""
    truth = json.loads((folder / "expected.json").read_text())
    return Expected(folder.name, tuple(truth["causes"]), truth["or_none"])


def all_expected() -> list[Expected]:
    """Read the truths of all recordings."""
    return [expected_of(folder) for folder in sorted(RECORDED.iterdir()) if folder.is_dir()]


def outcome_of(expected: Expected, rules: RuleSet) -> Outcome:
    """Diagnose one recording."""
    found = diagnose(open_archive([str(RECORDED / expected.name)]), rules)
    answers = (NEEDS_RULE[expected.name],) if expected.name in NEEDS_RULE else expected.causes
    covered = not answers or any(cause in rules.causes for cause in answers)
    return Outcome(expected, tuple(found.incidents), covered)


def _row(outcome: Outcome) -> tuple[str, ...]:
    expected = " or ".join([*outcome.expected.causes, *["silence"] * outcome.expected.or_none]) or "silence"
    if not outcome.incidents:
        said = "no evidence in the recording" if outcome.expected.name in NO_EVIDENCE else "silence"
        return outcome.expected.name, expected, said, "", _mark(outcome), ""
    first = outcome.incidents[0]
    rival = next((h for h in first.hypotheses if h.cause not in (first.cause, "unknown")), None)
    runner_up = f"{rival.cause} {rival.verdict.value}" if rival is not None else ""
    verdict = f"{first.cause} {first.verdict.value}"
    return outcome.expected.name, expected, verdict, runner_up, _mark(outcome), _decided(first)


def _mark(outcome: Outcome) -> str:
    if outcome.right:
        return "ok"
    return "WRONG" if outcome.failed else "no rule"


def _decided(incident: Incident) -> str:
    """The sentence that decided: what confirms, else the heaviest that speaks for it."""
    own = next((h for h in incident.hypotheses if h.cause == incident.cause), None)
    spoken = [e for e in own.evidence if e.supports and e.truth is Truth.TRUE] if own is not None else []
    confirmed = incident.verdict is Verdict.CONFIRMED
    spoken.sort(key=lambda e: (not (e.decisive and confirmed), ("strong", "medium", "weak").index(e.weight)))
    return spoken[0].says if spoken else ""


def main() -> int:
    """Print the table and the score."""
    rules = load_rules([])
    outcomes = [outcome_of(expected, rules) for expected in all_expected()]
    rows = [("recording", "expected", "said", "runner-up", "", "decided by"), *map(_row, outcomes)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, COLUMNS, strict=False)]
        sys.stdout.write(("  ".join(cells) + "  " + row[-1]).rstrip() + "\n")
    right, failed = sum(o.right for o in outcomes), sum(o.failed for o in outcomes)
    sys.stdout.write(
        f"\n{right} of {len(outcomes)} as expected, {failed} wrong, "
        f"{len(outcomes) - right - failed} without a rule yet (silence, which is honest)\n"
    )
    for name, why in NO_EVIDENCE.items():
        sys.stdout.write(f"{name}: counted as right when silent: {why}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
