"""The schema, as the list of steps that made it. Steps are only ever appended, never edited.

A statement must not contain a semicolon of its own. The file's version is the number of steps applied.
"""

from __future__ import annotations

_FIRST = """
CREATE TABLE incidents (
  id TEXT PRIMARY KEY, app TEXT NOT NULL, cause TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL,
  first_seen_s REAL NOT NULL, last_seen_s REAL NOT NULL, revision INTEGER NOT NULL, reason TEXT NOT NULL,
  saved_s REAL NOT NULL, content BLOB NOT NULL
) STRICT;
CREATE INDEX incidents_by_time ON incidents (last_seen_s);
CREATE TABLE signal_counts (
  app TEXT NOT NULL, rule TEXT NOT NULL, hour_s INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (app, rule, hour_s)
) STRICT, WITHOUT ROWID;
CREATE TABLE benign (
  id TEXT NOT NULL, app TEXT NOT NULL, count INTEGER NOT NULL, because TEXT NOT NULL,
  first_s REAL NOT NULL, last_s REAL NOT NULL, PRIMARY KEY (id, app)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (stream TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT;
CREATE TABLE engine_state (
  one INTEGER PRIMARY KEY CHECK (one = 1), format TEXT NOT NULL, state BLOB NOT NULL
) STRICT;
CREATE TABLE blind_spots (
  source TEXT NOT NULL, unit TEXT NOT NULL, why TEXT NOT NULL, mend TEXT NOT NULL, since_s REAL NOT NULL,
  PRIMARY KEY (source, unit)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, sink TEXT NOT NULL, incident TEXT NOT NULL, part TEXT NOT NULL,
  target INTEGER NOT NULL, shown INTEGER NOT NULL DEFAULT 0, ref TEXT NOT NULL DEFAULT '',
  shown_key TEXT NOT NULL DEFAULT '', after_ref TEXT NOT NULL DEFAULT '', plain INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'due', attempts INTEGER NOT NULL DEFAULT 0,
  attempting INTEGER NOT NULL DEFAULT 0,
  first_attempt_s REAL, last_attempt_s REAL, queued_s REAL NOT NULL, not_before_s REAL NOT NULL DEFAULT 0,
  why TEXT NOT NULL DEFAULT '', summary INTEGER, members TEXT NOT NULL DEFAULT '',
  UNIQUE (sink, incident, part)
) STRICT;
CREATE INDEX outbox_by_state ON outbox (state, not_before_s);
CREATE TABLE sinks (
  sink TEXT PRIMARY KEY, not_before_s REAL NOT NULL, failures INTEGER NOT NULL, why TEXT NOT NULL
) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT
"""

_BASELINES = """
CREATE TABLE baselines (app TEXT PRIMARY KEY, saved_s REAL NOT NULL, content BLOB NOT NULL) STRICT
"""

_LEDGER = """
CREATE TABLE changes (
  app TEXT NOT NULL, time_s REAL NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL, content BLOB NOT NULL,
  PRIMARY KEY (time_s, app, kind, what)
) STRICT, WITHOUT ROWID;
CREATE TABLE recommendations (
  id TEXT PRIMARY KEY, incident TEXT NOT NULL, app TEXT NOT NULL, cause TEXT NOT NULL, setting TEXT NOT NULL,
  state TEXT NOT NULL, made_s REAL NOT NULL, saved_s REAL NOT NULL, content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE verdicts (
  id TEXT PRIMARY KEY, incident TEXT NOT NULL, cause TEXT NOT NULL, outcome TEXT NOT NULL, decided_s REAL NOT NULL,
  content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE buckets (
  app TEXT NOT NULL, time_s REAL NOT NULL, content BLOB NOT NULL, PRIMARY KEY (app, time_s)
) STRICT, WITHOUT ROWID;
CREATE TABLE commands (
  id INTEGER PRIMARY KEY, time_s REAL NOT NULL, content BLOB NOT NULL
) STRICT
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _BASELINES, _LEDGER)
