"""Operators replace, mask and adjust vendor rules; a broken file costs nothing but itself."""

from __future__ import annotations

from analyzerd.rules.layers import Layer, build
from analyzerd.rules.schema import RuleSet

STARTING = """rule: gunicorn.starting
kind: signal
severity: info
title: TITLE
description: x
source: gunicorn
match: {regex: '^Starting gunicorn '}
"""
CAUSE = """rule: slow
kind: cause
severity: critical
title: slow
description: x
opens_on: gunicorn.starting
evidence:
  - {id: near, signal: gunicorn.starting, within: 30s, says: 'x'}
  - {id: full, fact: unit.memory, is: '>= 90%', says: 'x'}
"""
VENDOR = Layer("/vendor", {"gunicorn/starting.yaml": STARTING, "causes/slow.yaml": CAUSE})


def _with(files: dict[str, str], previous: RuleSet | None = None) -> RuleSet:
    return build([VENDOR, Layer("/etc", files)], previous)


def test_a_file_at_the_same_path_replaces_the_vendor_rule() -> None:
    """Identity is the relative path; the higher layer wins."""
    rules = _with({"gunicorn/starting.yaml": STARTING.replace("TITLE", "ours")})
    assert (rules.signals["gunicorn.starting"].title, rules.problems) == ("ours", ())
    assert rules.signals["gunicorn.starting"].origin == "/etc/gunicorn/starting.yaml"


def test_an_empty_file_masks_the_vendor_rule() -> None:
    """Masking a rule leaves the others alone."""
    rules = _with({"causes/slow.yaml": ""})
    assert (list(rules.signals), list(rules.causes)) == (["gunicorn.starting"], [])


def test_a_broken_override_keeps_the_last_good_version() -> None:
    """After a bad edit the rule of before the edit stays, and the problem names the place."""
    before = _with({"gunicorn/starting.yaml": STARTING.replace("TITLE", "ours")})
    after = _with({"gunicorn/starting.yaml": "rule: [\n"}, before)
    assert after.signals["gunicorn.starting"].title == "ours"
    assert after.problems[0].startswith("/etc/gunicorn/starting.yaml:2:1: ")
    assert after.problems[0].endswith("(its last good version stays in force)")


def test_a_broken_override_at_start_leaves_the_vendor_rule() -> None:
    """With no version from before, the layer below is better than nothing."""
    rules = _with({"gunicorn/starting.yaml": "rule: 1\n"})
    assert rules.signals["gunicorn.starting"].title == "TITLE"
    assert len(rules.problems) == 1


def test_a_broken_new_rule_leaves_all_others() -> None:
    """One broken file is one problem, not the end of the rules."""
    rules = _with({"gunicorn/new.yaml": "rule: gunicorn.new\nkind: signal\n"})
    assert sorted([*rules.signals, *rules.causes]) == ["gunicorn.starting", "slow"]
    assert len(rules.problems) == 1


def test_the_same_id_under_two_paths_is_a_problem() -> None:
    """Nothing is replaced by accident."""
    rules = _with({"mine/starting.yaml": STARTING.replace("TITLE", "mine")})
    assert rules.signals["gunicorn.starting"].title == "TITLE"
    assert "already stands in /vendor/gunicorn/starting.yaml" in rules.problems[0]


def test_an_adjustment_changes_the_whitelisted_fields() -> None:
    """Severity, status, counts, and a condition's is and within can be set; the origin says by whom."""
    rules = _with(
        {
            "slow.adjust.yaml": "adjust: slow\n"
            "set: {severity: warning, status: shadow, min_count: 4, near.within: 2m, full.is: '>= 95%'}\n"
            "was: {near.within: 30s, full.is: '>= 90%'}\n"
        }
    )
    cause = rules.causes["slow"]
    assert (cause.severity, cause.status, cause.min_count) == ("warning", "shadow", 4)
    assert cause.evidence[0].within_s == 120.0
    assert cause.evidence[1].compare is not None
    assert cause.evidence[1].compare.values == (0.95,)
    assert cause.origin == "/vendor/causes/slow.yaml (adjusted by /etc/slow.adjust.yaml)"
    assert (rules.problems, rules.warnings) == ((), ())


def test_a_changed_vendor_default_under_an_adjustment_is_a_warning() -> None:
    """The adjustment still applies, but someone should look."""
    rules = _with({"slow.adjust.yaml": "adjust: slow\nset: {full.is: '>= 95%'}\nwas: {full.is: '>= 80%'}\n"})
    assert rules.warnings == ("/etc/slow.adjust.yaml:3:16: full.is of slow is no longer >= 80%",)
    compare = rules.causes["slow"].evidence[1].compare
    assert compare is not None
    assert compare.values == (0.95,)


def test_what_may_not_be_adjusted_is_a_problem_with_its_place() -> None:
    """Only whitelisted fields of conditions that exist; the rule stays as it was."""
    for change, message in (
        ("{title: x}", "'title' cannot be adjusted"),
        ("{severty: info}", "did you mean 'severity'?"),
        ("{severity: high}", "'high' is no severity for slow"),
        ("{nera.within: 1m}", "no condition 'nera', did you mean 'near'?"),
        ("{near.says: x}", "'says' of a condition cannot be adjusted"),
        ("{near.is: 3}", "compares nothing"),
    ):
        rules = _with({"slow.adjust.yaml": f"adjust: slow\nset: {change}\n"})
        assert message in rules.problems[0], change
        assert rules.problems[0].startswith("/etc/slow.adjust.yaml:2:"), change
        assert rules.causes["slow"].severity == "critical"


def test_a_broken_adjustment_keeps_the_last_good_one() -> None:
    """A typing error in a threshold does not silently put the vendor's back."""
    before = _with({"slow.adjust.yaml": "adjust: slow\nset: {min_count: 4}\n"})
    after = _with({"slow.adjust.yaml": "adjust: slow\nset: {min_count: many}\n"}, before)
    assert after.causes["slow"].min_count == 4
    assert len(after.problems) == 1


def test_an_adjustment_of_a_rule_that_is_gone_is_a_warning() -> None:
    """After an upgrade removed a rule the operator hears of it."""
    rules = _with({"old.adjust.yaml": "adjust: old\nset: {severity: info}\n"})
    assert "there is no rule 'old'" in rules.warnings[0]


def test_names_that_lead_nowhere_are_problems() -> None:
    """A cause that waits for a signal nobody defines is reported with a suggestion."""
    text = CAUSE.replace("opens_on: gunicorn.starting", "opens_on: gunicorn.startng\nexplains_away: [slwo]")
    rules = build([Layer("/v", {"gunicorn/starting.yaml": STARTING, "causes/slow.yaml": text})])
    assert any("did you mean 'gunicorn.starting'?" in problem for problem in rules.problems)
    assert any("unknown cause 'slwo', did you mean 'slow'?" in problem for problem in rules.problems)


def test_a_sentence_with_a_name_nobody_captures_is_a_problem() -> None:
    """Braces are checked against facts and the captures of all signals once the facts are known."""
    text = CAUSE.replace("within: 30s, says: 'x'", "within: 30s, says: '{wroker}'")
    facts = frozenset({"unit.memory"})
    rules = build([Layer("/v", {"gunicorn/starting.yaml": STARTING, "causes/slow.yaml": text})], facts=facts)
    assert any("{wroker}" in problem for problem in rules.problems)
