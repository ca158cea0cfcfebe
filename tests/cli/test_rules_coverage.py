"""analyzerctl rules coverage: gaps are seen as gaps, and what is whole counts as whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from analyzerd.core.rehearse import rehearse
from analyzerd.core.scenario import diagnose_scenario
from analyzerd.rules.coverage import Row, coverage, percent
from analyzerd.rules.schema import RuleSet
from analyzerd.rules.selftest import run_signal_tests
from analyzerd.rules.vocabulary import BENIGN, CAUSES
from tests.cli.conftest import Ctl
from tests.core.stage import ROOT, RULES

PAGES = frozenset(path.stem for path in (ROOT.parent / "docs" / "causes").glob("*.md"))


def rows_of(rules: RuleSet, pages: frozenset[str] | None = PAGES) -> dict[str, Row]:
    """Measure a rule set."""
    found = coverage(
        rules,
        lambda stream: diagnose_scenario(stream, rules),
        lambda rule: run_signal_tests(rule, rehearse),
        pages,
    )
    return {row.id: row for row in found}


def with_cause(name: str, **changes: object) -> RuleSet:
    """Change one cause."""
    return replace(RULES, causes={**RULES.causes, name: replace(RULES.causes[name], **changes)})  # type: ignore[arg-type]


def test_the_command_prints_what_it_counts(ctl: Ctl) -> None:
    """Exit 1 exactly when something is missing; the table names every cause and the percent."""
    code, out, _ = ctl("--json", "rules", "coverage")
    whole = json.loads(out)
    gaps = [row["id"] for row in whole["rows"] if row["gaps"]]
    assert code == (1 if gaps else 0)
    assert (whole["percent"] == 100.0) == (not gaps)
    assert {row["id"] for row in whole["rows"]} >= {*CAUSES, *BENIGN, *RULES.signals}
    text = ctl("rules", "coverage")[1]
    assert all(name in text for name in (*CAUSES, "client-abort", "% covered"))


def test_every_shipped_cause_and_signal_is_whole() -> None:
    """A rule that is there is there wholly: shown, refuted, described."""
    rows = rows_of(RULES)
    shipped = [*RULES.causes, *RULES.signals, *BENIGN]
    assert {name: rows[name].gaps for name in shipped if rows[name].gaps} == {}


def test_a_cause_without_a_rule_is_missing_everywhere() -> None:
    """It stands in the vocabulary, so it is asked for."""
    causes = {name: rule for name, rule in RULES.causes.items() if name != "disk-full"}
    rows = rows_of(replace(RULES, causes=causes), PAGES - {"disk-full"})
    assert rows["disk-full"].gaps == ("rule", "shows", "refutes", "page")
    assert percent(rows.values()) < 100


def test_scenarios_count_by_how_they_end() -> None:
    """Without the scenario that shows it, or without the one that refutes it, there is a gap of that name."""
    tests = RULES.causes["socket-missing"].tests
    ends = {i: rows_of(with_cause("socket-missing", tests=(test,)))["socket-missing"] for i, test in enumerate(tests)}
    assert {row.gaps for row in ends.values()} == {("refutes",), ("shows",)}


def test_a_signal_whose_tests_fail_is_a_gap() -> None:
    """A pattern that no longer matches its own line covers nothing."""
    broken = replace(RULES.signals["gunicorn.worker-timeout"], regex="^nothing of the kind$")
    rows = rows_of(replace(RULES, signals={**RULES.signals, broken.id: broken}))
    assert rows[broken.id].gaps == ("shows", "refutes")


def test_pages_are_not_asked_for_where_they_are_not_installed() -> None:
    """Outside a checkout the column is empty and counts neither way."""
    rows = rows_of(RULES, None)
    assert all(row.page is None for row in rows.values())
    assert "page" not in rows["disk-full"].gaps


def test_every_rule_is_in_the_vocabulary() -> None:
    """The list of causes is the contract: no rule gives an answer that is not on it."""
    assert set(RULES.causes) - {*CAUSES, *BENIGN} == set()
    assert len(set(CAUSES)) == len(CAUSES)
    assert Path(ROOT / "causes").is_dir()
