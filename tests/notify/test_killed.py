"""The sender killed at every step, and for real: each incident stands once, in its last state."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzerd.notify.slack import SlackChannel
from tests.made_incidents import OUT_OF_MEMORY, RESOLVED
from tests.notify.channel import SINK, WORDS, Post
from tests.slack_standin import Slack, random_faults, running


class Killed(BaseException):
    """The process ended here."""


class Mortal:
    """Passes calls on to ``inner`` and dies before or after the chosen one; counts over all its kind."""

    def __init__(self, inner: Any, fuse: Iterator[bool], names: tuple[str, ...]) -> None:
        self._inner, self._fuse, self._names = inner, fuse, names

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._guarded(value) if name in self._names else value

    def _guarded(self, method: Any) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            if next(self._fuse):
                raise Killed
            result = method(*args, **named)
            if next(self._fuse):
                raise Killed
            return result

        return call


def burning(at: int) -> Iterator[bool]:
    """Yield True at one point only."""
    for point in range(10**6):
        yield point == at


WRITES = ("begin", "done", "retry", "give_up", "lost", "hold", "release", "fold_backlog")


def lived_through(path: Path, url: str, at: int) -> bool:
    """Open and resolve an incident, dying at one point; True when the point was reached."""
    fuse = burning(at)
    channel = SlackChannel("xoxb-standin", "C0ALERTS", base_url=f"{url}/api", timeout_s=2)
    post = Post(path, {SINK: (Mortal(channel, fuse, ("post", "edit", "find")), WORDS)})
    post.sender._queue = Mortal(post.outbox, fuse, WRITES)
    died = False
    for incident in (OUT_OF_MEMORY, RESOLVED):
        post.save(incident)
        try:
            post.run()
        except Killed:
            died = True
            post.restart()
            post.run()
    return died


def test_killed_between_any_two_steps_nothing_is_doubled_or_lost(tmp_path: Path) -> None:
    """Dies before and after every write and every call, one run for each."""
    for at in range(200):
        slack = Slack()
        with running(slack) as url:
            died = lived_through(tmp_path / f"{at}.db", url, at)
        (message,) = slack.messages()
        assert message["metadata"]["event_payload"]["revision"] == 4, at
        assert len(slack.replies(message["ts"])) == 1, at
        if not died:
            break
    assert at > 20


LIVE = textwrap.dedent(
    """
    import sys, threading, time
    from pathlib import Path
    from tests.made_incidents import numbered
    from tests.notify.channel import slack_post
    post = slack_post(Path(sys.argv[1]), sys.argv[2], per_s=50, burst=50, catch_up_over=0)
    def work():
        for number in range(40):
            state = post.store.meta("next")
            number = int(state or 0)
            if number >= 40:
                return
            post.save(numbered(number // 4, revision=number % 4 + 1))
            post.store.set_meta("next", str(number + 1))
            time.sleep(0.05)
    threading.Thread(target=work, daemon=True).start()
    post.sender.run(time.time, threading.Event(), threading.Event())
    """
)


@pytest.mark.world
def test_kill_9_at_random_moments_with_a_failing_slack(tmp_path: Path) -> None:
    """A real process, real kills, a Slack that answers 429, 500, hangs and drops connections."""
    chance = random.Random(5)
    slack = Slack(faults=random_faults(3, 0.25), hang_s=1.5)
    with running(slack) as url:
        for _ in range(8):
            child = start(tmp_path, url)
            time.sleep(chance.uniform(0.4, 1.6))
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        slack._faults = None
        child = start(tmp_path, url)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not settled(slack):
            time.sleep(0.2)
        child.kill()
        child.wait()
    assert sorted(revisions(slack)) == [(f"INC-{n:010d}", 4) for n in range(10)]
    assert all(len(slack.replies(message["ts"])) == 1 for message in slack.messages())
    assert slack.violations == []


def start(tmp_path: Path, url: str) -> subprocess.Popen[bytes]:
    """Start a sender and a writer in a process of their own."""
    return subprocess.Popen([sys.executable, "-c", LIVE, str(tmp_path), url], env={**os.environ, "PYTHONPATH": "."})


def revisions(slack: Slack) -> list[tuple[str, int]]:
    """Return what stands in the channel."""
    payloads = [message["metadata"]["event_payload"] for message in slack.messages()]
    return [(payload["incident"], payload["revision"]) for payload in payloads]


def settled(slack: Slack) -> bool:
    """Tell whether ten incidents stand in their last revision, each with its thread."""
    threads = [slack.replies(message["ts"]) for message in slack.messages()]
    return sum(revision == 4 for _, revision in revisions(slack)) >= 10 and all(threads)
