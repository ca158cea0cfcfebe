"""The database: real SQLite files."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.errors import StoreError
from analyzerd.model import (
    Benign,
    Blind,
    Checkpoint,
    CountSignals,
    Health,
    SaveBaseline,
    SaveBenign,
    SaveIncident,
    State,
)
from analyzerd.store.db import Store
from analyzerd.store.outbox import Outbox
from tests.made_incidents import HOSTILE, OUT_OF_MEMORY, RESOLVED, UNKNOWN, hostile_incident, numbered, saved


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database goes."""
    return tmp_path / "state.db"


def test_everything_committed_is_there_after_reopening(path: Path) -> None:
    """A step's effects, checkpoints and state come back as they were."""
    store = Store(path)
    counts = CountSignals(7200.0, {("shop", "kernel.oom-kill"): 2})
    spot = Health(5.0, "kernel", "blind", "not in the group", "add it", "shop")
    effects = [
        saved(OUT_OF_MEMORY),
        counts,
        SaveBenign(9.0, Benign("deploy", "shop", 3, "TERM")),
        Blind(spot, open=True),
    ]
    store.commit(effects, [Checkpoint("journal", "s=1")], b"state", 10.0)
    store.commit([counts], [Checkpoint("journal", "s=2")], None, 11.0)
    store.close()
    again = Store(path)
    assert again.incidents() == (OUT_OF_MEMORY,)
    assert again.load_checkpoints() == (Checkpoint("journal", "s=2"),)
    assert again.load_state() == b"state"
    assert again.signal_counts() == {("shop", "kernel.oom-kill"): 4}
    assert again.benign() == (Benign("deploy", "shop", 3, "TERM"),)
    assert again.blind_spots() == (spot,)
    again.commit([Blind(spot, open=False)], [], None, 12.0)
    assert again.blind_spots() == ()


def test_what_is_usual_is_kept_beside_the_state_and_outlives_its_layout(path: Path) -> None:
    """The newest past of each app is there for a program whose state has another shape."""
    store = Store(path, state_format="1")
    for content in (b"old", b"new"):
        store.commit([SaveBaseline(9.0, "shop", content), SaveBaseline(9.0, "api", b"x")], [], b"state", 10.0)
    store.close()
    again = Store(path, state_format="2")
    assert again.baselines() == {"shop": b"new", "api": b"x"}
    again.prune(10.0)
    assert again.baselines() == {}


def test_a_commit_that_fails_leaves_no_trace(path: Path) -> None:
    """Effects, checkpoints and state are one transaction."""
    store = Store(path, sinks=("s",))
    with pytest.raises(StoreError):
        store.commit([saved(OUT_OF_MEMORY)], [Checkpoint("journal", "s=1")], object(), 1.0)  # type: ignore[arg-type]
    assert store.incidents() == ()
    assert store.load_checkpoints() == ()
    assert Outbox(path).claim(2.0) is None


def test_the_same_content_is_queued_once(path: Path) -> None:
    """Committing an unchanged incident again does not make its row due."""
    store, outbox = Store(path, sinks=("s",)), Outbox(path)
    store.commit([saved(OUT_OF_MEMORY)], [], None, 1.0)
    row = outbox.claim(1.0)
    assert row is not None
    outbox.done(row.id, "C/1", row.target)
    store.commit([saved(OUT_OF_MEMORY)], [], None, 2.0)
    due = outbox.claim(2.0)
    assert due is not None
    assert due.part == "thread"


def test_a_state_of_another_layout_is_not_loaded(path: Path) -> None:
    """An engine of another version starts afresh rather than misread."""
    Store(path, state_format="1").commit([], [], b"old", 1.0)
    assert Store(path, state_format="2").load_state() is None


def test_a_newer_database_is_refused_naming_both_versions(path: Path) -> None:
    """A downgrade does not destroy what the newer version wrote."""
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    for opening in (Store, Store.open_readonly):
        with pytest.raises(StoreError, match=r"version 99.*up to 3"):
            opening(path)


def test_the_cli_reads_while_the_daemon_writes(path: Path) -> None:
    """A read-only store sees commits and cannot make one."""
    store = Store(path)
    reader = Store.open_readonly(path)
    store.commit([saved(OUT_OF_MEMORY)], [], None, 1.0)
    assert reader.incidents() == (OUT_OF_MEMORY,)
    with pytest.raises(StoreError, match="read-only"):
        reader.commit([saved(UNKNOWN)], [], None, 2.0)


def test_a_missing_file_and_a_missing_folder_say_so(tmp_path: Path) -> None:
    """The errors name the file and what to do."""
    with pytest.raises(StoreError, match="has not run here yet"):
        Store.open_readonly(tmp_path / "none.db")
    with pytest.raises(StoreError, match="folder exists"):
        Store(tmp_path / "no" / "state.db")


def test_a_damaged_file_says_so(path: Path) -> None:
    """Garbage is not taken for an empty database."""
    path.write_bytes(os.urandom(8192))
    with pytest.raises(StoreError, match="not an analyzerd database"):
        Store(path)
    with pytest.raises(StoreError, match="not an analyzerd database"):
        Store.open_readonly(path)


def test_a_locked_file_says_so(path: Path) -> None:
    """A second writer that never lets go is named."""
    store = Store(path, busy_timeout_s=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.commit([saved(OUT_OF_MEMORY)], [], None, 1.0)
    other.execute("ROLLBACK")
    other.close()
    store.commit([saved(OUT_OF_MEMORY)], [], None, 1.0)
    assert store.incidents() == (OUT_OF_MEMORY,)


def test_a_full_disk_says_so_and_loses_nothing_committed(path: Path) -> None:
    """What was committed before stays readable."""
    store = Store(path)
    store.commit([saved(OUT_OF_MEMORY)], [], None, 1.0)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="disk is full"):
        store.commit([saved(UNKNOWN)], [], b"x" * 1_000_000, 2.0)
    assert store.incidents() == (OUT_OF_MEMORY,)


def test_an_incident_is_found_by_the_start_of_its_id(path: Path) -> None:
    """A person types a few characters; several answers are an error that names them."""
    store = Store(path)
    store.commit([saved(OUT_OF_MEMORY), saved(numbered(1)), saved(numbered(2))], [], None, 1.0)
    assert store.incident("inc-7k") == OUT_OF_MEMORY
    assert store.incident("7KQ2") == OUT_OF_MEMORY
    assert store.incident("ZZZ") is None
    with pytest.raises(StoreError, match=r"several incidents: INC-0000000001, INC-0000000002"):
        store.incident("00000")


def test_open_incidents_are_listed_however_old(path: Path) -> None:
    """A week's view holds what happened in it and what is still open."""
    store = Store(path)
    old = replace(RESOLVED, id="INC-OLD")
    store.commit([saved(UNKNOWN), saved(old), saved(RESOLVED)], [], None, 1.0)
    assert store.incidents(open_only=True) == (UNKNOWN,)
    assert store.incidents(since_s=RESOLVED.last_seen_s + 1) == (UNKNOWN,)
    assert store.prune(RESOLVED.last_seen_s + 1) == 2
    assert store.incidents() == (UNKNOWN,)


def test_hostile_text_is_stored(path: Path) -> None:
    """Lone surrogates and NUL bytes do not stop a commit."""
    store = Store(path)
    store.commit([SaveIncident(hostile_incident(HOSTILE), "opened")], [], None, 1.0)
    assert store.incidents()[0].state is State.OPEN
