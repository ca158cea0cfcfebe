"""What cannot be read is said, with the mend; everything else goes on, and nothing that was read is lost."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psutil
import pytest

from analyzerd.store.db import Store
from tests.world.daemon import daemon, settings
from tests.world.journald import Journald, until

pytestmark = pytest.mark.world

READY = "[2026-11-23 07:20:26 +0000] [5000077] [INFO] Handling signal: ttin\n"
NOISE = "GET /a/path/that/means/nothing 200 and some words to fill the line up to a hundred characters .....\n"


def counted(database: Path, rule: str) -> int:
    """Tell how often a rule matched so far."""
    with closing(Store.open_readonly(database)) as store:
        return sum(n for (_, name), n in store.signal_counts().items() if name == rule)


def checkpoints(database: Path) -> int:
    """Tell how many sources have said where they stand."""
    with closing(Store.open_readonly(database)) as store:
        return len(store.load_checkpoints())


def test_missing_things_are_blind_spots(tmp_path: Path) -> None:
    """No journal and no log file: the daemon runs, names both with a mend, and reads what appears later."""
    log = tmp_path / "later.log"
    files = [{"path": str(log), "kind": "gunicorn", "unit": "shop.service"}]
    journal = {"path": str(tmp_path / "no-journal"), "units": ["shop.service"]}
    with daemon(tmp_path, settings(tmp_path, files=files, journal=journal)) as one:
        until(lambda: {"gunicorn", "systemd", "kernel"} <= one.blind().keys(), 10)
        assert all(spot["why"] for spot in one.blind().values())
        assert any("no-journal" in spot["why"] for spot in one.blind().values())
        assert any(spot["mend"] for spot in one.blind().values())
        log.write_text(READY)
        until(lambda: counted(one.database, "gunicorn.signal-received") == 1, 10)
        assert "not seen: systemd" in one.ctl("status")
        assert one.stop() == 0


def test_a_blind_spot_closes(tmp_path: Path, journald: Journald) -> None:
    """When the file appears its blind spot goes; after a restart with another configuration the rest goes too."""
    log = tmp_path / "later.log"
    files = [{"path": str(log), "kind": "nginx.error", "unit": "nginx.service"}]
    journal = {"path": str(tmp_path / "no-journal")}
    with daemon(tmp_path, settings(tmp_path, files=files, journal=journal)) as one:
        until(lambda: {"nginx.error", "kernel"} <= one.blind().keys(), 10)
        log.touch()
        until(lambda: "nginx.error" not in one.blind(), 10)
        assert one.stop() == 0
    journal = {"path": str(journald.directory), "units": ["shop.service"]}
    with daemon(tmp_path, settings(tmp_path, files=files, journal=journal)) as one:
        until(lambda: not one.blind(), 10)
        assert one.stop() == 0


def test_readers_wait_for_the_engine(tmp_path: Path) -> None:
    """Far more text than the inbox holds, written at once, arrives whole."""
    log = tmp_path / "shop.log"
    log.touch()
    files = [{"path": str(log), "kind": "gunicorn", "unit": "shop.service"}]
    with daemon(tmp_path, settings(tmp_path, files=files)) as one:
        until(lambda: checkpoints(one.database))
        with log.open("a") as file:
            for _ in range(300):
                file.write(READY + NOISE * 2000)
        until(lambda: counted(one.database, "gunicorn.signal-received") >= 300, 30)
        assert one.process
        print(f"after 60 MB at once: {psutil.Process(one.process.pid).memory_info().rss / 1e6:.0f} MB resident")
        assert one.stop() == 0
    assert counted(one.database, "gunicorn.signal-received") == 300


def test_idle(tmp_path: Path, journald: Journald) -> None:
    """An idle daemon that samples keeps still; what it takes is printed."""
    journal = {"path": str(journald.directory), "units": ["shop.service"]}
    with daemon(tmp_path, settings(tmp_path, journal=journal, sampling={"interval": "5s"})) as one:
        assert one.process
        process = psutil.Process(one.process.pid)
        process.cpu_percent()
        with pytest.raises(psutil.TimeoutExpired):
            process.wait(10)
        used, resident_bytes = process.cpu_percent(), process.memory_info().rss
        print(f"idle: {used:.2f} % of a core, {resident_bytes / 1e6:.0f} MB resident")
        assert used < 10
        assert one.stop() == 0
