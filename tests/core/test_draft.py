"""Rules drafted from raw lines: what comes out loads, passes its own tests and finds its line again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzerd import formats
from analyzerd.core.draft import draft, pattern_of
from analyzerd.core.rehearse import rehearse
from analyzerd.model import Event, Stream
from analyzerd.render.redact import redact
from analyzerd.rules.loader import load_rule
from analyzerd.rules.schema import RuleTest, SignalRule
from analyzerd.rules.selftest import run_signal_tests
from analyzerd.sources.chunks import file_chunks

CORPUS = Path(__file__).parents[1] / "corpus"
FOLDERS = {"gunicorn": "gunicorn", "app": "app", "kernel": "kernel", "nginx": "nginx.error"}
PER_FOLDER = 50


def corpus(folder: str, kind: str) -> Iterator[tuple[str, Event]]:
    """Yield lines of real logs that are a record of their own, each wording once."""
    seen, stream = set[str](), Stream("corpus", kind)
    for path in sorted((CORPUS / folder).rglob("*")):
        if not path.is_file() or (kind == "nginx.error" and "access" in path.name):
            continue
        for raw in b"".join(file_chunks(path, [])).splitlines()[:3000]:
            line = redact(raw.decode("utf-8", "replace"))
            events = formats.read(line.encode(), stream)
            if len(events) != 1 or (wording := pattern_of(events[0].text).regex) in seen:
                continue
            seen.add(wording)
            yield line, events[0]
            if len(seen) >= PER_FOLDER:
                return


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_line_of_the_corpus(folder: str) -> None:
    """A draft or a reason; drafts load, pass their tests and match the line; nearly all lines give one."""
    kind, drafts, refused = FOLDERS[folder], 0, list[str]()
    for line, event in corpus(folder, kind):
        try:
            text = draft("gunicorn.drafted", line, event, kind)
        except ValueError as problem:
            refused.append(f"{problem}: {line[:100]}")
            continue
        rule = load_rule(text, "drafted.yaml")
        assert isinstance(rule, SignalRule)
        assert run_signal_tests(rule, rehearse) == []
        assert rehearse(rule, RuleTest("again", line=line, source=kind))
        drafts += 1
    assert drafts > 9 * len(refused), refused


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=600))
def test_any_text_gives_a_rule_that_works_or_a_reason(text: str) -> None:
    """Whatever stands in the message."""
    line = f"[2026-11-23 07:00:48 +0000] [9] [ERROR] {text}"
    event = formats.read(line.encode(), Stream("x", "gunicorn"))[0]
    try:
        made = draft("gunicorn.drafted", line, event, "gunicorn")
    except ValueError:
        return
    rule = load_rule(made, "drafted.yaml")
    assert isinstance(rule, SignalRule)
    assert run_signal_tests(rule, rehearse) == []


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Worker (pid:12) exited", {"worker": "pid"}),
        ("took 3.5 s of 30", {"amount": "float", "number": "int"}),
        ("cannot open /srv/app/x.sock (13)", {"path": "str", "number": "int"}),
        ("peer 10.0.0.9:5000 and 10.0.0.8", {"address": "str", "address_2": "str"}),
        ("job 3f2504e0-4f89-11d3-9a0c-0305e82c3301 is lost", {"uuid": "str"}),
        ("HTTP2 utf8 v1.2.3 words stay", {}),
    ],
)
def test_what_varies_is_captured(text: str, fields: dict[str, str]) -> None:
    """Numbers, paths, addresses and ids by their names; parts of words stay words."""
    assert dict(pattern_of(text).fields) == fields


def test_the_pattern_takes_other_values_of_the_same_line() -> None:
    """Another pid, path and time; not other words."""
    line = "[2026-11-23 07:00:48 +0000] [9] [ERROR] Worker (pid:12) lost /a/b after 3.5 s"
    event = formats.read(line.encode(), Stream("x", "gunicorn"))[0]
    rule = load_rule(draft("gunicorn.drafted", line, event, "gunicorn"), "drafted.yaml")
    assert isinstance(rule, SignalRule)
    other = line.replace("12", "99").replace("/a/b", "/c").replace("3.5", "40.25")
    (found,) = rehearse(rule, RuleTest("other", line=other))
    assert (found["worker"], found["path"], found["amount"]) == (99, "/c", 40.25)
    assert not rehearse(rule, RuleTest("words", line=line.replace("lost", "found")))


@pytest.mark.parametrize(
    ("rule_id", "line", "kind", "word"),
    [
        ("Bad Id", "[2026-11-23 07:00:48 +0000] [9] [ERROR] some words", "gunicorn", "no rule id"),
        ("a.b", '1.2.3.4 - - [23/Nov/2026:07:00:48 +0000] "GET / HTTP/1.1" 502 7 "-" "-"', "nginx.access", "fields"),
        ("a.b", "[2026-11-23 07:00:48 +0000] [9] [ERROR] 12 34", "gunicorn", ""),
    ],
)
def test_what_cannot_be_drafted_has_a_reason(rule_id: str, line: str, kind: str, word: str) -> None:
    """No id, no words, no pattern to be had: the reason is in the error."""
    event = formats.read(line.encode(), Stream("x", kind))[0]
    with pytest.raises(Exception, match=word or "."):
        draft(rule_id, line, event, kind)
