"""Delivery to the Slack stand-in over HTTP: one message per incident, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.model import State
from analyzerd.notify.slack import SlackChannel
from analyzerd.notify.webhook import SlackWebhook
from tests.made_incidents import OUT_OF_MEMORY, RESOLVED, UNKNOWN, numbered
from tests.notify.channel import NOW_S, WORDS, Post, slack_post
from tests.slack_standin import FAULTS, Slack, random_faults, running


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
    """Return store, outbox and sender on that workspace."""
    return slack_post(tmp_path, url)


def shown(slack: Slack) -> dict[str, list[int]]:
    """Return the revisions shown per incident, over all its top-level messages."""
    found: dict[str, list[int]] = {}
    for message in slack.messages():
        payload = message["metadata"]["event_payload"]
        found.setdefault(payload["incident"], []).append(payload["revision"])
    return found


def test_one_message_is_edited_and_its_thread_holds_the_evidence(slack: Slack, post: Post) -> None:
    """Opened, then resolved: one message, one reply, both edited in place."""
    post.save(OUT_OF_MEMORY)
    post.run()
    post.save(RESOLVED, reason="resolved")
    post.run()
    assert shown(slack) == {OUT_OF_MEMORY.id: [4]}
    (message,) = slack.messages()
    assert [edit["text"][0] for edit in message["edits"]] == ["\u2705"]
    (reply,) = slack.replies(message["ts"])
    assert "kernel logged an OOM kill" in str(reply["blocks"])
    assert slack.violations == []


def test_an_unchanged_message_is_not_sent_again(slack: Slack, post: Post) -> None:
    """A revision that changes nothing a reader sees costs no call."""
    post.save(UNKNOWN)
    post.run()
    calls = len(slack.calls)
    post.save(replace(UNKNOWN, confidence=0.3, revision=2))
    post.run()
    assert len(slack.calls) == calls


def test_retry_after_is_honoured_to_the_second(slack: Slack, post: Post) -> None:
    """No call is made to the channel before Slack allows it, and then exactly one message stands."""
    slack.script.extend(["429:37"])
    post.save(UNKNOWN)
    assert post.sender.step(post.now_s) == post.now_s
    assert post.sender.step(post.now_s) == post.now_s + 37
    post.restart()
    assert post.sender.step(post.now_s + 36.9) == post.now_s + 37
    assert slack.messages() == []
    post.run()
    assert shown(slack) == {UNKNOWN.id: [1]}


@pytest.mark.parametrize("fault", FAULTS)
def test_any_fault_leaves_one_message(slack: Slack, post: Post, fault: str) -> None:
    """The first post fails in every known way, also after Slack took the message."""
    slack.script.append(fault)
    post.save(UNKNOWN)
    post.run()
    assert shown(slack) == {UNKNOWN.id: [1]}
    assert len(slack.replies(slack.messages()[0]["ts"])) == 1
    assert slack.violations == []


def test_faults_at_random_leave_each_incident_once_in_its_last_state(tmp_path: Path) -> None:
    """Eight incidents, three revisions each, a third of all calls failing, the rate limit on."""
    slack = Slack(faults=random_faults(11), hang_s=1.5, rate_per_s=20, burst=3)
    with running(slack) as url:
        post = slack_post(tmp_path, url, catch_up_over=0)
        for revision in (1, 2, 3):
            post.save(*(numbered(n, revision=revision) for n in range(8)))
            for _ in range(7):
                due_s = post.sender.step(post.now_s)
                post.now_s = max(post.now_s, due_s or 0)
        post.run()
    assert shown(slack) == {numbered(n).id: [3] for n in range(8)}
    assert all("revision 3" in str(message["blocks"]) for message in slack.messages())
    assert slack.violations == []


def test_backoff_doubles_to_five_minutes(slack: Slack, post: Post) -> None:
    """An outage is tried after 1, 2, 4 ... 300 seconds, and one sentence says so."""
    slack.script.extend(["500"] * 12)
    post.save(UNKNOWN)
    waits = []
    for _ in range(12):
        post.sender.step(post.now_s)
        due_s = post.outbox.next_due_s()
        assert due_s is not None
        waits.append(round(due_s - post.now_s))
        post.now_s = due_s
    before_looking = 2
    assert waits == [1, before_looking, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert len(post.said) == 1
    post.run()
    assert shown(slack) == {UNKNOWN.id: [1]}


def test_after_an_outage_one_summary_leads(slack: Slack, post: Post) -> None:
    """Nine late incidents: one catch-up message, then only those still open; none is missing."""
    post.save(*(numbered(n, state=State.RESOLVED if n < 6 else State.OPEN) for n in range(9)))
    post.now_s += 3600
    post.run()
    first, *others = slack.messages()
    assert all(numbered(n).id in str(first["blocks"]) for n in range(9))
    assert {one["metadata"]["event_payload"]["incident"] for one in others} == {numbered(n).id for n in (6, 7, 8)}


def test_a_deleted_message_is_posted_anew_with_its_thread(slack: Slack, post: Post) -> None:
    """Someone deletes the message; the next change brings it back."""
    post.save(OUT_OF_MEMORY)
    post.run()
    slack.delete(slack.messages()[0]["ts"])
    post.save(RESOLVED)
    post.run()
    (message,) = slack.messages()
    assert len(slack.replies(message["ts"])) == 1
    assert shown(slack) == {OUT_OF_MEMORY.id: [4]}


def test_a_closed_edit_window_brings_a_new_message_never_the_old_one(slack: Slack, post: Post) -> None:
    """Also when the new post's outcome is unknown, the closed message is not taken for it."""
    post.save(OUT_OF_MEMORY)
    post.run()
    old = slack.messages()[0]["ts"]
    slack.close_edits(old)
    post.save(RESOLVED)
    slack.script.extend(["", "drop_after"])
    post.run()
    assert [message["ts"] == old for message in slack.messages()] == [True, False]
    assert shown(slack) == {OUT_OF_MEMORY.id: [1, 4]}


