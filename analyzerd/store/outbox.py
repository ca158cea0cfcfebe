"""The outbox: per sink and incident, what is shown and what is to be shown. Sends nothing, renders nothing.

A row says what to converge to, not what to say, so that days of outage collapse into one send. A claim is not
stored: after a kill the row is simply due again. What is stored, before every first post, is that an attempt
is under way: whoever finds that mark must look whether the message arrived before posting again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzerd.model import Incident, Verified
from analyzerd.store.connection import connect, connect_readonly, transaction, translated
from analyzerd.store.content import decode_incident
from analyzerd.store.ledger import decode

SUMMARY = "summary"

_READY = (
    "FROM outbox AS o LEFT JOIN incidents AS i ON i.id = o.incident "
    "LEFT JOIN verdicts AS v ON 'verdict ' || v.id = o.part "
    "LEFT JOIN outbox AS m ON m.sink = o.sink AND m.incident = o.incident AND m.part = 'message' "
    "AND o.part NOT IN ('message', 'summary') LEFT JOIN sinks AS s ON s.sink = o.sink "
    "WHERE o.state = 'due' AND o.target > o.shown AND (o.part IN ('message', 'summary') OR m.ref != '' "
    # What came of a change is told even where the problem itself was told by a summary alone.
    "OR (v.id IS NOT NULL AND m.state != 'due')) "
)
_WHEN = "max(o.not_before_s, coalesce(s.not_before_s, 0))"
# Summaries, then what nobody has seen (worst first), then edits, the longest unchanged first.
_ORDER = (
    "ORDER BY o.part != 'summary', o.ref != '', o.part, "
    "CASE WHEN o.ref != '' THEN coalesce(o.last_attempt_s, 0) ELSE 0 END, "
    "CASE i.severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, o.queued_s, o.id"
)
_UNSEEN = (
    "SELECT o.sink, o.incident, i.state FROM outbox AS o JOIN incidents AS i ON i.id = o.incident "
    "WHERE o.state = 'due' AND o.part = 'message' AND o.ref = '' AND o.attempting = 0 "
    "AND o.summary IS NULL AND o.after_ref = '' AND min(o.queued_s, i.last_seen_s) <= ? "
    "ORDER BY i.first_seen_s, i.id"
)
_COLUMNS = (
    "o.*, i.content AS content, v.content AS verdict, coalesce(i.reason, '') AS reason, "
    "coalesce(m.ref, '') AS parent_ref"
)
_SAME = (
    "id", "sink", "part", "reason", "target", "shown", "ref", "parent_ref", "shown_key", "after_ref",
    "attempts",     "first_attempt_s", "last_attempt_s", "queued_s", "not_before_s", "state", "why",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One thing a sink has to show. ``ref``: '' until posted; ``parent_ref``: the message of a thread.

    ``in_doubt``: an attempt to post was begun and its outcome is not known.
    ``after_ref``: messages up to this one are lost for editing and must not be adopted.
    ``incident`` is the newest stored content; None for a summary, whose ``members`` are incidents.
    ``verified``: what a part that is a verdict says.
    """

    id: int
    sink: str
    key: str
    part: str
    reason: str
    target: int
    shown: int
    ref: str
    parent_ref: str
    shown_key: str
    after_ref: str
    plain: bool
    in_doubt: bool
    attempts: int
    first_attempt_s: float | None
    last_attempt_s: float | None
    queued_s: float
    not_before_s: float
    state: str
    why: str
    incident: Incident | None
    members: tuple[Incident, ...] = ()
    verified: Verified | None = None


