"""Writes changed configuration files so that each is old or new whole whenever the process is killed, and undoes it.

One folder per recommendation below the state folder holds both contents and how far it came (``plan.json``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import msgspec

from analyzerd.core.edits import Edit
from analyzerd.errors import AnalyzerdError

Step = Callable[[str], None]
"""Called with its name before every step that changes something on disk; a test ends the process there."""
PLAN = "plan.json"
WRITING, WRITTEN, APPLIED, UNDOING, UNDONE = "writing", "written", "applied", "undoing", "undone"
MARK = ".analyzerd-new"


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of a plan: where it is, and the digests of its two contents; '' stands for no file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a recommendation has come. ``known_good``: what held before: values, and figures where measured."""

    id: str
    phase: str
    begun_s: float
    files: tuple[Kept, ...]
    known_good: dict[str, object]


def no_step(name: str) -> None:
    """Go on."""


def apply(
    home: Path, name: str, edits: Sequence[Edit], now_s: float, known_good: dict[str, object], step: Step
) -> Applied:
    """Keep both contents and write the new ones. Raises AnalyzerdError, with every file as it was."""
    files = tuple(Kept(str(real(edit.path)), digest(edit.old), digest(edit.new)) for edit in edits)
    for file in files:
        _expect(file, file.old)
    plan = Applied(name, WRITING, now_s, files, known_good)
    folder = home / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    for number, edit in enumerate(edits):
        for side, content in (("old", edit.old), ("new", edit.new)):
            if content is not None:
                step("keep")
                _write(folder / f"{number}.{side}", content)
    _note(home, plan, step)
    try:
        _bring(home, plan, "new", step)
    except (OSError, AnalyzerdError) as error:
        undo(home, plan, step)
        raise AnalyzerdError(f"nothing was changed: {error}") from error
    plan = replace(plan, phase=WRITTEN)
    _note(home, plan, step)
    return plan


def accept(home: Path, plan: Applied, step: Step) -> None:
    """The new files were validated."""
    _note(home, replace(plan, phase=APPLIED), step)


def undo(home: Path, plan: Applied, step: Step) -> None:
    """Bring the old files back. Raises AnalyzerdError where one is neither the old nor the new one."""
    for file in plan.files:
        _expect(file, file.old, file.new)
    _note(home, replace(plan, phase=UNDOING), step)
    _bring(home, plan, "old", step)
    _note(home, replace(plan, phase=UNDONE), step)


def plans(home: Path) -> Iterator[Applied]:
    """Everything that was ever applied, by id. Raises AnalyzerdError when a plan is damaged."""
    for file in sorted(home.glob(f"REC-*/{PLAN}")):
        try:
            yield msgspec.json.decode(file.read_bytes(), type=Applied)
        except (OSError, msgspec.DecodeError) as error:
            raise AnalyzerdError(f"{file} cannot be read: {error}") from error


def recover(home: Path, step: Step) -> Iterator[str]:
    """Undo what was broken off, and say of each file what it was found as."""
    for plan in plans(home):
        if plan.phase in (APPLIED, UNDONE):
            continue
        for file in plan.files:
            Path(file.path + MARK).unlink(missing_ok=True)
            found = digest(_content(Path(file.path)))
            as_what = {file.old: "the old file", file.new: "the new file"}.get(
                found, "neither the old nor the new file"
            )
            yield f"{plan.id} was broken off: {file.path} was {as_what}"
        try:
            undo(home, plan, step)
        except AnalyzerdError as error:
            raise AnalyzerdError(f"{error}; to keep the files as they are, remove {home / plan.id}") from error
        yield f"{plan.id} was undone: every file is the old one"


def real(path: str) -> Path:
    """The file behind symbolic links."""
    return Path(path).resolve()


def digest(content: bytes | None) -> str:
    """Name a content; '' for no file."""
    return "" if content is None else sha256(content).hexdigest()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _expect(file: Kept, *digests: str) -> None:
    if digest(_content(Path(file.path))) not in digests:
        raise AnalyzerdError(f"{file.path} was changed since; look at it, then ask for a new diff")


def _note(home: Path, plan: Applied, step: Step) -> None:
    """Write down how far it came, whole or not at all."""
    place = home / plan.id / PLAN
    step(f"note {plan.phase}")
    _write(place.with_suffix(".tmp"), msgspec.json.encode(plan))
    step("note rename")
    place.with_suffix(".tmp").replace(place)
    _sync_folder(place.parent)
    _sync_folder(home)


def _bring(home: Path, plan: Applied, side: str, step: Step) -> None:
    """Make every file the old or the new one; those that are it already stay untouched."""
    for number, file in enumerate(plan.files):
        path, wanted = Path(file.path), file.old if side == "old" else file.new
        if digest(_content(path)) == wanted:
            continue
        if wanted == "":
            step("remove")
            path.unlink()
            _sync_folder(path.parent)
            continue
        _replace(path, (home / plan.id / f"{number}.{side}").read_bytes(), file, step)


def _replace(path: Path, content: bytes, file: Kept, step: Step) -> None:
    temporary = Path(str(path) + MARK)
    temporary.unlink(missing_ok=True)
    step("folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    step("write")
    _write(temporary, content, like=path)
    step("rename")
    _expect(file, file.old, file.new)
    temporary.replace(path)
    step("sync")
    _sync_folder(path.parent)


def _write(path: Path, content: bytes, like: Path | None = None) -> None:
    """Write a file to the disk itself, with the owner, mode and attributes of another."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        if like is not None:
            _dress(out.fileno(), like)
        os.fsync(out.fileno())


def _dress(handle: int, like: Path) -> None:
    try:
        found = like.stat()
    except FileNotFoundError:
        os.fchmod(handle, 0o644)
        return
    if found.st_nlink > 1:
        raise AnalyzerdError(f"{like} has other names (hard links) that would keep the old content; change it by hand")
    os.fchown(handle, found.st_uid, found.st_gid)
    os.fchmod(handle, stat.S_IMODE(found.st_mode))
    for name in os.listxattr(like):
        with contextlib.suppress(OSError):
            os.setxattr(handle, name, os.getxattr(like, name))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
