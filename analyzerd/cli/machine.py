"""The machine's past as the daemon's configuration names it: the journal, and log files with the rotated ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from analyzerd.cli.inputs import Given, JournalPart
from analyzerd.config import Config
from analyzerd.daemon.sampler import nginx_settings
from analyzerd.daemon.stated import stated_settings
from analyzerd.daemon.wiring import followed, nginx_conf
from analyzerd.model import Health, Stream
from analyzerd.sources.archive import Archive, Part
from analyzerd.sources.archive_kinds import Content

JOURNAL_SPEAKS_FOR = ("gunicorn", "kernel", "systemd")
_ROTATED = re.compile(r"[.-](?:\d{1,3}|\d{8}(?:-\d{1,10})?)(?:\.gz)?")


def history(config: Config, since_s: float, until_s: float | None) -> Given:
    """Everything the daemon would have read between two times."""
    parts = tuple(part for path, stream in followed(config) for part in _parts(Path(path), stream, since_s))
    journal: tuple[JournalPart, ...] = ()
    sources = {part.kind for part in parts}
    if config.journal.enabled:
        journal = (JournalPart(since_s, until_s, config.journal.units, config.journal.path or None),)
        sources |= set(JOURNAL_SPEAKS_FOR)
    read = tuple(replace(one, time_s=0.0) for one in nginx_settings(nginx_conf(config)))
    settings = (*read, *stated_settings(config, 0.0))
    health = tuple(Health(0.0, source, "reading") for source in sorted(sources))
    return Given(Archive(parts, settings, health), journal, since_s, until_s)


def _parts(path: Path, stream: Stream, since_s: float) -> Iterator[Part]:
    """The file and what logrotate made of it, as far as it was written in the window."""
    for file in sorted(path.parent.glob(f"{path.name}*")) if path.parent.is_dir() else ():
        rest = file.name[len(path.name) :]
        if file.is_file() and (not rest or _ROTATED.fullmatch(rest)) and file.stat().st_mtime >= since_s:
            yield Part(
                str(file),
                stream.kind,
                replace(stream, name=f"file:{file}"),
                Content.of_path(file),
                file.stat().st_mtime,
            )
