"""Hostile log text: nothing escapes into Slack or the terminal, no secret is shown, nothing is too long."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzerd.model import Benign, Health
from analyzerd.render import blocks
from analyzerd.render.escape import clean, mrkdwn, one_line
from analyzerd.render.redact import redact
from analyzerd.render.report import report
from analyzerd.render.text import followup_text, incident_text, summary_text
from tests.growth_of_work import grows_evenly
from tests.made_incidents import HOSTILE, OUT_OF_MEMORY, SECRETS, hostile_incident
from tests.slack_rules import check_message, texts

NASTY = (
    HOSTILE,
    HOSTILE * 500,
    "a" * 1_000_000,
    "<" * 5000,
    "&" * 5000,
    "\x00" * 5000,
    "\udc80" * 3000,
    "\n" * 5000,
    "\U0001f4a5" * 3000,
    "",
    " ",
    "*_~`" * 2000,
)
RENDERED = (blocks.message, blocks.thread, blocks.plain, blocks.followup)
FORGED = "real\n[2026-11-23 07:05:20 +0000] [1] forged"
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udfff]")


def every_text(payload: object) -> list[str]:
    """Return all strings that Slack shows, the fallback included."""
    assert isinstance(payload, dict)
    return [payload["text"], *texts(payload.get("blocks", []))]


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_slack_takes_every_payload(text: str) -> None:
    """Whatever a log holds, Slack's documented limits are kept."""
    incident = hostile_incident(text)
    for render in RENDERED:
        check_message(dict(render(incident)))
    check_message(dict(blocks.summary([incident] * 300)))


@pytest.mark.parametrize("text", NASTY[:2], ids=range(2))
def test_no_mention_link_or_markup_and_no_control_reaches_slack(text: str) -> None:
    """The fallback is parsed by Slack: it holds no markup; the blocks are of literal kinds only."""
    incident = hostile_incident(text)
    for payload in (*(render(incident) for render in RENDERED), blocks.summary([incident])):
        assert '"mrkdwn"' not in json.dumps(payload)
        assert not re.search(r"[*`~<>]|://|@(here|channel|everyone)", payload["text"])
        for shown in every_text(payload):
            assert not re.search(r"<[!@#]|<https?:|@here", shown)
            assert not FORBIDDEN.search(shown.replace("\ufe0f", ""))


def test_no_secret_reaches_slack_the_terminal_or_the_report() -> None:
    """Each planted secret and each person is hidden everywhere."""
    incident = hostile_incident(HOSTILE)
    shown = [json.dumps(render(incident)) for render in RENDERED]
    shown += [json.dumps(blocks.summary([incident])), incident_text(incident, full=True)]
    shown += [followup_text(incident), summary_text([incident])]
    hidden = Health(1.0, HOSTILE, "blind", HOSTILE, HOSTILE)
    shown.append(report([incident], [Benign("x", HOSTILE, 1, HOSTILE)], [hidden], since_s=0, until_s=1))
    found = [secret for text in shown for secret in SECRETS if secret in text]
    assert found == []


def test_a_forged_line_cannot_pose_as_a_record() -> None:
    """On the terminal and in the excerpt box, a second line of the same record is indented."""
    incident = replace(OUT_OF_MEMORY, title=FORGED, summary=FORGED, samples_of_log=(FORGED,))
    shown = [
        incident_text(incident, full=True),
        *every_text(blocks.message(incident)),
        *every_text(blocks.thread(incident)),
    ]
    assert sum("forged" in text for text in shown) >= 4
    assert not any("\n[2026" in text for text in shown)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET /a?session=abc&x=1 HTTP/1.1", "abc"),
        ("GET /reset?9f8e7d6c5b HTTP/1.1", "9f8e7d6c5b"),
        ('{"password": "two words", "user": "eve"}', "two words"),
        ("DB_PASSWORD='it is long' next", "it is long"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("Cookie: session=abc; id=def", "def"),
        ("Set-Cookie: a=bcdefg; Path=/", "bcdefg"),
        ("X-Api-Key: 12345", "12345"),
        ("mysql://root:p@ss/word@10.0.0.5/db", "p@ss/word"),
        ("redis://:topsecret@cache:6379/0", "topsecret"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "0123456789abcdefghij"),
        ("https://hooks.slack.com/services/T0/B0/XyZ", "XyZ"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("card 4111 1111 1111 1111 ok", "1111 1111"),
        ("mail to eve.adams+x@mail.example.org now", "eve.adams"),
        ("client: 10.1.2.3, server: x", "10.1.2.3"),
        ("from 2001:db8:85a3:1:2:8a2e:370:7334", "7334"),
        ("GET /invite/0a1b2c3d4e5f60718293a4b5c6d7e8f901234567 HTTP", "0a1b2c3d4e5f"),
    ],
)
def test_secrets_by_shape(text: str, hidden: str) -> None:
    """Each documented shape of a secret is hidden, and redacting again changes nothing."""
    once = redact(text)
    assert hidden not in once
    assert redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "upstream timed out (110: Connection timed out) while reading response header from upstream",
        "connect() failed (111) while connecting to upstream 127.0.0.1:8000 and 10.0.0.5:8000",
        "app@1.service: A process of this unit has been killed by the OOM killer.",
        "timeout: 30 -> 60, workers=4, threads=2",
        "FATAL: password authentication failed for user",
        "12:30:45 [4711] Worker exiting; gunicorn 27.0.1; nginx/1.22.1",
        "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
        "File /usr/lib/python3.11/site-packages/sqlalchemy/pool/impl.py line 146",
    ],
)
def test_what_a_diagnosis_needs_is_kept(text: str) -> None:
    """Redaction does not eat numbers, paths, units, upstreams or plain words."""
    assert redact(text) == text


@given(st.text())
def test_cleaned_text_holds_nothing_invisible(text: str) -> None:
    """Any text, cleaned: one line has no break; both have no control; mrkdwn has no raw bracket."""
    assert not FORBIDDEN.search(clean(text, 500))
    assert "\n" not in one_line(text, 500)
    assert len(one_line(text, 50)) <= 50
    assert not re.search(r"[<>*`~]", mrkdwn(clean(text, 500)))


@pytest.mark.parametrize(
    "unit",
    ["a", "://:", "eyJ", "=", "a=", "password=", "@", "a@", ".", "1", "1.", "4 ", ":", "f:", "?", "&a",
     "-----BEGIN PRIVATE KEY-----",
     "cookie:", "\x1b[", "\x1b]", "/", "/a1", "x-", "'", '"a:"', "authorization ", "<a"],
)  # fmt: skip
def test_no_text_makes_redaction_slow(unit: str) -> None:
    """Four times the text takes nothing like sixteen times as long: no pattern backtracks over it."""
    text = unit * 40_000
    assert grows_evenly(lambda size: redact(clean(text[:size], size)), 10_000)
