"""Opens the SQLite file, brings its schema up to date and turns SQLite's errors into StoreError.

Knows no incident. Refuses a file written by a newer version.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from analyzerd.errors import StoreError
from analyzerd.store.migrations import MIGRATIONS

VERSION = len(MIGRATIONS)
_SAYS = (
    ("locked", "is locked by another process: is a second analyzerd running?"),
    ("full", "cannot grow: the disk is full (or a quota is reached); free some space"),
    ("malformed", "is damaged; move it away and start again: logs are read anew from the last day"),
    ("not a database", "is not an analyzerd database; move it away or set another state path"),
    ("readonly", "is read-only for this user; check the owner of the file and its folder"),
    ("unable to open", "cannot be opened; check that its folder exists and belongs to this user"),
    ("disk i/o", "cannot be read or written (disk I/O error); see the kernel log"),
)


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """Say what an SQLite error means for the operator."""
    text = str(error)
    for clue, says in _SAYS:
        if clue in text.lower():
            return StoreError(f"{path} {says} ({text})")
    return StoreError(f"{path}: {text}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise StoreError where the body raises an SQLite error."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(path, error) from error


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Run the body as one write transaction; anything raised inside leaves no trace in the file."""
    with translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def connect(path: Path, busy_timeout_s: float = 5.0) -> sqlite3.Connection:
    """Open for reading and writing, creating the file and its tables when needed. Raises StoreError."""
    with translated(path):
        _create_private(path)
        connection = _configured(sqlite3.connect(path, busy_timeout_s, check_same_thread=False))
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _create_private(path: Path) -> None:
    """Create a new database for its owner alone: it holds what the logs say."""
    with suppress(OSError):  # what stands in the way is told by the connection itself
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def connect_readonly(path: Path, busy_timeout_s: float = 5.0) -> sqlite3.Connection:
    """Open an existing file for reading while another process writes. Raises StoreError."""
    if not path.exists():
        raise StoreError(f"{path} does not exist: analyzerd has not run here yet, or its state is elsewhere")
    try:
        return _readable(path, "mode=ro", busy_timeout_s)
    except sqlite3.OperationalError as error:
        # The -wal and -shm files are gone after a clean stop and this user may not create them.
        if path.with_name(path.name + "-wal").exists():
            raise store_error(path, error) from error
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    with translated(path):
        return _readable(path, "mode=ro&immutable=1", busy_timeout_s)


def _readable(path: Path, options: str, busy_timeout_s: float) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.resolve()))}?{options}"
    connection = sqlite3.connect(uri, busy_timeout_s, uri=True, check_same_thread=False)
    try:
        _refuse_newer(_configured(connection), path)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _configured(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.isolation_level = None
    connection.row_factory = sqlite3.Row
    return connection


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise StoreError(
            f"{path} has schema version {found}, this analyzerd knows up to {VERSION}: "
            "it was written by a newer analyzerd; install that one again or set another state path"
        )
    return found


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _refuse_newer(connection, path) == VERSION:
        return
    with transaction(connection, path):
        for number in range(_refuse_newer(connection, path), VERSION):
            for statement in MIGRATIONS[number].split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number + 1}")
