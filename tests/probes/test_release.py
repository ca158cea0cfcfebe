"""Which release runs: real repositories and folders, no git needed to read them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from analyzerd.probes.launch import Launch
from analyzerd.probes.release import head, release_of

COMMIT = "3fa9c1d2e4b5a6978899aabbccddeeff00112233"


def launch(cwd: Path, *arguments: str) -> Launch:
    """A master as it was started."""
    return Launch(1, "shop.service", arguments, {}, str(cwd), "", "", title_only=False, denied=False)


def test_a_real_repository_loose_packed_and_detached(tmp_path: Path) -> None:
    """Git says the same in all three ways of keeping it."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")

    def run(*words: str) -> str:
        name = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        done = subprocess.run([git, *name, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "-q")
    assert head(str(tmp_path / ".git")) == ""
    run("commit", "-q", "--allow-empty", "-m", "one")
    assert head(str(tmp_path / ".git")) == run("rev-parse", "HEAD")
    run("pack-refs", "--all")
    assert head(str(tmp_path / ".git")) == run("rev-parse", "HEAD")
    run("checkout", "-q", "--detach")
    assert head(str(tmp_path / ".git")) == run("rev-parse", "HEAD")


def test_it_is_found_above_the_working_directory(tmp_path: Path) -> None:
    """An app in a folder of its repository; twelve digits are shown, with the place."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (found,) = release_of(launch(tmp_path / "src" / "shop"), 5.0)
    assert (found.name, found.value, found.origin) == ("release.git", COMMIT[:12], str(tmp_path / ".git"))


@pytest.mark.parametrize(
    "text", ["", "ref: refs/../../etc/passwd", "ref: /etc/passwd", "hello", "ref: refs/heads/none"]
)
def test_a_damaged_or_hostile_head_is_no_release(tmp_path: Path, text: str) -> None:
    """The file belongs to the app: it may hold anything."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(text)
    assert release_of(launch(tmp_path), 5.0) == ()


def test_installing_a_package_is_another_release(tmp_path: Path) -> None:
    """The folder of packages changes when one comes or goes."""
    packages = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    os.utime(packages, (1_795_417_440, 1_795_417_440))
    started = launch(tmp_path, str(tmp_path / "venv/bin/python"), str(tmp_path / "venv/bin/gunicorn"))
    (before,) = release_of(started, 5.0)
    assert (before.name, before.value) == ("release.packages", "2026-11-23T07:04:00Z")
    (packages / "flask").mkdir()
    (after,) = release_of(started, 6.0)
    assert after.value != before.value
