"""The stand-in refuses what Slack refuses, else the other tests prove nothing; and the terminal sink."""

# ruff: noqa: E501 - one case, one line

from __future__ import annotations

import io
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from analyzerd.notify.console import Console
from analyzerd.notify.contract import Words
from analyzerd.render.text import followup_text, incident_text, summary_text
from tests.made_incidents import OUT_OF_MEMORY, RESOLVED
from tests.notify.channel import Post
from tests.slack_rules import PAYLOAD_LIMIT, RefusedError, check_message
from tests.slack_standin import Slack, running

PLAIN = {"type": "plain_text", "text": "x"}
RICH = {"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "no_text"),
        ({"blocks": [{"type": "divider"}]}, "invalid_arguments"),
        ({"text": "x" * 4001}, "msg_too_long"),
        ({"text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "header", "text": {**PLAIN, "text": "x" * 151}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "header", "text": {**PLAIN, "type": "mrkdwn"}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section", "text": {**PLAIN, "text": ""}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section", "text": {**PLAIN, "text": "x" * 3001}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "context", "elements": [PLAIN] * 11}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "rich_text", "elements": []}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "rich_text", "elements": [{**RICH, "type": "odd"}]}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "rich_text", "elements": [RICH] * (PAYLOAD_LIMIT // 50)}]}, "msg_blocks_too_long"),
        ({"text": "x", "blocks": "[]"}, "invalid_blocks_format"),
        ({"text": "x", "metadata": {"event_type": "Not Allowed", "event_payload": {}}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "a", "event_payload": {"b": []}}}, "invalid_metadata_schema"),
    ],
)  # fmt: skip
def test_bad_messages_are_refused(body: dict[str, Any], code: str) -> None:
    """Each documented limit, one over."""
    with pytest.raises(RefusedError) as refused:
        check_message(body)
    assert refused.value.code == code


def call(url: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Call chat.postMessage with a JSON body."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return dict(json.load(answer))


def test_a_call_without_our_token_and_a_bad_message_are_violations() -> None:
    """What is refused over HTTP is remembered."""
    slack = Slack()
    with running(slack) as base:
        url = f"{base}/api/chat.postMessage"
        assert call(url, {"text": "x", "channel": "C0ALERTS"})["error"] == "not_authed"
        ours = {"Authorization": "Bearer xoxb-standin"}
        assert call(url, {"channel": "C0ALERTS"}, **ours)["error"] == "no_text"
        assert call(url, {"channel": "C0ALERTS", "text": "x"}, **ours)["ok"]
    assert len(slack.violations) == 2
    assert len(slack.messages()) == 1


def test_the_rate_limit_answers_429() -> None:
    """Three at once pass, the fourth is asked to wait."""
    slack = Slack(rate_per_s=0.001, burst=3)
    assert [slack.limited("chat.postMessage", "C1") for _ in range(4)] == [False, False, False, True]
    assert not slack.limited("chat.postMessage", "C2")


def test_it_runs_as_a_script_and_keeps_its_state(tmp_path: Path) -> None:
    """The demo starts it so and reads every message as it arrives."""
    command = [sys.executable, "tests/slack_standin.py", "--print", "--state", str(tmp_path / "s.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().split()[3]
        call(
            f"{url}chat.postMessage",
            {"text": "hello", "channel": "C1ABCD"},
            Authorization="Bearer xoxb-standin",
        )
        lines = [child.stdout.readline() for _ in range(2)]
        child.kill()
    assert lines[0].startswith("--- Slack POST C1ABCD")
    assert lines[1] == "hello\n"
    assert Slack(state=tmp_path / "s.json").messages()[0]["text"] == "hello"


def test_the_terminal_shows_the_message_once_and_then_its_end(tmp_path: Path) -> None:
    """The default sink: the whole message, one line when it is over, no thread."""
    printed = io.StringIO()
    words = Words(
        message=lambda one, why: {"text": incident_text(one, why)},
        thread=lambda one: {"text": incident_text(one, full=True)},
        plain=lambda one, why: {"text": incident_text(one, why)},
        followup=lambda one, why: {"text": followup_text(one, why)},
        summary=lambda many: {"text": summary_text(many)},
        verdict=lambda one: {"text": one.because},
        plain_verdict=lambda one: {"text": one.because},
    )
    post = Post(tmp_path / "state.db", {"console": (Console(printed), words)})
    for incident in (OUT_OF_MEMORY, RESOLVED):
        post.save(incident)
        post.run()
    assert printed.getvalue() == f"{incident_text(OUT_OF_MEMORY)}\n{followup_text(RESOLVED)}\n"
