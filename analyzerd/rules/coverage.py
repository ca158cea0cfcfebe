"""What is proved of every cause and signal: a rule, tests that show it and rule it out, a page. Runs no test itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzerd.model import Verdict
from analyzerd.rules.schema import CauseRule, RuleSet, SignalRule
from analyzerd.rules.selftest import Diagnose
from analyzerd.rules.vocabulary import BENIGN, CAUSES, UNDECIDED

STANDING = (Verdict.CONFIRMED.value, Verdict.LIKELY.value)


@dataclass(frozen=True, slots=True)
class Row:
    """One id and what there is for it: 0 is a gap, None cannot be told here or does not apply.

    ``shows``: passing tests in which it is the answer, or matches. ``refutes``: passing tests in which it is not.
    """

    id: str
    kind: str
    rule: int
    shows: int
    refutes: int
    page: int | None

    @property
    def cells(self) -> tuple[tuple[str, int | None], ...]:
        """What is asked for, with its count."""
        return ("rule", self.rule), ("shows", self.shows), ("refutes", self.refutes), ("page", self.page)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What is missing."""
        return tuple(name for name, count in self.cells if count == 0)


def coverage(
    rules: RuleSet,
    diagnose: Diagnose,
    failing: Callable[[SignalRule], Collection[str]],
    pages: Collection[str] | None,
) -> list[Row]:
    """Say of every cause, benign finding and signal what there is. ``failing``: failures of a signal's own tests.

    ``pages``: ids that have a page; None where the documentation is not at hand.
    """
    rows = [_cause(name, rules.causes.get(name), diagnose, pages) for name in sorted({*CAUSES, *rules.causes})]
    rows += [_benign(name, rules, failing) for name in sorted({*BENIGN, *_benign_ids(rules)} - set(rules.causes))]
    return rows + [_signal(rule, failing) for rule in rules.signals.values()]


def percent(rows: Iterable[Row]) -> float:
    """Share of what is asked for that is there."""
    cells = [count for row in rows for _, count in row.cells if count is not None]
    return 100.0 * sum(count > 0 for count in cells) / len(cells) if cells else 100.0


def _cause(name: str, rule: CauseRule | None, diagnose: Diagnose, pages: Collection[str] | None) -> Row:
    page = None if pages is None else int(name in pages)
    if rule is None:
        return Row(name, "cause", 0, 0, 0, page)
    ends = [_end(rule, diagnose(test.stream)) for test in rule.tests]
    return Row(name, "cause", 1, ends.count("shown"), ends.count("refuted"), page)


def _end(rule: CauseRule, found: Sequence[tuple[str, str, str]]) -> str:
    """How a scenario ends for a cause: shown, refuted, or neither."""
    verdicts = {cause: verdict for cause, verdict, _ in reversed(found)}
    mine = verdicts.get(rule.id, Verdict.RULED_OUT.value)
    if mine in STANDING or (rule.id == UNDECIDED and mine == Verdict.POSSIBLE.value):
        return "shown"
    return "refuted" if mine == Verdict.RULED_OUT.value else ""


def _benign_ids(rules: RuleSet) -> Iterator[str]:
    yield from (rule.benign for rule in rules.signals.values() if rule.benign)


def _benign(name: str, rules: RuleSet, failing: Callable[[SignalRule], Collection[str]]) -> Row:
    """A harmless finding that is counted by a signal; it has no page of its own."""
    own = [_signal(rule, failing) for rule in rules.signals.values() if rule.benign == name]
    return Row(name, "benign", len(own), sum(r.shows for r in own), sum(r.refutes for r in own), None)


def _signal(rule: SignalRule, failing: Callable[[SignalRule], Collection[str]]) -> Row:
    if failing(rule):
        return Row(rule.id, "signal", 1, 0, 0, None)
    shows = sum(test.expect is not None for test in rule.tests)
    return Row(rule.id, "signal", 1, shows, len(rule.tests) - shows, None)
