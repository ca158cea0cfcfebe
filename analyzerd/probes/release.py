"""Which release of an app runs, from its folder: git's HEAD and when packages were last installed. Runs no git."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from analyzerd.model import Setting
from analyzerd.probes.kept import list_names, read_file, stat_file
from analyzerd.probes.launch import Launch
from analyzerd.units import format_time

LEVELS = 3
"""How many folders up from the working directory a repository is looked for."""
_SHORT = 1 << 12
_PACKED = 1 << 20
_COMMIT = re.compile(r"[0-9a-f]{40,64}", re.ASCII)
_REF = re.compile(r"ref: (refs/[\w./+@-]{1,200})", re.ASCII)


def release_of(launch: Launch, time_s: float) -> tuple[Setting, ...]:
    """The release as settings ``release.git`` and ``release.packages``; nothing where it cannot be read."""
    found = []
    for folder in _folders(launch.cwd):
        if commit := head(f"{folder}/.git"):
            found.append(Setting(time_s, launch.unit, "release.git", commit[:12], f"{folder}/.git"))
            break
    for path in _packages(launch.arguments):
        installed_s = _changed_s(path)
        if installed_s is not None:
            value = format_time(installed_s)[:19] + "Z"
            found.append(Setting(time_s, launch.unit, "release.packages", value, path))
            break
    return tuple(found)


def head(git: str) -> str:
    """The commit that is checked out; '' where there is none or it may not be read."""
    text = _text(f"{git}/HEAD", _SHORT)
    if _COMMIT.fullmatch(text):
        return text
    ref = _REF.fullmatch(text)
    if not ref or ".." in ref[1]:
        return ""
    loose = _text(f"{git}/{ref[1]}", _SHORT)
    if _COMMIT.fullmatch(loose):
        return loose
    packed = re.search(rf"^([0-9a-f]{{40,64}}) {re.escape(ref[1])}$", _text(f"{git}/packed-refs", _PACKED), re.M)
    return packed[1] if packed else ""


def _text(path: str, limit: int) -> str:
    return (read_file(path, limit) or b"").decode("utf-8", "replace").strip()


def _folders(cwd: str) -> Iterator[str]:
    if cwd:
        here = PurePosixPath(cwd)
        yield from (str(folder) for folder in (here, *list(here.parents)[:LEVELS]) if str(folder) != "/")


def _packages(arguments: tuple[str, ...]) -> Iterator[str]:
    """Where the virtual environment of the program that was started keeps its packages."""
    for argument in arguments[:2]:
        path = PurePosixPath(argument)
        if path.is_absolute() and path.parent.name == "bin":
            library = path.parent.parent / "lib"
            yield from (f"{library}/{name}/site-packages" for name in _names(str(library)) if name.startswith("python"))


def _names(folder: str) -> list[str]:
    try:
        return sorted(list_names(folder))
    except OSError:
        return []


def _changed_s(path: str) -> float | None:
    try:
        return stat_file(path).st_mtime
    except OSError:
        return None