def test_without_history_it_says_once_that_duplicates_are_possible(tmp_path: Path) -> None:
    """The scope is missing: the message is posted again rather than lost."""
    slack = Slack(scopes=("chat:write",))
    with running(slack) as url:
        post = slack_post(tmp_path, url)
        slack.script.extend(["drop_after", "", "drop_after"])
        post.save(UNKNOWN)
        post.run()
    assert shown(slack) == {UNKNOWN.id: [1, 1, 1]}
    assert sum("channels:history" in said for said in post.said) == 1


def test_a_refused_token_keeps_everything_until_it_is_mended(tmp_path: Path, slack: Slack, url: str) -> None:
    """A wrong token is an operator's matter: nothing is given up."""
    wrong = SlackChannel("xoxb-wrong", "C0ALERTS", base_url=f"{url}/api/")
    post = Post(tmp_path / "state.db", {wrong.name: (wrong, WORDS)})
    post.save(UNKNOWN)
    post.sender.step(post.now_s)
    assert post.sender.step(post.now_s) == post.now_s + 300
    assert "the token is not valid" in post.said[0]
    right = SlackChannel("xoxb-standin", "C0ALERTS", base_url=f"{url}/api/")
    post.sinks = {wrong.name: (right, WORDS)}
    post.restart()
    post.run()
    assert shown(slack) == {UNKNOWN.id: [1]}


def test_a_refused_payload_is_sent_in_its_short_form(tmp_path: Path, slack: Slack, url: str) -> None:
    """Never the same payload again: text alone, once."""
    channel = SlackChannel("xoxb-standin", "C0ALERTS", base_url=f"{url}/api/")
    bad = replace(WORDS, message=lambda *_: {"text": "x", "blocks": [{"type": "nonsense"}]})
    post = Post(tmp_path / "state.db", {channel.name: (channel, bad)})
    post.save(UNKNOWN)
    post.run()
    (message,) = slack.messages()
    assert "blocks" not in message
    assert UNKNOWN.id in message["text"]
    assert len(slack.violations) == 1


def test_a_channel_given_by_name_is_looked_up_by_the_id_it_answered_with(
    tmp_path: Path, slack: Slack, url: str
) -> None:
    """History needs the channel's id: any message posted before tells it."""
    channel = SlackChannel("xoxb-standin", "#alerts", base_url=f"{url}/api/")
    post = Post(tmp_path / "state.db", {channel.name: (channel, WORDS)})
    post.save(UNKNOWN)
    post.run()
    slack.script.append("drop_after")
    post.save(OUT_OF_MEMORY)
    post.run()
    assert shown(slack) == {UNKNOWN.id: [1], OUT_OF_MEMORY.id: [1]}


def test_a_webhook_posts_once_and_follows_up_on_changes_of_state_only(tmp_path: Path, slack: Slack, url: str) -> None:
    """Without edits: the message, then one short line when it is over; nothing for counts."""
    hook = SlackWebhook(f"{url}/services/T0/B0/hook")
    post = Post(tmp_path / "state.db", {hook.name: (hook, WORDS)})
    for incident in (OUT_OF_MEMORY, replace(OUT_OF_MEMORY, occurrences=9, revision=2), RESOLVED):
        post.save(incident)
        post.run()
    first, second = slack.messages()
    assert len(first["blocks"]) > 4
    assert "now resolved" in second["text"]
    assert slack.violations == []


def test_an_unreachable_slack_is_not_a_doubt(tmp_path: Path) -> None:
    """Connection refused: surely not sent, so no history is needed to try again."""
    post = slack_post(tmp_path, "http://127.0.0.1:9")
    post.save(UNKNOWN)
    post.sender.step(NOW_S)
    assert [row.in_doubt for row in post.outbox.rows()] == [False, False]
    assert "cannot be reached" in post.said[0]
