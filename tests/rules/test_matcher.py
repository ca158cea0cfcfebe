"""One pass over a block finds exactly the lines that hold a literal, with and without hyperscan."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analyzerd.core import literals
from analyzerd.core.matcher import Matcher
from analyzerd.model import Event, Severity, Value
from analyzerd.rules.schema import Comparison, SignalRule

WORDS = ("WORKER TIMEOUT", "TIMEOUT", "aa", "aab", "(pid:", "\u00e9t\u00e9", "x.y")


def _rule(number: int, words: tuple[str, ...], source: str = "gunicorn") -> SignalRule:
    return SignalRule(f"r{number}", "t", (source,), Severity.INFO, literals=words)


RULES = [_rule(number, (word,)) for number, word in enumerate(WORDS)] + [
    _rule(7, ("WORKER TIMEOUT", "aa")),
    _rule(8, ("TIMEOUT",), "kernel"),
]
EXTRA = {"gunicorn": (b"Traceback",)}
FAST, PLAIN = Matcher(RULES, EXTRA), Matcher(RULES, EXTRA, use_hyperscan=False)

piece = st.sampled_from(
    [*(word.encode() for word in WORDS), b"Traceback", b"\n", b"a", b" ", b"\r\n", b"\x00", b"\xff"]
)
blocks = st.lists(st.one_of(piece, st.binary(max_size=4)), max_size=40).map(b"".join)


def _expected(block: bytes) -> list[tuple[int, int, tuple[str, ...]]]:
    """Say the same thing the slow way: line by line, word by word."""
    found, start = [], 0
    for line in block.split(b"\n"):
        end = start + len(line)
        names = {
            rule.id
            for rule in RULES
            if "gunicorn" in rule.sources and any(word.encode() in line for word in rule.literals)
        }
        if names or b"Traceback" in line:
            found.append((start, end, tuple(sorted(names))))
        start = end + 1
    return found


@given(blocks)
@example(b"")
@example(b"\n\n")
@example(b"WORKER TIMEOUT")
@example(b"\nTIMEOUT\n")
@example(b"aaab\naaab")
@example(b"WORKER \nTIMEOUT")
def test_both_searches_find_the_lines_that_hold_a_literal(block: bytes) -> None:
    """Offsets, merging of several hits on a line, first and last lines: as a naive reading finds them."""
    expected = _expected(block)
    for matcher in (FAST, PLAIN):
        got = [(start, end, tuple(sorted(names))) for start, end, names in matcher.scan("gunicorn", block)]
        assert got == expected


@given(blocks, st.integers(0, 200))
def test_cutting_a_block_between_lines_changes_nothing(block: bytes, near: int) -> None:
    """Two blocks cut at a newline give the hits of the whole."""
    cut = block.find(b"\n", near) + 1
    whole = FAST.scan("gunicorn", block)
    parts = FAST.scan("gunicorn", block[:cut]) + [
        (start + cut, end + cut, names) for start, end, names in FAST.scan("gunicorn", block[cut:])
    ]
    assert parts == whole


def test_without_hyperscan_the_matcher_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a platform that lacks hyperscan the import degrades to the plain search."""
    monkeypatch.setattr(literals, "hyperscan", None)
    matcher = Matcher(RULES, EXTRA)
    assert matcher.scan("gunicorn", b"x\nWORKER TIMEOUT\n") == [(2, 16, ("r0", "r7", "r1"))]


def test_a_rule_is_tried_only_on_streams_that_can_hold_its_source() -> None:
    """A kernel rule finds nothing in an access log, a gunicorn rule nothing in the kernel's."""
    block = b"TIMEOUT aa\n"
    assert FAST.scan("kernel", block) == [(0, 10, ("r8",))]
    assert FAST.scan("nginx.access", block) == []
    with pytest.raises(KeyError):
        FAST.scan("gunicron", block)