class Outbox:
    """The sender's own connection to the store's file. Every method raises StoreError."""

    def __init__(self, path: Path | str, *, busy_timeout_s: float = 5.0, readonly: bool = False) -> None:
        self._path = Path(path)
        opened = connect_readonly if readonly else connect
        self._db = opened(self._path, busy_timeout_s)

    def claim(self, now_s: float) -> Row | None:
        """Return the row to converge now, with the incident's newest content; None when nothing is due."""
        found = self._select(f"{_READY} AND {_WHEN} <= ? {_ORDER} LIMIT 1", now_s)
        return self._row(found[0]) if found else None

    def next_due_s(self) -> float | None:
        """Return when the next row is due; None when all is shown."""
        with translated(self._path):
            due = self._db.execute(f"SELECT min({_WHEN}) {_READY}").fetchone()[0]
        return None if due is None else float(due)

    def rows(self) -> tuple[Row, ...]:
        """Return every row, for a person to look at."""
        where = (
            "FROM outbox AS o LEFT JOIN incidents AS i ON i.id = o.incident "
            "LEFT JOIN verdicts AS v ON 'verdict ' || v.id = o.part LEFT JOIN outbox AS m "
            "ON m.sink = o.sink AND m.incident = o.incident AND m.part = 'message' "
            "AND o.part NOT IN ('message', 'summary') "
            "ORDER BY o.queued_s, o.id"
        )
        return tuple(self._row(found) for found in self._select(where))

    def any_ref(self, sink: str) -> str:
        """Return the reference of some message shown in this sink, '' when there is none."""
        with translated(self._path):
            query = "SELECT ref FROM outbox WHERE sink = ? AND ref != '' ORDER BY id DESC LIMIT 1"
            found = self._db.execute(query, (sink,)).fetchone()
        return str(found[0]) if found else ""

    def begin(self, row_id: int, now_s: float) -> None:
        """Mark, before the sink is touched, that a post is under way."""
        self._update(
            row_id,
            "attempting = 1, attempts = attempts + 1, last_attempt_s = ?1, "
            "first_attempt_s = coalesce(first_attempt_s, ?1)",
            now_s,
        )

    def done(self, row_id: int, ref: str, revision: int, shown_key: str = "", now_s: float | None = None) -> None:
        """Note that the sink shows ``revision`` at ``ref``; newer content keeps the row due."""
        self._update(
            row_id,
            "ref = ?1, shown = ?2, shown_key = ?3, attempting = 0, attempts = 0, not_before_s = 0, why = '', "
            "last_attempt_s = coalesce(?4, last_attempt_s), "
            "state = CASE WHEN target > ?2 THEN 'due' ELSE 'shown' END",
            ref,
            revision,
            shown_key,
            now_s,
        )

    def retry(self, row_id: int, not_before_s: float, why: str, *, in_doubt: bool = False, plain: bool = False) -> None:
        """Try the row again at ``not_before_s``; ``in_doubt`` keeps the mark that it may have been posted."""
        self._update(
            row_id,
            "not_before_s = ?1, why = ?2, attempting = (attempting AND ?3), plain = max(plain, ?4)",
            not_before_s,
            why,
            in_doubt,
            plain,
        )

    def give_up(self, row_id: int, revision: int, why: str) -> None:
        """Stop trying to show ``revision``; only newer content makes the row due again."""
        self._update(
            row_id,
            "why = ?1, attempting = 0, state = CASE WHEN target > ?2 THEN 'due' ELSE 'given up' END",
            why,
            revision,
        )

    def lost(self, row_id: int) -> None:
        """Note that the shown message is gone or closed: it is to be posted anew, with its thread."""
        fresh = (
            "after_ref = max(after_ref, ref), ref = '', shown = 0, shown_key = '', attempting = 0, "
            "attempts = 0, first_attempt_s = NULL, not_before_s = 0, state = 'due'"
        )
        with transaction(self._db, self._path):
            self._db.execute(
                f"UPDATE outbox SET {fresh} WHERE id = ?1 "  # noqa: S608
                "OR (part NOT IN ('message', 'summary') AND (sink, incident) IN "
                "(SELECT sink, incident FROM outbox WHERE id = ?1 AND part = 'message'))",
                (row_id,),
            )

    def hold(self, sink: str, until_s: float, why: str) -> int:
        """Leave the whole sink alone until ``until_s``; return how many times in a row that happened."""
        with transaction(self._db, self._path):
            found = self._db.execute(
                "INSERT INTO sinks VALUES (?, ?, 1, ?) ON CONFLICT (sink) DO UPDATE SET "
                "not_before_s = excluded.not_before_s, failures = failures + 1, why = excluded.why "
                "RETURNING failures",
                (sink, until_s, why),
            ).fetchone()
            return int(found[0])

    def failures(self, sink: str) -> int:
        """Return how often in a row the sink failed."""
        with translated(self._path):
            found = self._db.execute("SELECT failures FROM sinks WHERE sink = ?", (sink,)).fetchone()
        return int(found[0]) if found else 0

    def release(self, sink: str) -> None:
        """Note that the sink works."""
        if not self.failures(sink):
            return
        with transaction(self._db, self._path):
            self._db.execute("DELETE FROM sinks WHERE sink = ?", (sink,))

    def fold_backlog(self, now_s: float, over: int, late_s: float) -> int:
        """Put incidents nobody has seen into one catch-up summary per sink when more than ``over`` are late.

        Late: queued, or last seen, more than ``late_s`` ago. Those already resolved are told by the summary
        alone; open ones still get their message after it. Returns how many incidents were folded.
        """
        with translated(self._path):
            if not self._backlog(now_s - late_s, over):
                return 0
        with transaction(self._db, self._path):
            backlog = self._backlog(now_s - late_s, over)
            for sink, rows in backlog.items():
                self._fold(sink, rows, now_s)
            return sum(map(len, backlog.values()))

    def _backlog(self, before_s: float, over: int) -> Mapping[str, Sequence[sqlite3.Row]]:
        waiting: dict[str, list[sqlite3.Row]] = {}
        for found in self._db.execute(_UNSEEN, (before_s,)):
            waiting.setdefault(found["sink"], []).append(found)
        return {sink: rows for sink, rows in waiting.items() if len(rows) > over}

    def _fold(self, sink: str, rows: Sequence[sqlite3.Row], now_s: float) -> None:
        number = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM outbox").fetchone()[0]
        members = json.dumps([row["incident"] for row in rows])
        self._db.execute(
            "INSERT INTO outbox (id, sink, incident, part, target, queued_s, members) VALUES (?, ?, ?, ?, 1, ?, ?)",
            (number, sink, f"catch-up-{number}", SUMMARY, now_s, members),
        )
        for row in rows:
            told = row["state"] == "resolved"
            self._db.execute(
                "UPDATE outbox SET summary = ?, state = CASE WHEN ? THEN 'covered' ELSE state END "
                "WHERE sink = ? AND incident = ? AND part IN ('message', 'thread')",
                (number, told, sink, row["incident"]),
            )

    def close(self) -> None:
        """Close the sender's connection."""
        with translated(self._path):
            self._db.close()

    def _update(self, row_id: int, assignments: str, *values: object) -> None:
        with transaction(self._db, self._path):
            query = f"UPDATE outbox SET {assignments} WHERE id = ?{len(values) + 1}"  # noqa: S608
            self._db.execute(query, (*values, row_id))

    def _select(self, tail: str, *values: object) -> list[sqlite3.Row]:
        with translated(self._path):
            return self._db.execute(f"SELECT {_COLUMNS} {tail}", values).fetchall()

    def _row(self, found: sqlite3.Row) -> Row:
        return Row(
            **{name: found[name] for name in _SAME},
            key=found["incident"],
            plain=bool(found["plain"]),
            in_doubt=bool(found["attempting"]),
            incident=decode_incident(found["content"]) if found["content"] else None,
            members=self._members(found["members"]),
            verified=decode(Verified, found["verdict"]) if found["verdict"] else None,
        )

    def _members(self, listed: str) -> tuple[Incident, ...]:
        with translated(self._path):
            found = [
                self._db.execute("SELECT content FROM incidents WHERE id = ?", (name,)).fetchone()
                for name in (json.loads(listed) if listed else ())
            ]
        return tuple(decode_incident(row["content"]) for row in found if row)
