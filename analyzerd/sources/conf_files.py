"""Configuration files as text: nginx's with what they include, and systemd units with their drop-ins.

Executes nothing, follows an include only to regular files. Understands neither format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from analyzerd.formats.nginx_includes import MAX_FILES, NginxText, included
from analyzerd.formats.nginx_routes import NginxConf, read_conf
from analyzerd.formats.settings import unit_commands

MAX_BYTES = 1 << 20
UNIT_FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    )
)
"""Where systemd looks for units, the strongest first."""
ETC = "/etc/nginx/"
UnitTexts = tuple[tuple[str, str], ...]


NginxTexts = tuple[list[NginxText], dict[str, Sequence[NginxText]]]
"""Files, and those behind each include argument of theirs."""


def read_nginx(main: Path, *, here: bool, others: Sequence[Path] = ()) -> NginxConf | None:
    """Read one configuration with its includes, as nginx_texts() finds them; None when the file cannot be read."""
    found = nginx_texts(main, here=here, others=others)
    return None if found is None else read_conf(*found)


def nginx_texts(main: Path, *, here: bool, others: Sequence[Path] = ()) -> NginxTexts | None:
    """Read the files of one configuration; None when the first of them cannot be read.

    ``here``: it is this machine's own, and absolute includes are this machine's files; else includes below /etc/nginx
    are looked for beside ``main``. ``others``: files that were given too; they stand in for includes not found.
    """
    text = _text(main)
    if text is None:
        return None
    includes: dict[str, Sequence[NginxText]] = {}
    given = list(others)
    waiting = [text]
    while waiting and len(includes) < MAX_FILES:
        for pattern in included(waiting.pop()):
            if pattern in includes:
                continue
            paths = _behind(pattern, main.parent, here=here)
            if paths is None:
                paths = [path for path in given if fnmatchcase(path.name, pattern.rpartition("/")[2])] or None
                given = [path for path in given if path not in (paths or ())]
            if paths is not None:
                includes[pattern] = _nginx_texts(paths)
                waiting += [file.text for file in includes[pattern]]
    return [NginxText(str(main), text), *_nginx_texts(given)], includes


def _nginx_texts(paths: Iterable[Path]) -> list[NginxText]:
    return [NginxText(path, text) for path, text in _texts(paths)]


def _behind(pattern: str, folder: Path, *, here: bool) -> list[Path] | None:
    """The files of an include, in nginx's order; None when the place itself is not there."""
    if pattern.startswith("/") and not here:
        if not pattern.startswith(ETC):
            return None
        pattern = pattern.removeprefix(ETC)
    root, rest = (Path("/"), pattern[1:]) if pattern.startswith("/") else (folder, pattern)
    if not any(mark in rest for mark in "*?["):
        path = root / rest
        return [path] if path.is_file() else None
    if not (root / rest).parent.is_dir():
        return None
    try:
        return sorted(path for path in root.glob(rest) if path.is_file())[:MAX_FILES]
    except (OSError, ValueError, NotImplementedError):
        return None


def unit_here(unit: str, folders: Iterable[Path] = UNIT_FOLDERS) -> UnitTexts:
    """Read this machine's unit and its drop-ins, in the order in which later ones count; () when there is none."""
    folders = tuple(folders)
    names = (unit, _template(unit)) if "@" in unit else (unit,)
    main = next((folder / name for name in names for folder in folders if (folder / name).is_file()), None)
    if main is None:
        return ()
    drop_ins: dict[str, Path] = {}
    for name in ("service", *reversed(names)):
        for folder in reversed(folders):
            drop_ins.update({path.name: path for path in sorted((folder / f"{name}.d").glob("*.conf"))})
    return _texts([main, *(drop_ins[name] for name in sorted(drop_ins))])


def gunicorn_units(folders: Iterable[Path] = UNIT_FOLDERS) -> tuple[str, ...]:
    """Names of this machine's units whose file starts gunicorn, running or not."""
    found = {path.name for folder in folders for path in sorted(folder.glob("*.service")) if _starts_gunicorn(path)}
    return tuple(sorted(found))


def _starts_gunicorn(path: Path) -> bool:
    return "gunicorn" in unit_commands([(str(path), _text(path) or "")])[0]


def unit_given(path: Path, others: Sequence[Path] = ()) -> UnitTexts:
    """Read a unit file someone gave, with the drop-ins beside it and those given too."""
    beside = sorted(path.with_name(path.name + ".d").glob("*.conf"))
    more = [other for other in others if other.parent.name == path.name + ".d" and other not in beside]
    return _texts([path, *beside, *more])


def _template(unit: str) -> str:
    """``app@1.service`` is an instance of ``app@.service``."""
    head, _, tail = unit.partition("@")
    return f"{head}@.{tail.rpartition('.')[2]}"


def _texts(paths: Iterable[Path]) -> UnitTexts:
    return tuple((str(path), text) for path in paths if (text := _text(path)) is not None)


def _text(path: Path) -> str | None:
    """A regular file's text, None when it is none, or larger than any configuration."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return None if len(data) > MAX_BYTES else data.decode("utf-8", "replace")