def test_a_line_with_only_an_extra_literal_names_no_rule() -> None:
    """A traceback is worth parsing though no rule's words stand in its first line."""
    assert FAST.scan("gunicorn", b"Traceback (most recent\n") == [(0, 22, ())]


def test_a_storm_of_one_line_repeating_a_literal_is_one_entry() -> None:
    """A hostile megabyte without a newline is one line, once."""
    block = b"WORKER TIMEOUT " * 70_000
    assert [(start, end) for start, end, _ in FAST.scan("gunicorn", block)] == [(0, len(block))]


TIMEOUT = SignalRule(
    "gunicorn.worker-timeout",
    "t",
    ("gunicorn",),
    Severity.WARNING,
    regex=r"^WORKER TIMEOUT \(pid:(?P<worker>\d{1,30})\)$",
    where={"level": Comparison("==", ("CRITICAL",), "CRITICAL")},
    fields={"worker": "pid"},
    literals=("WORKER TIMEOUT",),
)
REFUSED = SignalRule(
    "nginx.connect-refused",
    "t",
    ("nginx.error",),
    Severity.CRITICAL,
    regex=r"^connect\(\) ",
    on=("message",),
    where={"errno": Comparison("in", (111,), "111")},
    literals=("connect() ",),
)
FAILED = SignalRule("nginx.request-failed", "t", ("nginx.access",), Severity.INFO, event="request")
MATCHER = Matcher([TIMEOUT, REFUSED, FAILED])


def _event(source: str, text: str, rules: tuple[str, ...] | None = None, **fields: Value) -> Event:
    return Event(0.0, source, text, fields=fields, rules=rules)


def _names(event: Event) -> list[str]:
    return [rule.id for rule, _ in MATCHER.match(event)]


def test_captures_are_typed() -> None:
    """A pid is a number."""
    event = _event("gunicorn", "WORKER TIMEOUT (pid:25916)", level="CRITICAL")
    assert [dict(captures) for _, captures in MATCHER.match(event)] == [{"worker": 25916}]


def test_a_number_too_long_to_be_one_is_no_match() -> None:
    """Thirty digits are a forgery, not a pid."""
    assert _names(_event("gunicorn", f"WORKER TIMEOUT (pid:{'9' * 30})", level="CRITICAL")) == []


def test_conditions_on_fields_decide() -> None:
    """The right words at the wrong level, or with a field missing, are something else."""
    assert _names(_event("gunicorn", "WORKER TIMEOUT (pid:1)", level="ERROR")) == []
    assert _names(_event("gunicorn", "WORKER TIMEOUT (pid:1)")) == []


def test_another_source_with_the_same_text_is_no_match() -> None:
    """What the application printed is not gunicorn's, even when a rule is named."""
    named = ("gunicorn.worker-timeout",)
    assert _names(_event("app", "WORKER TIMEOUT (pid:1)", named, level="CRITICAL")) == []


def test_the_pattern_runs_on_the_field_the_rule_names() -> None:
    """The message of nginx counts, not the request that follows it in the text."""
    assert _names(_event("nginx.error", "other", message="connect() failed", errno=111)) == [REFUSED.id]
    assert _names(_event("nginx.error", "connect() failed", message="other", errno=111)) == []
    assert _names(_event("nginx.error", "connect() failed", errno=111)) == []


def test_named_rules_limit_the_search_and_typed_events_need_no_literal() -> None:
    """With the literals' answer at hand only those rules run; rules without literals always do."""
    text = "WORKER TIMEOUT (pid:1)"
    assert _names(_event("gunicorn", text, (), level="CRITICAL")) == []
    assert _names(_event("gunicorn", text, ("gunicorn.worker-timeout", "gone"), level="CRITICAL")) == [TIMEOUT.id]
    assert _names(_event("nginx.access", "GET /", (), event="request")) == [FAILED.id]
    assert _names(_event("nginx.access", "GET /", (), event="other")) == []
