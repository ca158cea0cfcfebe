"""The database: what the engine concluded and how far the sources were read, in one transaction per batch.

One writer (the core thread); readers may open the file beside it. Sends nothing: it only queues.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from analyzerd.errors import StoreError
from analyzerd.model import (
    Benign,
    Blind,
    Checkpoint,
    Command,
    CountSignals,
    Effect,
    Health,
    Incident,
    SaveAdvised,
    SaveBaseline,
    SaveBenign,
    SaveBucket,
    SaveChange,
    SaveIncident,
    SaveVerified,
)
from analyzerd.store import ledger
from analyzerd.store.connection import connect, connect_readonly, transaction, translated
from analyzerd.store.content import decode_incident, encode_incident, storable
from analyzerd.store.queueing import queue_incident

_PRUNE_INCIDENTS = (
    "DELETE FROM incidents WHERE state = 'resolved' AND last_seen_s < ? "
    "AND id NOT IN (SELECT incident FROM outbox WHERE state = 'due')"
)


class Store(ledger.Ledger):
    """The open database. Every method raises StoreError when the file cannot be used."""

    def __init__(
        self,
        path: Path | str,
        *,
        sinks: Sequence[str] = (),
        state_format: str = "1",
        busy_timeout_s: float = 5.0,
        connection: sqlite3.Connection | None = None,
    ) -> None:
        """Open or create ``path``. Changed incidents are queued for each of ``sinks``.

        ``state_format`` names the layout of the engine's state: a state of another layout is not loaded.
        """
        self._path = Path(path)
        self._sinks, self._state_format = tuple(sinks), state_format
        self._db = connection or connect(self._path, busy_timeout_s)

    @classmethod
    def open_readonly(cls, path: Path | str, busy_timeout_s: float = 5.0) -> Store:
        """Open for reading while the daemon runs; commit() raises StoreError."""
        return cls(path, connection=connect_readonly(Path(path), busy_timeout_s))

    def commit(
        self,
        effects: Sequence[Effect],
        checkpoints: Sequence[Checkpoint],
        state: bytes | None,
        now_s: float,
        done: Sequence[int] = (),
    ) -> None:
        """Save a step's effects, the checkpoints that became true and the engine's state: all or nothing.

        An incident whose content is already stored changes nothing and is not queued again. ``done``: numbers of
        the commands that were carried out.
        """
        with transaction(self._db, self._path):
            for effect in effects:
                self._save(effect, now_s)
            self._db.executemany(
                "INSERT INTO checkpoints VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET position = excluded.position",
                [(point.stream, point.position) for point in checkpoints],
            )
            self._db.executemany("DELETE FROM commands WHERE id = ?", [(number,) for number in done])
            if state is not None:
                self._db.execute("INSERT OR REPLACE INTO engine_state VALUES (1, ?, ?)", (self._state_format, state))

    def _save(self, effect: Effect, now_s: float) -> None:
        match effect:
            case SaveIncident():
                self._save_incident(effect, now_s)
            case CountSignals():
                self._count(effect)
            case SaveBenign():
                self._save_benign(effect)
            case Blind():
                self._save_blind(effect)
            case SaveBaseline():
                row = (storable(effect.app), effect.time_s, effect.content)
                self._db.execute("INSERT OR REPLACE INTO baselines VALUES (?, ?, ?)", row)
            case SaveChange() | SaveAdvised() | SaveVerified() | SaveBucket():
                ledger.save(self._db, effect, self._sinks, now_s)

    def _save_incident(self, effect: SaveIncident, now_s: float) -> None:
        incident, content = effect.incident, encode_incident(effect.incident)
        found = self._db.execute("SELECT content FROM incidents WHERE id = ?", (incident.id,)).fetchone()
        if found and found["content"] == content:
            return
        self._db.execute(
            "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                incident.id, storable(incident.app), storable(incident.cause),
                incident.severity.value, incident.state.value,
                incident.first_seen_s, incident.last_seen_s, incident.revision, effect.reason, now_s, content,
            ),
        )  # fmt: skip
        for sink in self._sinks:
            queue_incident(self._db, sink, effect, now_s)

    def _count(self, effect: CountSignals) -> None:
        hour_s = int(effect.time_s // 3600) * 3600
        self._db.executemany(
            "INSERT INTO signal_counts VALUES (?, ?, ?, ?) "
            "ON CONFLICT (app, rule, hour_s) DO UPDATE SET n = n + excluded.n",
            [(storable(app), rule, hour_s, n) for (app, rule), n in effect.counts.items()],
        )

    def _save_benign(self, effect: SaveBenign) -> None:
        seen = effect.benign
        self._db.execute(
            "INSERT INTO benign VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id, app) DO UPDATE SET "
            "count = excluded.count, because = excluded.because, last_s = excluded.last_s",
            (seen.id, storable(seen.app), seen.count, storable(seen.because), effect.time_s, effect.time_s),
        )

    def _save_blind(self, effect: Blind) -> None:
        spot = effect.health
        if not effect.open:
            gone = "DELETE FROM blind_spots WHERE source = ? AND unit = ?"
            self._db.execute(gone, (spot.source, storable(spot.unit)))
            return
        self._db.execute(
            "INSERT INTO blind_spots VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (source, unit) DO UPDATE SET why = excluded.why, mend = excluded.mend",
            (spot.source, storable(spot.unit), storable(spot.why), storable(spot.mend), spot.time_s),
        )

    def ask(self, command: Command) -> None:
        """Leave a command for the daemon, which reads them every second."""
        with transaction(self._db, self._path):
            row = (command.time_s, ledger.encoded(command))
            self._db.execute("INSERT INTO commands (time_s, content) VALUES (?, ?)", row)

    def prune(self, before_s: float) -> int:
        """Forget resolved incidents last seen before ``before_s`` and older counts; return how many."""
        with transaction(self._db, self._path):
            gone = self._db.execute(_PRUNE_INCIDENTS, (before_s,))
            self._db.execute("DELETE FROM outbox WHERE state != 'due' AND incident NOT IN (SELECT id FROM incidents)")
            self._db.execute("DELETE FROM signal_counts WHERE hour_s < ?", (before_s,))
            self._db.execute("DELETE FROM benign WHERE last_s < ?", (before_s,))
            self._db.execute("DELETE FROM baselines WHERE saved_s < ?", (before_s,))
            ledger.prune(self._db, before_s)
            return gone.rowcount

    def load_checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return where each source is to be resumed."""
        rows = self._rows("SELECT stream, position FROM checkpoints ORDER BY stream")
        return tuple(Checkpoint(row["stream"], row["position"]) for row in rows)

    def load_state(self) -> bytes | None:
        """Return the engine's state, or None when there is none or its layout is another one."""
        rows = self._rows("SELECT state FROM engine_state WHERE format = ?", self._state_format)
        return bytes(rows[0]["state"]) if rows else None

    def baselines(self) -> Mapping[str, bytes]:
        """Return what was saved of each app's past."""
        return {row["app"]: bytes(row["content"]) for row in self._rows("SELECT app, content FROM baselines")}

    def incidents(self, *, open_only: bool = False, since_s: float = 0.0) -> tuple[Incident, ...]:
        """Return incidents last seen at or after ``since_s`` (open ones always), oldest first."""
        rows = self._rows(
            "SELECT content FROM incidents WHERE state = 'open' OR (? = 0 AND last_seen_s >= ?) "
            "ORDER BY first_seen_s, id",
            int(open_only),
            since_s,
        )
        return tuple(decode_incident(row["content"]) for row in rows)

    def incident(self, prefix: str) -> Incident | None:
        """Return the incident whose id starts with ``prefix``; None when there is none.

        Raises StoreError when several do.
        """
        prefix = prefix.upper() if prefix.upper().startswith("INC-") else f"INC-{prefix.upper()}"
        query = "SELECT id, content FROM incidents WHERE substr(id, 1, ?) = ? LIMIT 5"
        rows = self._rows(query, len(prefix), prefix)
        if len(rows) > 1:
            raise StoreError(f"{prefix} means several incidents: {', '.join(row['id'] for row in rows)}")
        return decode_incident(rows[0]["content"]) if rows else None

    def signal_counts(self, since_s: float = 0.0) -> Mapping[tuple[str, str], int]:
        """Return how often each rule matched per (app, rule), from the hour that holds ``since_s`` on."""
        rows = self._rows(
            "SELECT app, rule, sum(n) AS n FROM signal_counts WHERE hour_s > ? - 3600 "
            "GROUP BY app, rule ORDER BY app, rule",
            since_s,
        )
        return {(row["app"], row["rule"]): row["n"] for row in rows}

    def benign(self, since_s: float = 0.0) -> tuple[Benign, ...]:
        """Return benign findings last seen at or after ``since_s``."""
        rows = self._rows("SELECT * FROM benign WHERE last_s >= ? ORDER BY app, id", since_s)
        return tuple(Benign(row["id"], row["app"], row["count"], row["because"]) for row in rows)

    def blind_spots(self) -> tuple[Health, ...]:
        """Return what cannot be seen now; ``time_s`` is since when."""
        rows = self._rows("SELECT * FROM blind_spots ORDER BY since_s, source, unit")
        return tuple(
            Health(row["since_s"], row["source"], "blind", row["why"], row["mend"], row["unit"]) for row in rows
        )

    def meta(self, key: str) -> str:
        """Return a small remembered value, '' when there is none."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0]["value"]) if rows else ""

    def set_meta(self, key: str, value: str) -> None:
        """Remember a small value."""
        with transaction(self._db, self._path):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def close(self) -> None:
        """Close the file; the last writer folds the WAL back into it."""
        with translated(self._path):
            self._db.close()

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with translated(self._path):
            return self._db.execute(query, values).fetchall()
