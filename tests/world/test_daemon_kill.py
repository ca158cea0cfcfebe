"""kill -9 at any moment, with Slack failing at random: every incident stands once, as if nothing had happened."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analyzerd.core.state import FORMAT, decode
from analyzerd.daemon.wiring import BLOCK_WORDS
from analyzerd.model import Incident
from analyzerd.store.db import Store
from analyzerd.store.outbox import Outbox
from tests.slack_rules import as_text, incident_of
from tests.slack_standin import Slack, random_faults, running
from tests.world.daemon import Daemon, settings, slack_settings
from tests.world.daemon_script import EXPECTED, Script
from tests.world.journald import Journald, until

pytestmark = [pytest.mark.world, pytest.mark.timeout(180)]

SEED = 20261123
KILLS = 20
LONGEST_LIFE_S = 2.4
BETWEEN_ACTS_S = 1.6


@pytest.fixture
def script(tmp_path: Path, journald_with_kernel: Journald) -> Script:
    """Give the scripted world."""
    try:
        Path("/dev/kmsg").open("w").close()
    except OSError as error:
        pytest.skip(f"/dev/kmsg cannot be written: {error.strerror}")
    return Script(tmp_path / "world", journald_with_kernel)


def test_killed_twenty_times(tmp_path: Path, script: Script) -> None:
    """A daemon killed at 20 random moments ends with the incidents and messages of one that was left alone."""
    slacks = Slack(), Slack(faults=random_faults(SEED), hang_s=1.5)
    with running(slacks[0]) as calm_url, running(slacks[1]) as rough_url:
        calm, rough = (
            Daemon(tmp_path / name, settings(tmp_path / name, slack=slack_settings(url), **script.settings()))
            for name, url in (("calm", calm_url), ("rough", rough_url))
        )
        try:
            _live_through(calm, rough, script)
            for one in (calm, rough):
                until(lambda one=one: _at_rest(one), 75)
                assert one.stop() == 0, one.said
        finally:
            calm.kill()
            rough.kill()
    _compare(calm, rough)
    for one, slack in zip((calm, rough), slacks, strict=True):
        _stands_once(one, slack)
    _corrected(slacks[0])


def _live_through(calm: Daemon, rough: Daemon, script: Script) -> None:
    calm.start().watching()
    rough.start().watching()
    over = threading.Event()
    feeder = threading.Thread(target=_feed, args=(script, over))
    feeder.start()
    try:
        _kill_often(rough)
    finally:
        over.set()
        feeder.join()


def _feed(script: Script, over: threading.Event) -> None:
    for act in script.acts():
        act()
        over.wait(BETWEEN_ACTS_S)


def _kill_often(one: Daemon) -> None:
    chance = random.Random(SEED)
    for _ in range(KILLS):
        assert one.process
        try:
            code = one.process.wait(chance.uniform(0.1, LONGEST_LIFE_S))
            pytest.fail(f"ended by itself with {code}: {one.said}")
        except subprocess.TimeoutExpired:
            one.kill()
        one.start()


def _at_rest(one: Daemon) -> bool:
    """Say whether every question is closed for good and every message shows the present state."""
    assert not one.process_ended(), one.said
    with closing(sqlite3.connect(f"file:{one.database}?mode=ro", uri=True)) as db:
        ((waiting,),) = db.execute("SELECT count(*) FROM outbox WHERE state = 'due'").fetchall()
        ((blob,),) = db.execute("SELECT state FROM engine_state").fetchall()
    state = decode(blob)
    assert state is not None
    return not waiting and all(focus.sealed for focus in state.foci)


def _compare(calm: Daemon, rough: Daemon) -> None:
    found = {}
    for one in (calm, rough):
        with closing(Store(one.database, state_format=FORMAT)) as store:
            assert store._rows("PRAGMA integrity_check")[0][0] == "ok"
            incidents = store.incidents()
            found[one] = (
                {i.id: _facts(i) for i in incidents},
                store.signal_counts(),
                {(b.id, b.app): b.count for b in store.benign()},
            )
        assert sorted((i.app, i.cause) for i in incidents) == sorted(EXPECTED)
    assert found[rough] == found[calm]


def _facts(incident: Incident) -> dict[str, Any]:
    """Give what must not depend on how often the daemon had to look."""
    names = (
        "app",
        "cause",
        "verdict",
        "because",
        "state",
        "title",
        "first_seen_s",
        "last_seen_s",
        "occurrences",
        "counts",
        "consequences",
        "timeline",
        "samples_of_log",
    )
    return {name: getattr(incident, name) for name in names}


def _stands_once(one: Daemon, slack: Slack) -> None:
    """Check that Slack shows every incident by one message and one reply, in the words of its last state."""
    with closing(Outbox(one.database, readonly=True)) as outbox:
        shown = {(row.key, row.part): row for row in outbox.rows()}
    messages = slack.messages()
    assert sorted(incident_of(m) for m in messages) == sorted(name for name, part in shown if part == "message")
    for message in messages:
        row = shown[incident_of(message), "message"]
        assert row.incident
        assert as_text(message) == as_text(BLOCK_WORDS.message(row.incident, row.reason))
        (reply,) = slack.replies(message["ts"])
        assert as_text(reply) == as_text(BLOCK_WORDS.thread(row.incident))
    assert slack.violations == []


def _corrected(slack: Slack) -> None:
    (late,) = [message for message in slack.messages() if "late" in as_text(message)[:200]]
    assert "out of memory" in as_text(late)
    assert late["edits"], "the late witness came before the first answer was told: nothing was corrected"
