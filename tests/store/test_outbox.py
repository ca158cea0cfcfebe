"""The outbox's rows: what is due, in which order, and what survives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.model import State
from analyzerd.store.db import Store
from analyzerd.store.outbox import Outbox, Row
from tests.made_incidents import OUT_OF_MEMORY, START_S, UNKNOWN, numbered, saved


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database goes."""
    return tmp_path / "state.db"


def claimed(outbox: Outbox, now_s: float) -> Row:
    """Claim a row that has to be there."""
    row = outbox.claim(now_s)
    assert row is not None
    return row


def test_only_the_newest_revision_is_sent(path: Path) -> None:
    """Three changes during an outage are one row with the last content."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    for revision in (1, 2, 3):
        store.commit([saved(numbered(1, revision=revision))], [], None, float(revision))
    row = claimed(outbox, 9.0)
    assert (row.target, row.incident) == (3, numbered(1, revision=3))
    outbox.done(row.id, "C/1", 3)
    assert claimed(outbox, 9.0).part == "thread"


def test_newer_content_during_a_send_keeps_the_row_due(path: Path) -> None:
    """What was committed between claim and done is sent next."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    store.commit([saved(numbered(1))], [], None, 1.0)
    row = claimed(outbox, 1.0)
    outbox.begin(row.id, 1.0)
    store.commit([saved(numbered(1, revision=2))], [], None, 2.0)
    outbox.done(row.id, "C/1", row.target)
    messages = [one for one in outbox.rows() if one.part == "message"]
    assert [(one.state, one.shown, one.target) for one in messages] == [("due", 1, 2)]


def test_revisions_that_start_again_still_grow_here(path: Path) -> None:
    """An engine that lost its memory cannot make the outbox believe all is shown."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    store.commit([saved(numbered(1, revision=9))], [], None, 1.0)
    row = claimed(outbox, 1.0)
    outbox.done(row.id, "C/1", row.target)
    store.commit([saved(numbered(1, revision=1))], [], None, 2.0)
    assert {(one.part, one.target) for one in outbox.rows()} == {("message", 10), ("thread", 10)}


def test_a_claim_is_not_stored_but_an_attempt_is(path: Path) -> None:
    """After a kill the row is due again and says that it may have been posted."""
    Store(path, sinks=("s",)).commit([saved(UNKNOWN)], [], None, 1.0)
    first = Outbox(path)
    first.begin(claimed(first, 5.0).id, 5.0)
    row = claimed(Outbox(path), 6.0)
    assert (row.in_doubt, row.first_attempt_s, row.attempts) == (True, 5.0, 1)


def test_a_thread_waits_for_its_message(path: Path) -> None:
    """The evidence cannot be posted before there is a message to hang it on."""
    Store(path, sinks=("s",)).commit([saved(UNKNOWN)], [], None, 1.0)
    outbox = Outbox(path)
    row = claimed(outbox, 1.0)
    outbox.give_up(row.id, row.target, "refused")
    assert outbox.claim(2.0) is None
    assert outbox.next_due_s() is None


def test_what_nobody_has_seen_goes_first_worst_first(path: Path) -> None:
    """A critical incident is not queued behind edits or lesser ones."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    store.commit([saved(UNKNOWN)], [], None, 1.0)
    for _ in range(2):
        row = claimed(outbox, 1.0)
        outbox.done(row.id, "C/1", row.target)
    lesser = replace(numbered(3), severity=UNKNOWN.severity)
    again = replace(UNKNOWN, occurrences=2, revision=2)
    store.commit([saved(again), saved(lesser), saved(OUT_OF_MEMORY)], [], None, 2.0)
    order = []
    while row := outbox.claim(3.0):
        outbox.done(row.id, row.ref or "C/2", row.target)
        order.append((row.key, row.part))
    assert [key for key, _ in order[:2]] == [OUT_OF_MEMORY.id, lesser.id]
    assert [key for key, _ in order[-2:]] == [UNKNOWN.id, UNKNOWN.id]


def test_an_incident_merged_before_it_was_shown_is_never_shown(path: Path) -> None:
    """A 502 burst that turned out to be part of an OOM kill does not post itself."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    store.commit([saved(UNKNOWN)], [], None, 1.0)
    store.commit([saved(replace(UNKNOWN, resolution="INC-X", revision=2), "merged")], [], None, 2.0)
    assert outbox.claim(3.0) is None


def test_an_incident_merged_after_it_was_shown_is_edited(path: Path) -> None:
    """The message that is there says where it belongs; one that may be there as well."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    store.commit([saved(UNKNOWN)], [], None, 1.0)
    outbox.begin(claimed(outbox, 1.0).id, 1.0)
    store.commit([saved(replace(UNKNOWN, resolution="INC-X", revision=2), "merged")], [], None, 2.0)
    row = claimed(outbox, 3.0)
    assert (row.reason, row.in_doubt) == ("merged", True)


def test_a_held_sink_rests_and_the_others_go_on(path: Path) -> None:
    """Retry-After of one channel survives a restart and does not delay another."""
    Store(path, sinks=("a", "b")).commit([saved(UNKNOWN)], [], None, 1.0)
    outbox = Outbox(path)
    assert [outbox.hold("a", 30.0, "429") for _ in range(2)] == [1, 2]
    outbox.close()
    outbox = Outbox(path)
    row = claimed(outbox, 2.0)
    assert row.sink == "b"
    outbox.give_up(row.id, row.target, "x")
    assert outbox.next_due_s() == 30.0
    outbox.release("a")
    assert claimed(outbox, 2.0).sink == "a"


def test_a_backlog_becomes_one_summary(path: Path) -> None:
    """Over five late: one summary; what is over is told there alone, what is open follows."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    many = [numbered(n, state=State.RESOLVED if n < 5 else State.OPEN) for n in range(7)]
    store.commit([saved(one) for one in many], [], None, START_S)
    assert outbox.fold_backlog(START_S + 10, 5, 300) == 0
    assert outbox.fold_backlog(START_S + 301, 5, 300) == 7
    assert outbox.fold_backlog(START_S + 302, 5, 300) == 0
    row = claimed(outbox, START_S + 302)
    assert (row.part, {one.id for one in row.members}) == ("summary", {one.id for one in many})
    outbox.done(row.id, "C/1", row.target)
    assert {claimed(outbox, START_S + 302).key for _ in range(1)} <= {many[5].id, many[6].id}
    assert {one.key for one in outbox.rows() if one.state == "covered"} == {one.id for one in many[:5]}
    store.commit([saved(replace(many[0], occurrences=9)), saved(numbered(1, revision=2))], [], None, START_S + 400)
    states = {(one.key, one.state) for one in outbox.rows() if one.part == "message"}
    assert (many[0].id, "covered") in states
    assert (many[1].id, "due") in states


def test_five_late_are_no_backlog(path: Path) -> None:
    """The number is the limit, not the first over it."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    store.commit([saved(numbered(n)) for n in range(5)], [], None, START_S)
    assert outbox.fold_backlog(START_S + 999, 5, 300) == 0
