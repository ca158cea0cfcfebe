"""What stands between the reader and the journal is said, with what mends it, and tried again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analyzerd.errors import SourceError
from analyzerd.sources.journal import JournalSource, read_all
from tests.world.collected import Collected
from tests.world.journald import Journald

pytestmark = pytest.mark.world

_AS_NOBODY = """
import os, sys
from analyzerd.sources.journal import JournalSource
from analyzerd.sources import Stopped
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def emit(batch):
    for health in batch.inputs:
        print(health.state, health.why, health.mend, sep="|", flush=True)
    raise Stopped
JournalSource(["app.service"], path=sys.argv[1]).run(emit, ())
"""


def test_no_journal_yet(own_journald: Journald, tmp_path: Path) -> None:
    """Blind while there is no journal; once it appears, what was written meanwhile is read."""
    place = tmp_path / "journal"
    with Collected(JournalSource(["app.service"], path=str(place), retry_s=0.05)) as seen:
        seen.until(lambda: seen.said("blind"))
        own_journald.say("app.service", "meanwhile")
        place.mkdir()
        shutil.copy(own_journald.directory / "system.journal", tmp_path / "copy")
        (tmp_path / "copy").rename(place / "system.journal")
        seen.until(lambda: seen.messages)
    assert [health.state for health in seen.health] == ["blind"] * 3 + ["reading"] * 3
    blind = seen.said("blind")
    assert {health.source for health in blind} == {"gunicorn", "kernel", "systemd"}
    assert str(place) in blind[0].why
    assert "systemd-journald" in blind[0].mend
    assert seen.messages == [b"meanwhile"]


def test_no_permission(open_path: Path) -> None:
    """A user outside the group is told which group to join."""
    place = open_path / "journal"
    place.mkdir(mode=0o755)
    (place / "system.journal").write_bytes(b"")
    (place / "system.journal").chmod(0o600)
    program = [sys.executable, "-c", _AS_NOBODY, str(place)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=True)
    state, why, mend = done.stdout.splitlines()[0].split("|")
    assert state == "blind"
    assert "permission" in why
    assert "systemd-journal" in mend


def test_reading_once_says_it(tmp_path: Path) -> None:
    """Reading a stretch once raises, with the mend in the sentence."""
    with pytest.raises(SourceError, match=r"no journal.*systemd-journald"):
        list(read_all(str(tmp_path)))


def test_machine_without_libsystemd(tmp_path: Path) -> None:
    """Without the binding the other sources go on; the sentence says what to install."""
    (tmp_path / "system.journal").write_bytes(b"")
    program = f"""
import sys
sys.modules["systemd"] = None
from analyzerd.errors import SourceError
from analyzerd.sources.journal import read_all
try:
    list(read_all({str(tmp_path)!r}))
except SourceError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert "python3-systemd" in done.stdout
