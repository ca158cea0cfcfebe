"""Writes a recording directory, file by file, everything in it redacted. Reads nothing of the machine itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from analyzerd.errors import AnalyzerdError
from analyzerd.formats.gunicorn_settings import as_options
from analyzerd.formats.settings import effective, from_command_line, from_config
from analyzerd.formats.systemd import is_manager
from analyzerd.model import Entry, Sample, Setting, Stream
from analyzerd.probes.launch import Launch
from analyzerd.render import recorded
from analyzerd.sources.journal_text import write_json
from analyzerd.sources.recording import KERNEL_LOG, SYSTEMD_LOG, file_of_kind
from analyzerd.sources.samples_text import write_sample

GUNICORN_LOG, JOURNAL = "gunicorn.log", "journal.json"


@dataclass(slots=True)
class Recording:
    """A directory being filled: records by file, and what could not be recorded, with the reason."""

    folder: Path
    records: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Create a file of the recording for its owner's eyes alone. Raises AnalyzerdError."""
        self.records.setdefault(name, 0)
        try:
            number = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as file:
                yield file
        except OSError as error:
            raise AnalyzerdError(f"cannot write {self.folder / name}: {error.strerror}") from error

    def write(self, name: str, lines: Iterable[bytes]) -> None:
        """Write a file of whole lines."""
        with self.open(name) as file:
            for line in lines:
                file.write(line)
                self.records[name] += 1


def begin(folder: Path) -> Recording:
    """Make the directory, or take an empty one. Raises AnalyzerdError when it holds anything."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError as error:
        raise AnalyzerdError(f"cannot record into {folder}: {error.strerror}") from error
    if full:
        raise AnalyzerdError(f"{folder} is not empty: name a new folder, so that no recording mixes with another")
    return Recording(folder)


def sample_of(sample: Sample, unit: str) -> Sample:
    """Leave out what a reading holds of other units."""
    return replace(
        sample,
        processes=tuple(one for one in sample.processes if one.unit in ("", unit)),
        listeners=tuple(one for one in sample.listeners if one.unit in ("", unit)),
        cgroups=tuple(one for one in sample.cgroups if one.unit in ("", unit)),
    )


def write_readings(out: Recording, file: BinaryIO, name: str, sample: Sample) -> None:
    """Add one sampling instant."""
    file.write(write_sample(sample))
    out.records[name] += 1


def write_log(out: Recording, name: str, lines: Iterable[bytes], stream: Stream) -> None:
    """Write the lines of one log file, in UTC."""
    cleaner = recorded.LogLines(stream.utc_offset_s)
    out.write(name, (cleaner.line(line).encode() + b"\n" for line in lines))


def write_journal(out: Recording, entries: Iterable[Entry]) -> None:
    """Write journal entries by who speaks: the kernel, systemd, everybody else; none of them: it said nothing."""
    with out.open(KERNEL_LOG) as kernel, out.open(SYSTEMD_LOG) as systemd, out.open(JOURNAL) as others:
        files = {KERNEL_LOG: kernel, SYSTEMD_LOG: systemd, JOURNAL: others}
        for entry in entries:
            name = KERNEL_LOG if entry.transport == "kernel" else SYSTEMD_LOG if is_manager(entry) else JOURNAL
            files[name].write(write_json(_clean(entry)))
            out.records[name] += 1


def _clean(entry: Entry) -> Entry:
    fields = {name: recorded.message(value.encode()) for name, value in entry.fields.items()}
    return replace(entry, message=recorded.message(entry.message).encode(), fields=fields)


def name_logs(streams: Sequence[Stream]) -> list[str]:
    """Name the file of each log: the second of a kind is numbered; '' for a kind recordings do not have."""
    names, seen = list[str](), dict[str, int]()
    for stream in streams:
        seen[stream.kind] = seen.get(stream.kind, 0) + 1
        names.append(file_of_kind(stream.kind, seen[stream.kind]))
    return names


def write_settings(out: Recording, launch: Launch, settings: Iterable[Setting], access_format: str) -> None:
    """Write how gunicorn was started: its configuration, and a command line that names what else is in effect."""
    config = recorded.python(launch.config_text)
    if launch.config_text:
        out.write("gunicorn.conf.py", [config.encode()])
    words = recorded.arguments(launch.arguments) or ["gunicorn"]
    if access_format and "--access-logformat" not in words:
        words += ["--access-logformat", recorded.arguments([access_format])[0]]
    known = {s.name: s.value for s in effective(from_config(config, ""), from_command_line(words))}
    for setting in settings:
        if setting.name.startswith("gunicorn.") and known.get(setting.name) != setting.value:
            words += recorded.arguments(as_options(setting.name.removeprefix("gunicorn."), setting.value))
    out.write("gunicorn.cmdline", ["\0".join(words).encode() + b"\0"])


def write_nginx(out: Recording, text: str, formats: Iterable[tuple[str, str]]) -> None:
    """Write nginx's configuration; ``formats``: recorded access logs with the log_format they are written in."""
    named = [(name, log_format) for name, log_format in formats if log_format]
    told = [
        f"access_log {name} recorded_{number};\nlog_format recorded_{number} {_quoted(log_format)};\n"
        for number, (name, log_format) in enumerate(named, 1)
    ]
    if text or told:
        out.write("nginx.conf", [recorded.nginx(text).encode() + b"\n", *(line.encode() for line in told)])


def _quoted(text: str) -> str:
    """A text as nginx reads it in pieces: single quotes stand in double ones."""
    return "'" + "' \"'\" '".join(text.split("'")) + "'"
