"""The daemon as systemd meets it: it starts, says so, goes on, reloads, stops, and ends loudly when it must."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from analyzerd.sources.filemark import from_position
from tests.world.daemon import Daemon, Manager, daemon, settings
from tests.world.journald import until

pytestmark = pytest.mark.world

STOP_S = 2.0


def file_settings(home: Path, log: Path) -> dict[str, object]:
    """Compose a configuration that follows one gunicorn log."""
    files = [{"path": str(log), "kind": "gunicorn", "unit": "shop.service"}]
    return settings(home, files=files, apps=[{"name": "shop", "units": ["shop.service"]}])


def append(log: Path, *lines: str) -> None:
    """Append whole lines."""
    with log.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def in_use() -> str:
    """Spell what gunicorn prints when another process listens at its address."""
    when = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime())
    return f"[{when}] [5000077] [ERROR] Connection in use: ('127.0.0.1', 8000)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """A stop takes less than two seconds and is no failure."""
    with daemon(tmp_path, settings(tmp_path)) as one:
        began_s = time.monotonic()
        one.signal(number)
        assert one.ended() == 0, one.said
        assert time.monotonic() - began_s < STOP_S


def test_what_was_read_last_is_kept(tmp_path: Path) -> None:
    """A stop commits what was read; the next life goes on from there and tells it once."""
    log = tmp_path / "shop.log"
    log.touch()
    one = Daemon(tmp_path, {**file_settings(tmp_path, log), "timing": {"settle": "4s", "patience": "5s"}})
    try:
        one.start().watching()
        until(lambda: _read_to(one, 0))
        append(log, in_use())
        until(lambda: _read_to(one, log.stat().st_size))
        assert one.stop() == 0
        assert one.status()["open"] == []
        one.start()
        until(lambda: "INC-" in one.printed or one.process_ended(), 10)
        assert [found["cause"] for found in one.status()["open"]] == ["bind-in-use"]
        assert one.stop() == 0
    finally:
        one.kill()


def test_talks_to_systemd(tmp_path: Path) -> None:
    """It says when it is ready, how it is, that it lives, that it reloads and that it stops."""
    with Manager(tmp_path / "notify") as manager:
        one = Daemon(tmp_path, settings(tmp_path)).start(NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="400000")
        try:
            assert "STATUS=" in manager.until("READY=1")
            assert "open incidents" in manager.until("WATCHDOG=1")
            manager.until("WATCHDOG=1")
            one.signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in manager.until("RELOADING=1")
            manager.until("READY=1")
            one.signal(signal.SIGTERM)
            manager.until("STOPPING=1")
            assert one.ended() == 0
        finally:
            one.kill()


def test_a_bad_configuration(tmp_path: Path) -> None:
    """The file, the line and the mend are named, and systemd is told not to try again (78)."""
    one = Daemon(tmp_path, {**settings(tmp_path), "timming": {}}).start()
    assert one.ended() == 78
    assert f"{one.config}:" in one.said
    assert "timing" in one.said
    assert "Traceback" not in one.said


def test_a_bad_configuration_later(tmp_path: Path) -> None:
    """SIGHUP with a broken file is answered in words; the daemon goes on as it was."""
    with daemon(tmp_path, settings(tmp_path)) as one:
        good = one.config.read_text()
        one.config.write_text("state_dir: [")
        one.signal(signal.SIGHUP)
        until(lambda: "stays in force" in one.said)
        one.config.write_text(good.replace("3s", "4s"))
        one.signal(signal.SIGHUP)
        until(lambda: "restart analyzerd" in one.said)
        assert one.stop() == 0


def test_a_second_one_is_refused(tmp_path: Path) -> None:
    """Two daemons never share one state."""
    with daemon(tmp_path, settings(tmp_path)) as one:
        second = Daemon(tmp_path / "second", settings(tmp_path)).start()
        assert second.ended() == 1
        assert "another analyzerd runs" in second.said
        assert one.stop() == 0


def test_a_thread_that_fails_ends_the_process(tmp_path: Path) -> None:
    """When the database cannot be written, one sentence says so and systemd starts anew."""
    log = tmp_path / "shop.log"
    log.touch()
    with daemon(tmp_path, file_settings(tmp_path, log)) as one:
        until(lambda: _read_to(one, 0))
        with closing(sqlite3.connect(one.database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            append(log, in_use())
            assert one.ended(20) == 1
        assert "error: core:" in one.said
        assert "is locked by another process" in one.said
        assert "Traceback" not in one.said


def test_without_slack_it_prints(tmp_path: Path) -> None:
    """Without a token the same message appears on standard output, once."""
    log = tmp_path / "shop.log"
    log.touch()
    with daemon(tmp_path, file_settings(tmp_path, log)) as one:
        until(lambda: _read_to(one, 0))
        append(log, in_use())
        until(lambda: "shop" in one.printed, 10)
        assert one.stop() == 0
        assert one.printed.count("INC-") == 1, one.printed


def _read_to(one: Daemon, offset: int) -> bool:
    """Say whether the checkpoint of the one file stands at ``offset``."""
    with closing(sqlite3.connect(f"file:{one.database}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT position FROM checkpoints WHERE stream LIKE 'file:%'").fetchall()
    return bool(found) and from_position(found[0][0])[-1].offset == offset
