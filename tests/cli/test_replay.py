"""analyzerctl replay: the messages of the past, counted as the engine would have sent them; a rule on trial."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from analyzerd.cli.findings import Findings
from analyzerd.cli.inputs import Given, flow
from analyzerd.cli.replay import replayed
from analyzerd.cli.terminal import Progress
from analyzerd.core.engine import Engine, Options
from analyzerd.core.replay import replay
from analyzerd.model import SaveIncident
from analyzerd.sources.archive import open_archive
from tests.cli.conftest import Ctl
from tests.core.stage import ROOT, RULES

RECORDED = Path(__file__).parents[1] / "recorded"
HANG = Path(__file__).parents[1] / "corpus" / "archive" / "gunicorn-hang.log"
DRAFT = """rule: gunicorn.listening-seen
kind: signal
severity: info
title: a draft
description: a draft
source: gunicorn
match:
  regex: '^Listening at: (?P<address>\\S{1,200}) '
fields: {address: str}
tests:
  - name: one
    line: '[2026-11-23 07:00:48 +0000] [1] [INFO] Listening at: http://127.0.0.1:1 (1)'
    expect: {address: 'http://127.0.0.1:1'}
  - name: other
    line: '[2026-11-23 07:00:48 +0000] [1] [INFO] Not listening at: http://127.0.0.1:1 (1)'
    expect: no match
