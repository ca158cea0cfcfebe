"""Near misses: what is shown of a rule agrees with what the matcher decides, and names the part that differs."""

from __future__ import annotations

import pytest

from analyzerd import formats
from analyzerd.core.near import look, near_misses, reach
from analyzerd.core.rehearse import rehearse
from analyzerd.model import Event, Stream
from tests.core.stage import RULES

RULE = RULES.signals["gunicorn.worker-timeout"]
FRONT = "[2026-11-23 07:00:48 +0000] [25900] "


def of(line: str, kind: str = "gunicorn") -> Event:
    """Read one line as one event."""
    (event,) = formats.read(line.encode(), Stream("test", kind))
    return event


@pytest.mark.parametrize("rule", RULES.signals.values(), ids=lambda rule: rule.id)
def test_it_agrees_with_the_matcher(rule) -> None:  # type: ignore[no-untyped-def]
    """On the rules' own lines: what matches there matches here, and what misses there misses a part here."""
    for test in (t for t in rule.tests if t.line):
        kind = test.source or next(s for s in rule.sources if s in formats.KINDS)
        stream = Stream("test", kind, log_format=test.log_format)
        looks = [one for event in formats.read(test.line.encode(), stream) for one in look([rule], event, test.line)]
        assert any(one.captures is not None for one in looks) == bool(rehearse(rule, test)), test.name
        assert all((one.captures is None) == bool(one.misses) for one in looks), test.name


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("[ERROR] WORKER TIMEOUT (pid:12)", ["where level"]),
        ("[CRITICAL] WORKER TIMEOUT (pid: 12)", ["regex"]),
        ("[CRITICAL] worker timeout (pid:12)", ["contains", "regex"]),
    ],
)
def test_the_part_that_differs_is_named(line: str, parts: list[str]) -> None:
    """One change of the line, one part that misses."""
    raw = FRONT + line
    (near,) = near_misses(look([RULE], of(raw), raw))
    assert [part.name for part in near.misses] == parts


def test_a_rule_of_another_source_is_a_near_miss_by_its_words() -> None:
    """The right words in the wrong log: the source is what does not fit."""
    raw = "connect() to unix:/run/app.sock failed (111: Connection refused) while connecting to upstream"
    near = near_misses(look(RULES.signals.values(), of(raw), raw))
    refused = next(one for one in near if one.rule.id == "nginx.connect-refused")
    assert refused.misses[0].name == "source"
    assert refused.misses[0].found == "app"


def test_rules_that_share_nothing_are_no_near_miss() -> None:
    """A line about something else has none."""
    raw = FRONT + "[INFO] tea is ready"
    assert near_misses(look(RULES.signals.values(), of(raw), raw)) == []


def test_the_reach_of_a_pattern() -> None:
    """The longest beginning of the pattern that fits, and where the text goes on differently."""
    assert reach(r"^ab (?P<n>\d{1,3}) cd$", "ab 12 xd") == (r"^ab (?P<n>\d{1,3}) ", 6)
    assert reach(r"^ab", "xy")[1] == 0
