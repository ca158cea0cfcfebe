"""Changes, recommendations, verdicts, half-minutes and commands in the database: plain rows, read and written.

Called inside the store's transaction where it writes. Judges nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from analyzerd.errors import StoreError
from analyzerd.model import (
    Advised,
    Change,
    Command,
    SaveAdvised,
    SaveBucket,
    SaveChange,
    SaveVerified,
    Verified,
)
from analyzerd.store.content import storable

VERDICT = "verdict "
"""A verdict is a part of its incident's delivery: this word and the verdict's id."""
KEEP_BUCKETS_S = 3 * 3600.0
T = TypeVar("T")
Saved = SaveChange | SaveAdvised | SaveVerified | SaveBucket
_ENCODER = msgspec.json.Encoder(order="deterministic")


def save(db: sqlite3.Connection, effect: Saved, sinks: Sequence[str], now_s: float) -> None:
    """Write what an effect says."""
    match effect:
        case SaveChange():
            one = effect.change
            row = (storable(one.app), one.time_s, one.kind, storable(one.what), encoded(one))
            db.execute("INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?)", row)
        case SaveAdvised():
            _save_advised(db, effect)
        case SaveVerified():
            _save_verified(db, effect.verified, sinks, now_s)
        case SaveBucket():
            app, oldest_s = storable(effect.app), effect.time_s - KEEP_BUCKETS_S
            db.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", (app, effect.time_s, effect.content))
            db.execute("DELETE FROM buckets WHERE app = ? AND time_s < ?", (app, oldest_s))


def encoded(value: object) -> bytes:
    """The value as canonical JSON; lone surrogates are replaced."""
    return _ENCODER.encode(_without_surrogates(msgspec.to_builtins(value)))


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    return value


def _save_advised(db: sqlite3.Connection, effect: SaveAdvised) -> None:
    one = effect.advised
    db.execute(
        "INSERT INTO recommendations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "state = excluded.state, saved_s = excluded.saved_s, content = excluded.content",
        (
            one.id, one.incident, storable(one.app), one.cause, storable(one.setting), one.state, one.made_s,
            effect.time_s, encoded(one),
        ),
    )  # fmt: skip


def _save_verified(db: sqlite3.Connection, one: Verified, sinks: Sequence[str], now_s: float) -> None:
    """A verdict is written and queued once: the same one again changes nothing."""
    row = (one.id, one.incident, one.cause, one.outcome.value, one.decided_s, encoded(one))
    if not db.execute("INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", row).rowcount:
        return
    for sink in sinks:
        db.execute(
            "INSERT OR IGNORE INTO outbox (sink, incident, part, target, queued_s) VALUES (?, ?, ?, 1, ?)",
            (sink, one.incident, f"{VERDICT}{one.id}", now_s),
        )


def prune(db: sqlite3.Connection, before_s: float) -> None:
    """Forget what is older."""
    db.execute("DELETE FROM changes WHERE time_s < ?", (before_s,))
    db.execute("DELETE FROM recommendations WHERE saved_s < ?", (before_s,))
    db.execute("DELETE FROM verdicts WHERE decided_s < ?", (before_s,))


def decode(kind: type[T], content: bytes) -> T:
    """Read a stored value. Raises StoreError when it is damaged."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise StoreError(f"a stored {kind.__name__.lower()} cannot be read: {error}") from error


def read(kind: type[T], rows: Sequence[sqlite3.Row]) -> tuple[T, ...]:
    """The values that rows hold. Raises StoreError."""
    return tuple(decode(kind, row["content"]) for row in rows)


class Ledger:
    """What a person may ask of these tables, and what the daemon reads back; mixed into the store."""

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        raise NotImplementedError

    def changes(self, since_s: float = 0.0) -> tuple[Change, ...]:
        """Return changes at or after ``since_s``, oldest first."""
        query = "SELECT content FROM changes WHERE time_s >= ? ORDER BY time_s, app, kind, what"
        return read(Change, self._rows(query, since_s))

    def recommendations(self, state: str = "") -> tuple[Advised, ...]:
        """Return the ledger, the newest last; only those in ``state`` unless ''."""
        query = "SELECT content FROM recommendations WHERE ? IN ('', state) ORDER BY made_s, id"
        return read(Advised, self._rows(query, state))

    def verdicts(self, recommendation: str = "") -> tuple[Verified, ...]:
        """Return verdicts, the newest last; only those on one recommendation unless ''."""
        query = "SELECT content FROM verdicts WHERE ? = '' OR id LIKE ? || '/%' ORDER BY decided_s, id"
        rows = self._rows(query, recommendation, recommendation)
        return read(Verified, rows)

    def buckets(self, since_s: float) -> tuple[tuple[str, bytes], ...]:
        """Return what was measured since then, as the core encoded it: app and half-minute, oldest first."""
        query = "SELECT app, content FROM buckets WHERE time_s >= ? ORDER BY time_s, app"
        return tuple((row["app"], bytes(row["content"])) for row in self._rows(query, since_s))

    def commands(self) -> tuple[tuple[int, Command], ...]:
        """Return what people have asked of the daemon and it has not yet done, with its number."""
        rows = self._rows("SELECT id, content FROM commands ORDER BY id")
        found = read(Command, rows)
        return tuple((row["id"], one) for row, one in zip(rows, found, strict=True))
