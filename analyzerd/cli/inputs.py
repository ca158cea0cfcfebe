"""What a verb was given, PATHs or this machine, as one flow of inputs in the order of time. Decides nothing."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analyzerd.cli.findings import Findings
from analyzerd.cli.terminal import Progress
from analyzerd.cli.times import parse_when
from analyzerd.core.intake import Intake
from analyzerd.core.replay import Timed, merged
from analyzerd.model import Entries, Event, Health, Input, Lines, Sample
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.archive import Archive, Part, open_archive
from analyzerd.sources.usual import NGINX_LOGS

ENTRY_BYTES = 200
"""What a journal entry counts for in a progress line."""


class JournalPart:
    """A machine's journal as a part beside those of an archive; of the units that look like gunicorn or nginx."""

    name = "journal"

    def __init__(
        self, since_s: float, until_s: float | None, units: Sequence[str] = (), path: str | None = None
    ) -> None:
        self._since_s, self._until_s, self._units, self._path = since_s, until_s, units, path
        self.gaps: list[Health] = []

    def blocks(self) -> Iterator[Entries]:
        """Read everything of the window. Raises SourceError where there is no journal to read."""
        from analyzerd.sources.journal import read_all  # noqa: PLC0415 - only here systemd is needed

        return read_all(self._path, self._units, self._since_s, self._until_s)


@dataclass(frozen=True, slots=True)
class Given:
    """Everything a verb reads: ``since_s`` and ``until_s`` in Unix seconds, None where there is no such end."""

    archive: Archive
    journal: Sequence[JournalPart] = field(default=())
    since_s: float | None = None
    until_s: float | None = None
    size_bytes: int = 0


def given(arguments: argparse.Namespace, default_s: float) -> Given:
    """Open the PATHs of a command line; without any, this machine's journal of the last ``default_s`` seconds.

    Raises AnalyzerdError for a time or a path that cannot be read.
    """
    since_s, until_s, now_s = window(arguments)
    if arguments.paths:
        offset_s = time.localtime().tm_gmtoff
        archive = open_archive(arguments.paths, arguments.as_kind, utc_offset_s=offset_s, now_s=now_s)
        return Given(archive, (), since_s, until_s, _size_bytes(arguments.paths))
    since_s = now_s - default_s if since_s is None else since_s
    return Given(_usual_files(), (JournalPart(since_s, until_s),), since_s, until_s)


def window(arguments: argparse.Namespace) -> tuple[float | None, float | None, float]:
    """--since, --until, and the moment they are counted from. Raises AnalyzerdError."""
    now_s = time.time()  # noqa: TID251 - 'yesterday' and '-1h' are counted from now
    since_s = parse_when(arguments.since, now_s) if arguments.since else None
    until_s = parse_when(arguments.until, now_s) if arguments.until else None
    return since_s, until_s, now_s


def _usual_files() -> Archive:
    """Log files of this machine's nginx, at their usual places."""
    files = [path for path, _ in NGINX_LOGS if Path(path).is_file()]
    return open_archive(files, utc_offset_s=time.localtime().tm_gmtoff) if files else Archive(())


def flow(source: Given, rules: RuleSet, found: Findings, progress: Progress | None = None) -> Iterator[Input]:
    """Yield settings and sight first, then everything of the window by time; ``found`` counts what was read."""
    archive, intake = source.archive, Intake(rules, {})
    found.blind += [h for h in archive.health if h.state == "blind"]
    for setting in archive.settings:
        intake.learn(setting)
    sources: list[Part | JournalPart] = [*archive.parts, *source.journal]
    parts = [_counted(part.name, part.blocks(), found, progress) for part in sources]
    yield from archive.settings
    yield from archive.health
    yield from _within(merged(parts, intake), source.since_s, source.until_s, found)
    for part in sources:
        found.blind += part.gaps


def _counted(
    name: str, blocks: Iterable[Lines | Entries | Sample], found: Findings, progress: Progress | None
) -> Iterator[Lines | Entries | Sample]:
    found.read.setdefault(name, 0)
    for block in blocks:
        match block:
            case Lines():
                found.read[name] += block.data.count(b"\n") + (not block.data.endswith(b"\n"))
                size = len(block.data)
            case Entries():
                found.read[name] += len(block.entries)
                size = ENTRY_BYTES * len(block.entries)
            case Sample():
                found.read[name] += 1
                size = 0
        if progress is not None:
            progress.add(size)
        yield block


def _within(items: Iterable[Timed], since_s: float | None, until_s: float | None, found: Findings) -> Iterator[Timed]:
    for item in items:
        if (since_s is None or item.time_s >= since_s) and (until_s is None or item.time_s <= until_s):
            if isinstance(item, Event):
                name = item.stream.removeprefix("file:")
                found.matched[name] = found.matched.get(name, 0) + 1
            yield item


def _size_bytes(paths: Iterable[str]) -> int:
    total = 0
    for path in map(Path, paths):
        files = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
        total += sum(f.stat().st_size for f in files if f.is_file())
    return total
