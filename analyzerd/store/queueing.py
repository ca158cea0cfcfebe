"""Writes what the outbox has to converge to, inside the store's transaction. Sends nothing."""

from __future__ import annotations

import sqlite3

from analyzerd.model import SaveIncident, State

PARTS = ("message", "thread")
"""Every incident is shown as one message and one reply with the evidence in its thread."""


def queue_incident(db: sqlite3.Connection, sink: str, effect: SaveIncident, now_s: float) -> None:
    """Make the sink's rows of this incident due for its new content.

    The target never goes down, even when an engine without memory starts revisions again at 1.
    An incident that a catch-up summary already told as resolved stays told while it is resolved.
    """
    incident = effect.incident
    for part in PARTS:
        db.execute(
            "INSERT INTO outbox (sink, incident, part, target, queued_s) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (sink, incident, part) DO UPDATE SET target = max(target + 1, excluded.target), "
            "state = CASE WHEN state = 'covered' AND ? THEN 'covered' ELSE 'due' END, "
            "not_before_s = 0, why = '', plain = 0, "
            "queued_s = CASE WHEN state = 'due' THEN queued_s ELSE excluded.queued_s END",
            (sink, incident.id, part, incident.revision, now_s, incident.state is State.RESOLVED),
        )
    if effect.reason == "merged":
        _forget_unsent(db, sink, incident.id)


def _forget_unsent(db: sqlite3.Connection, sink: str, incident: str) -> None:
    """Never announce an incident that turned out to be part of another before anyone saw it."""
    db.execute(
        "UPDATE outbox SET state = 'dropped', why = 'merged before it was shown' "
        "WHERE sink = ?1 AND incident = ?2 AND NOT EXISTS (SELECT 1 FROM outbox WHERE sink = ?1 "
        "AND incident = ?2 AND part = 'message' AND (ref != '' OR attempting = 1))",
        (sink, incident),
    )
