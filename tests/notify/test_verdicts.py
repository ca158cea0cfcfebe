"""A verdict in the thread of its incident: once, whatever is killed or refused, and with hostile words in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.model import Figures, Outcome, SaveVerified, Verified
from analyzerd.notify.webhook import SlackWebhook
from analyzerd.render import verdict as words
from tests.made_incidents import RESOLVED, START_S, UNKNOWN
from tests.notify.channel import WORDS, Post, slack_post
from tests.slack_standin import FAULTS, Slack, running

WORSE = Verified(
    id="REC-2HNE4SMY/1",
    recommendation="REC-2HNE4SMY",
    incident=UNKNOWN.id,
    app="shop",
    cause="too-few-workers",
    setting="gunicorn.workers",
    before=2,
    after=1,
    proposed=5,
    changed_s=START_S + 100,
    decided_s=START_S + 400,
    outcome=Outcome.WORSE,
    because="20.0% of the requests fail, before the change 0.0%",
    was=Figures(900, 5400, 6.0, 0.02, 0.01, 0.2, 0.21, 0.0, 0.5, 310 * 2**20),
    now=Figures(200, 1200, 6.0, 0.02, 0.01, 0.2, 0.21, 0.2, None, None),
    rollback="set gunicorn.workers back to 2 (/srv/gunicorn.conf.py:3) and reload",
)


@pytest.fixture
def slack() -> Slack:
    """Return a workspace."""
    return Slack(hang_s=2.5)


@pytest.fixture
def url(slack: Slack) -> Iterator[str]:
    """Serve the workspace."""
    with running(slack) as address:
        yield address


@pytest.fixture
def post(tmp_path: Path, url: str) -> Post:
    """Return store, outbox and sender on that workspace, with an incident shown."""
    made = slack_post(tmp_path, url)
    made.save(UNKNOWN)
    made.run()
    return made


def tell(post: Post, verified: Verified = WORSE) -> None:
    """Commit a verdict as the core would, and send what is due."""
    post.store.commit([SaveVerified(post.now_s, verified)], [], None, post.now_s)
    post.run()


def replies(slack: Slack) -> list[str]:
    """Return what the thread of the only message holds, the evidence left out."""
    (message,) = slack.messages()
    return [str(reply) for reply in slack.replies(message["ts"]) if "Evidence" not in reply["text"]]


def test_a_verdict_is_a_reply_of_its_own(slack: Slack, post: Post) -> None:
    """It says what changed, why it is worse, both sides' figures, and the way back."""
    tell(post)
    (reply,) = replies(slack)
    for said in (
        "Worse: gunicorn.workers 2 -&gt; 1 (5 was proposed)",
        "20.0% of the requests fail",
        "p95",
        "310.0 MiB",
    ):
        assert said in reply
    assert "Undo it now" in reply
    assert slack.violations == []


def test_the_same_verdict_again_is_not_said_again(slack: Slack, post: Post) -> None:
    """An engine that lost its last commit decides the same once more."""
    tell(post)
    post.restart()
    tell(post, replace(WORSE, decided_s=START_S + 430))
    assert len(replies(slack)) == 1
    tell(post, replace(WORSE, id="REC-2HNE4SMY/2", outcome=Outcome.BETTER, rollback=""))
    assert len(replies(slack)) == 2
    assert [v.outcome for v in post.store.verdicts("REC-2HNE4SMY")] == [Outcome.WORSE, Outcome.BETTER]


@pytest.mark.parametrize("fault", FAULTS)
def test_any_fault_leaves_one_reply(slack: Slack, post: Post, fault: str) -> None:
    """Posting it fails in every known way, also after Slack took it."""
    slack.script.append(fault)
    tell(post)
    post.restart()
    post.run()
    assert len(replies(slack)) == 1
    assert slack.violations == []


def test_it_outlives_the_end_of_its_incident(slack: Slack, post: Post) -> None:
    """The problem was resolved hours before the verdict."""
    post.save(replace(RESOLVED, id=UNKNOWN.id, revision=9), reason="resolved")
    post.run()
    tell(post)
    assert len(replies(slack)) == 1


def test_a_sink_without_threads_shows_it_as_a_message(tmp_path: Path, slack: Slack, url: str) -> None:
    """An incoming webhook can neither edit nor reply."""
    webhook = SlackWebhook(f"{url}/services/T0/B0/secret", timeout_s=1)
    post = Post(tmp_path / "state.db", {webhook.name: (webhook, WORDS)})
    post.save(UNKNOWN)
    post.run()
    tell(post)
    assert [("Worse: gunicorn.workers" in m["text"]) for m in slack.messages()] == [False, True]


def test_hostile_values_make_no_mention() -> None:
    """Settings are text of whoever wrote the file."""
    hostile = replace(WORSE, before="<!channel>", after="`*_\n<@U1>", because="<https://evil|x> password=hunter2")
    shown = str(words.blocks(hostile)) + str(words.plain(hostile))
    assert "<!channel>" not in shown
    assert "<@U1>" not in shown
    assert "hunter2" not in shown


def test_the_terminal_says_the_same() -> None:
    """Headline, reason, a table that lines up, the way back."""
    lines = words.text(WORSE).split("\n")
    assert lines[0] == "Worse: gunicorn.workers 2 -> 1 (5 was proposed), shop"
    assert "    average           0.02 s      0.02 s" in lines
    assert "    failed             0.00%      20.00%" in lines
    assert lines[-2].startswith("  Undo it now: set gunicorn.workers back to 2")