"""


def as_json(ctl: Ctl, *arguments: str | Path) -> dict[str, Any]:
    """Replay and read the JSON."""
    code, out, err = ctl("--json", "replay", *arguments)
    assert (code, err) == (0, "")
    return dict(json.loads(out))


@pytest.mark.parametrize("name", ["oom-memcg", "pool", "boot-hang", "bot-scan"])
def test_it_counts_what_the_engine_would_have_posted(name: str) -> None:
    """One message per incident that was opened, one edit for every later word about it."""
    source = Given(open_archive([str(next(RECORDED.glob(f"{name}*")))]))
    messages = replayed(source, RULES, Options()).now.in_order()
    effects = replay(Engine(RULES, Options()), flow(source, RULES, Findings()))
    words = Counter(e.incident.id for e in effects if isinstance(e, SaveIncident))
    assert {m.incident.id: m.edits + 1 for m in messages} == words
    assert all(m.posted_s >= m.incident.first_seen_s for m in messages)


def test_one_line_per_message_and_the_counts(ctl: Ctl) -> None:
    """Time, app, cause, verdict, edits; how many, of which causes, what was harmless."""
    whole = as_json(ctl, RECORDED / "boot-hang")
    assert (whole["schema"], whole["count"], whole["by_cause"]) == ("analyzerd.replay/1", 1, {"boot-hang": 1})
    (message,) = whole["messages"]
    assert (message["cause"], message["verdict"], message["change"]) == ("boot-hang", "confirmed", "")
    out = ctl("replay", RECORDED / "boot-hang")[1]
    assert "Would have posted 1 message in" in out
    assert "By cause: boot-hang 1" in out
    assert sum("boot-hang" in row and "edits" in row for row in out.splitlines()) == 1


def test_a_healthy_past_posts_nothing(ctl: Ctl) -> None:
    """A bot scan: no message, and it says so."""
    whole = as_json(ctl, RECORDED / "bot-scan")
    assert (whole["count"], whole["messages"]) == (0, [])
    assert "Would have posted 0 messages" in ctl("replay", RECORDED / "bot-scan")[1]


def test_the_window_limits_it(ctl: Ctl) -> None:
    """Before the fault there is nothing to post; the window is what the count is given for."""
    whole = as_json(ctl, RECORDED / "boot-hang", "--since", "2026-11-21", "--until", "2026-11-22")
    assert whole["count"] == 0
    out = ctl("replay", RECORDED / "boot-hang", "--since", "2026-11-01", "--until", "2026-11-15")[1]
    assert "Would have posted 0 messages in 14 days, 0.0 a day." in out


def test_a_draft_signal_says_how_often_it_matched(ctl: Ctl, tmp_path: Path) -> None:
    """A rule from a file is tried without being installed; no message comes of it without a cause."""
    draft = tmp_path / "listening-seen.yaml"
    draft.write_text(DRAFT)
    whole = as_json(ctl, "--rule", draft, HANG)
    assert whole["rule"]["id"] == "gunicorn.listening-seen"
    assert whole["rule"]["matches"] >= 1
    assert whole["rule"]["messages_without"] == whole["count"]
    out = ctl("replay", "--rule", draft, HANG)[1]
    assert "no cause has it in opens_on" in out
    assert "0 new" in out


def test_a_rule_in_force_is_compared_with_its_absence(ctl: Ctl) -> None:
    """What the rule brings is marked as changed or new; the count without it stands beside."""
    whole = as_json(ctl, "--rule", "boot-hang", RECORDED / "boot-hang")
    (message,) = whole["messages"]
    assert (message["cause"], message["change"]) == ("boot-hang", "changed")


def test_a_shadow_rule_is_tried_as_if_it_were_told(ctl: Ctl, tmp_path: Path) -> None:
    """In the shadow it says nothing; on trial its message is new."""
    (tmp_path / "causes").mkdir()
    text = (ROOT / "causes" / "boot-hang.yaml").read_text()
    (tmp_path / "causes" / "boot-hang.yaml").write_text(text.replace("status: stable", "status: shadow"))
    told = as_json(ctl, "--rules-dir", tmp_path, RECORDED / "boot-hang")
    assert "boot-hang" not in told["by_cause"]
    tried = as_json(ctl, "--rules-dir", tmp_path, "--rule", "boot-hang", RECORDED / "boot-hang")
    assert tried["by_cause"] == {"boot-hang": 1}
    assert tried["messages"][0]["change"] in ("new", "changed")


@pytest.mark.parametrize(
    ("rule", "word"), [("boot-hnag", "did you mean 'boot-hang'"), ("/nonexistent.yaml", "/nonexistent.yaml")]
)
def test_a_rule_that_is_not_there(ctl: Ctl, rule: str, word: str) -> None:
    """Exit 1 with its name, and what may have been meant."""
    code, out, err = ctl("replay", "--rule", rule, HANG)
    assert (code, out) == (1, "")
    assert word in err


def test_a_draft_with_a_mistake_is_told_with_its_place(ctl: Ctl, tmp_path: Path) -> None:
    """File, line and column, as lint says it."""
    draft = tmp_path / "listening-seen.yaml"
    draft.write_text(DRAFT.replace("match:", "matc:"))
    code, _, err = ctl("replay", "--rule", draft, HANG)
    assert code == 1
    assert f"{draft}:7:1" in err
    assert "did you mean 'match'" in err


def test_rotated_files_of_the_configured_ones_are_read(ctl: Ctl, tmp_path: Path) -> None:
    """Without PATH the daemon's configuration decides: its files, with .1 and .2.gz, its apps, its patience."""
    log = tmp_path / "app.log"
    text = HANG.read_bytes()
    cut = text.index(b"\n", len(text) // 2) + 1
    with gzip.open(tmp_path / "app.log.2.gz", "wb") as packed:
        packed.write(text[:cut])
    log.write_bytes(text[cut:])
    (tmp_path / "app.logic").write_text("not a rotated one\n")
    config = tmp_path / "analyzerd.yaml"
    config.write_text(
        f"state_dir: {tmp_path}\njournal: {{enabled: false}}\nrules_dirs: []\n"
        f"files: [{{path: {log}, kind: gunicorn, unit: shop.service}}]\napps: [{{name: shop, units: [shop.service]}}]\n"
    )
    whole = as_json(ctl, "-c", config, "--since", "2026-01-01")
    read = {row["source"] for row in whole["coverage"] if row["read"]}
    assert read == {str(log), f"{log}.2.gz"}
    assert {message["app"] for message in whole["messages"]} == {"shop"}


class Screen:
    """A terminal that keeps what is written to it."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        """It is one."""
        return True

    def write(self, text: str) -> None:
        """Keep it."""
        self.text += text

    def flush(self) -> None:
        """Nothing waits."""


def test_the_bar_is_drawn_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fills up, is removed at the end, and never appears with -q or in a pipe."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    bar = Progress("replaying", 0, quiet=False, wait_s=0.0)
    bar.reach(0.5)
    bar.end()
    assert "[###############...............]  50%" in screen.text
    assert screen.text.endswith("\r\033[K")
    quiet = Screen()
    monkeypatch.setattr("sys.stderr", quiet)
    Progress("replaying", 0, quiet=True, wait_s=0.0).reach(0.5)
    assert quiet.text == ""
