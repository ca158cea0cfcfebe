"""A log that may not be read is a named blind spot, with what mends it."""

import grp
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world.logs import append

pytestmark = pytest.mark.world


_AS_NOBODY = """
import os, sys, threading
from analyzerd.model import Health, Lines, Stream
from analyzerd.sources.logfile import LogFileSource
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def emit(batch):
    for item in batch.inputs:
        if isinstance(item, Health):
            print(item.state, item.why, item.mend, sep="|", flush=True)
        else:
            print("data", item.data.decode().strip(), "", sep="|", flush=True)
path = sys.argv[1]
source = LogFileSource([(path, Stream("file:" + path, "nginx.error"))], poll_s=0.05, unwatched_poll_s=0.05)
threading.Thread(target=lambda: (sys.stdin.read(), source.stop())).start()
source.run(emit, ())
"""


@pytest.fixture
def log(open_path: Path) -> Path:
    """Give a log of root's in a directory that everybody may enter."""
    directory = open_path / "nginx"
    directory.mkdir(mode=0o755)
    log = directory / "error.log"
    append(log, "before")
    log.chmod(0o600)
    return log


def _as_nobody(path: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", _AS_NOBODY, str(path)]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_unreadable_until_mended(log: Path) -> None:
    """Blind with the command that helps; once mended, what was written meanwhile is read."""
    with _as_nobody(log) as process:
        assert process.stdout
        state, why, mend = process.stdout.readline().strip().split("|")
        append(log, "meanwhile")
        log.chmod(0o644)
        rest = [process.stdout.readline().strip().split("|")[:2] for _ in range(2)]
        process.communicate()
    assert (state, why) == ("blind", f"no permission to read {log}")
    assert f"setfacl -m u:analyzerd:r {log}" in mend
    assert rest == [["reading", ""], ["data", "meanwhile"]]


def test_group_that_helps(log: Path) -> None:
    """When the file's group may read it, joining that group is the first thing named."""
    log.chmod(0o640)
    os.chown(log, 0, grp.getgrnam("adm").gr_gid)
    with _as_nobody(log) as process:
        assert process.stdout
        mend = process.stdout.readline().split("|")[2]
        process.communicate()
    assert "usermod -aG adm analyzerd" in mend


def test_closed_directory(log: Path) -> None:
    """When a directory on the way is closed, it is named."""
    log.parent.chmod(0o700)
    with _as_nobody(log) as process:
        assert process.stdout
        mend = process.stdout.readline().split("|")[2]
        process.communicate()
    assert f"setfacl -m u:analyzerd:x {log.parent}" in mend
