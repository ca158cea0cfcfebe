"""A channel against the stand-in, with the real words, the real database and a clock that tests move."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from analyzerd.model import Incident
from analyzerd.notify.contract import Sink, Words
from analyzerd.notify.sender import Sender
from analyzerd.notify.slack import SlackChannel
from analyzerd.render import blocks, verdict
from analyzerd.store.db import Store
from analyzerd.store.outbox import Outbox
from tests.made_incidents import saved

WORDS = Words(
    blocks.message, blocks.thread, blocks.plain, blocks.followup, blocks.summary, verdict.blocks, verdict.plain
)
SINK = "slack:C0ALERTS"
NOW_S = time.time()  # noqa: TID251 - the stand-in stamps messages with the real time


class Post:
    """Store, outbox and sender on one file; ``run`` drives them until nothing is due."""

    def __init__(self, path: Path, sinks: Mapping[str, tuple[Sink, Words]], **options: float) -> None:
        self.path, self.sinks, self.options = path, sinks, options
        self.said: list[str] = []
        self.now_s = NOW_S
        self.store = Store(path, sinks=tuple(sinks))
        self.restart()

    def restart(self) -> None:
        """Forget everything that is not on disk."""
        self.outbox = Outbox(self.path)
        self.sender = Sender(self.outbox, self.sinks, say=self.said.append, **self.options)  # type: ignore[arg-type]

    def save(self, *incidents: Incident, reason: str = "opened") -> None:
        """Commit incidents as the core would."""
        self.store.commit([saved(one, reason) for one in incidents], [], None, self.now_s)

    def run(self, limit: int = 500) -> None:
        """Step, moving the clock to each next due time, until all is shown."""
        for _ in range(limit):
            due_s = self.sender.step(self.now_s)
            if due_s is None:
                return
            self.now_s = max(self.now_s, due_s)
        raise AssertionError(f"never done: {self.outbox.rows()}")


def slack_post(tmp_path: Path, url: str, *, timeout_s: int = 1, **options: float) -> Post:
    """Return a Post whose only sink is the stand-in's channel."""
    channel = SlackChannel("xoxb-standin", "C0ALERTS", base_url=f"{url}/api", timeout_s=timeout_s)
    return Post(tmp_path / "state.db", {SINK: (channel, WORDS)}, **options)
