"""Files changed on disk: whole at every point where the process may be killed, and back to the byte."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analyzerd.cli.applying import APPLIED, MARK, UNDONE, accept, apply, no_step, plans, recover, undo
from analyzerd.core.edits import Edit
from analyzerd.errors import AnalyzerdError

OLD, NEW, DROP_IN = b"timeout = 30\r\n# \xc3\xa4", b"timeout = 60\r\n# \xc3\xa4", b"[Service]\nTimeoutStopSec=65\n"
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.cli.test_applying import change
left = int(sys.argv[2])
def step(name):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
change(Path(sys.argv[1]), step, sys.argv[3])
"""


def edits(folder: Path) -> list[Edit]:
    """Return a change of one file and one that is not there yet."""
    return [
        Edit(str(folder / "gunicorn.conf.py"), OLD, NEW),
        Edit(str(folder / "shop.service.d/x.conf"), None, DROP_IN),
    ]


def change(folder: Path, step: object, what: str = "apply") -> None:
    """Apply the change, or apply it and take it back, stepping through the last part only."""
    home = folder / "applied"
    plan = apply(home, "REC-A", edits(folder), 1.0, {}, step if what == "apply" else no_step)
    accept(home, plan, step if what == "apply" else no_step)
    if what == "undo":
        undo(home, plan, step)


def state(folder: Path) -> tuple[bytes, bytes | None]:
    """Read both files."""
    other = folder / "shop.service.d/x.conf"
    return (folder / "gunicorn.conf.py").read_bytes(), other.read_bytes() if other.exists() else None


def fresh(folder: Path) -> Path:
    """Make a folder with the old file in it."""
    folder.mkdir()
    (folder / "gunicorn.conf.py").write_bytes(OLD)
    return folder


@pytest.mark.parametrize("what", ["apply", "undo"])
def test_a_kill_at_any_point_leaves_whole_files_and_the_next_call_says_which(what: str, tmp_path: Path) -> None:
    """Killed before each step in turn: no file is half, and afterwards all are old, or all new."""
    ends = set()
    for at in range(100):
        folder = fresh(tmp_path / str(at))
        command = [sys.executable, "-c", KILLED, str(folder), str(at), what]
        done = subprocess.run(
            command, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
        )
        assert done.returncode in (0, -9), done.stderr
        found = state(folder)
        assert found[0] in (OLD, NEW)
        assert found[1] in (None, DROP_IN)
        said = list(recover(folder / "applied", no_step))
        for place, content, new in (("gunicorn.conf.py", found[0], NEW), ("x.conf", found[1], DROP_IN)):
            word = "was the new file" if content == new else "was the old file"
            assert not said or any(place in line and word in line for line in said)
        assert state(folder) in ((OLD, None), (NEW, DROP_IN))
        assert not list(folder.rglob(f"*{MARK}"))
        assert list(recover(folder / "applied", no_step)) == []
        ends.add(state(folder))
        if done.returncode == 0:
            break
    assert at > 5
    assert done.returncode == 0
    assert ends == {(OLD, None), (NEW, DROP_IN)}


def test_owner_mode_links_and_attributes_stay(tmp_path: Path) -> None:
    """The file behind a link is replaced, the link stays, and the new file looks like the old one."""
    folder = fresh(tmp_path / "a")
    place, target = folder / "gunicorn.conf.py", folder / "real.py"
    place.rename(target)
    place.symlink_to("real.py")
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 12, 34)
    with contextlib.suppress(OSError):
        os.setxattr(target, "user.note", b"kept")
    was = target.stat()
    change(folder, no_step)
    now = target.stat()
    assert place.is_symlink()
    assert target.read_bytes() == NEW
    assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
    assert os.listxattr(target) == ["user.note"] or not os.listxattr(target)


def test_a_file_that_changed_since_is_refused_both_ways(tmp_path: Path) -> None:
    """Neither applying nor taking back writes over what somebody else wrote; nothing else is touched."""
    folder = fresh(tmp_path / "a")
    (folder / "gunicorn.conf.py").write_bytes(b"timeout = 31\n")
    with pytest.raises(AnalyzerdError, match="was changed since"):
        change(folder, no_step)
    assert state(folder) == (b"timeout = 31\n", None)
    (folder / "gunicorn.conf.py").write_bytes(OLD)
    change(folder, no_step)
    (folder / "gunicorn.conf.py").write_bytes(b"mine\n")
    plan = next(plans(folder / "applied"))
    assert plan.phase == APPLIED
    with pytest.raises(AnalyzerdError, match="was changed since"):
        undo(folder / "applied", plan, no_step)
    assert state(folder) == (b"mine\n", DROP_IN)


def test_what_cannot_be_written_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """A failure at the second file takes the first one back."""
    folder = fresh(tmp_path / "a")
    (folder / "shop.service.d").write_text("a file where a folder has to be")
    with pytest.raises(AnalyzerdError, match="nothing was changed"):
        change(folder, no_step)
    assert (folder / "gunicorn.conf.py").read_bytes() == OLD


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    """Another name of the file would keep the old content."""
    folder = fresh(tmp_path / "a")
    os.link(folder / "gunicorn.conf.py", folder / "other")
    with pytest.raises(AnalyzerdError, match="hard links"):
        change(folder, no_step)
    assert state(folder) == (OLD, None)
    assert next(plans(folder / "applied")).phase == UNDONE
