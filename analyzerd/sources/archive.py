"""PATHs into streams of inputs for an offline diagnosis: log files, journals, recordings, stdin.

Each part is read in its own order, block by block; merging by event time is the caller's. Never reads a
recording's ``expected.json``. Executes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from analyzerd.errors import SourceError
from analyzerd.formats import KINDS
from analyzerd.model import Health, Setting, Stream
from analyzerd.sources import recording
from analyzerd.sources.archive_kinds import ARCHIVE_KINDS, Content, kind_of
from analyzerd.sources.archive_parts import Block, Heard, heard_in, part_blocks
from analyzerd.sources.archive_settings import (
    SettingsFile,
    is_settings_file,
    log_format,
    open_settings,
    read_settings,
    unit_name,
)

STDIN = "-"
JOURNAL = "journal"
_SKIPPED_NAMES = frozenset({"expected.json"})
_WITNESSES = {
    "gunicorn": ("no gunicorn log is given", "add gunicorn's log or the journal of its unit"),
    "gunicorn.access": ("no gunicorn access log is given", "start gunicorn with --access-logfile and add it"),
    "nginx.error": ("no nginx error log is given", "add /var/log/nginx/error.log"),
    "nginx.access": ("no nginx access log is given", "add /var/log/nginx/access.log"),
    "kernel": ("no kernel log is given, so an OOM kill cannot be told from another SIGKILL",
               "add the output of: journalctl -k -o json"),
    "systemd": ("no messages of systemd are given", "add the output of: journalctl -u UNIT -o json"),
    "samples": ("no readings of processes and host are given", "record some with: analyzerctl record"),
}  # fmt: skip
"""Kinds of witness a diagnosis can hear, with what to say when one is missing."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stream of the archive.

    ``kind`` is one of formats.KINDS or ARCHIVE_KINDS; ``stream`` is what its Lines and Entries carry.
    ``written_s``: when the file was last written; it decides the year of stamps that print none.
    """

    name: str
    kind: str
    stream: Stream
    content: Content = field(repr=False)
    written_s: float = 0.0
    gaps: list[Health] = field(default_factory=list, compare=False)

    def blocks(self) -> Iterator[Block]:
        """Yield the part in its own order, at most about 2 MiB at a time.

        When it ends, ``gaps`` holds what was damaged or left out. Standard input can be read once. Raises
        SourceError when the file has become unreadable.
        """
        self.gaps.clear()
        yield from part_blocks(self.kind, self.stream, self.content, self.written_s, self.gaps)


Parts: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """Everything that was given: streams of text and readings, settings, and which witnesses there are."""

    parts: Parts
    settings: tuple[Setting, ...] = ()
    health: tuple[Health, ...] = ()


def open_archive(paths: Sequence[str], as_kind: str = "", *, utc_offset_s: int = 0, now_s: float = 0.0) -> Archive:
    """Find out what each path is. Reads only the beginning of each file.

    ``as_kind`` forces the kind of every log file among them. ``utc_offset_s`` is the zone of stamps that
    print none (recordings are UTC). ``now_s`` stands in for the time standard input was written.
    Raises SourceError for a path that cannot be read or is of no kind we know.
    """
    opening = _Opening(as_kind, utc_offset_s, now_s)
    for path in paths:
        opening.add(path)
    return opening.archive()


class _Opening:
    """What has been found so far while the paths are walked."""

    def __init__(self, as_kind: str, utc_offset_s: int, now_s: float) -> None:
        if as_kind and as_kind not in known_kinds():
            raise SourceError(f"unknown kind {as_kind!r}; use one of {', '.join(known_kinds())}")
        self._as_kind, self._offset_s, self._now_s = as_kind, utc_offset_s, now_s
        self._parts: list[Part] = []
        self._settings_files: list[SettingsFile] = []
        self._gaps: list[Health] = []

    def add(self, path: str) -> None:
        """Take one PATH of the command line."""
        if path == STDIN:
            self._add_content(Content.of_stdin(), path, self._as_kind, self._now_s)
        elif Path(path).is_dir():
            self._add_directory(Path(path))
        else:
            self._add_file(Path(path), self._as_kind)

    def archive(self) -> Archive:
        """Put together what was found; settings are read here, so that they see every file."""
        files, heard = self._settings_files, [_heard(part) for part in self._parts]
        unit = unit_name(files) or _only(unit for one in heard for unit in one.units)
        parts = tuple(_set_up(part, files, unit) for part in self._parts)
        return Archive(parts, read_settings(files, unit), (*_witness_health(heard), *self._gaps))

    def _add_directory(self, folder: Path) -> None:
        if recording.is_recording(folder):
            for path, kind in recording.members(folder):
                self._add_file(path, kind, offset_s=0)
        elif any(folder.rglob("*.journal")):
            self._append(folder, "journal-files", Content.of_path(folder), self._offset_s)
        else:
            self._add_folder_of_logs(folder)

    def _add_folder_of_logs(self, folder: Path) -> None:
        found = False
        for path in sorted(folder.iterdir()):
            if not path.is_file() or path.name in _SKIPPED_NAMES or path.name.startswith("."):
                continue
            try:
                self._add_file(path, self._as_kind)
                found = True
            except SourceError as error:
                self._gaps.append(Health(0.0, "files", "gap", str(error)))
        if not found:
            raise SourceError(f"{folder}: no log file, journal or recording in this folder")

    def _add_file(self, path: Path, kind: str, *, offset_s: int | None = None) -> None:
        if is_settings_file(path):
            self._settings_files.append(open_settings(path))
            return
        try:
            written_s = path.stat().st_mtime
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}") from error
        self._add_content(Content.of_path(path), str(path), kind, written_s, offset_s)

    def _add_content(
        self, content: Content, name: str, kind: str, written_s: float, offset_s: int | None = None
    ) -> None:
        head = content.head()
        found = kind or kind_of(head, name)
        if not found and not head:
            self._gaps.append(Health(0.0, "files", "gap", f"{name} is empty and its name says nothing"))
            return
        if not found:
            raise SourceError(
                f"{name}: cannot tell what kind of log this is; say it with --as KIND, one of "
                f"{', '.join(known_kinds())}"
            )
        self._append(name, found, content, self._offset_s if offset_s is None else offset_s, written_s)

    def _append(self, name: str | Path, kind: str, content: Content, offset_s: int, written_s: float = 0.0) -> None:
        stream = Stream(f"file:{name}", JOURNAL if kind in ARCHIVE_KINDS else kind, utc_offset_s=offset_s)
        self._parts.append(Part(str(name), kind, stream, content, written_s))


def known_kinds() -> tuple[str, ...]:
    """Return every kind a path can have, as ``--as`` accepts them."""
    return (*KINDS, *ARCHIVE_KINDS)


def _heard(part: Part) -> Heard:
    whole = recording.WHOLE_LOGS.get(Path(part.name).name.removesuffix(".gz"))
    if whole:
        return Heard(frozenset({whole}))
    return heard_in(part.kind, part.content)


def _only(units: Iterable[str]) -> str:
    """The unit when all of it is about a single one: what names none is about that one too."""
    found = set(units)
    return found.pop() if len(found) == 1 else ""


def _witness_health(heard: Sequence[Heard]) -> tuple[Health, ...]:
    """Say of each kind of witness whether anything given can speak for it."""
    present = {source for one in heard for source in one.witnesses}
    return tuple(
        Health(0.0, source, "reading") if source in present else Health(0.0, source, "blind", why, mend)
        for source, (why, mend) in _WITNESSES.items()
    )


def _set_up(part: Part, files: Sequence[SettingsFile], unit: str) -> Part:
    """Give the part's stream what is known of it: its unit and its access-log format."""
    stream = replace(part.stream, unit=unit, log_format=log_format(part.kind, part.name, files))
    return replace(part, stream=stream)
