"""A recording directory: which of its files are streams, and of what kind. Never reads expected.json."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from analyzerd.sources.archive_settings import is_settings_file

KERNEL_LOG, SYSTEMD_LOG = "kernel.json", "systemd.json"
WHOLE_LOGS = {KERNEL_LOG: "kernel", SYSTEMD_LOG: "systemd"}
"""All that one witness said meanwhile: empty, it said nothing."""
_STREAMS = {
    "gunicorn.log": "gunicorn",
    "gunicorn-access.log": "gunicorn.access",
    "nginx-error.log": "nginx.error",
    "nginx-access.log": "nginx.access",
    KERNEL_LOG: "journal-json",
    SYSTEMD_LOG: "journal-json",
    "journal.json": "journal-json",
    "journal.export": "journal-export",
    "samples.jsonl": "samples",
}
_CERTAIN = {*_STREAMS, "gunicorn.cmdline"} - {"gunicorn.log"}


_NUMBER = re.compile(r"-\d{1,3}(?=\.log)")
"""The second log of a kind is ``nginx-access-2.log``."""


def file_of_kind(kind: str, number: int = 1) -> str:
    """Name the file of the n-th log of a kind, '' for a kind that recordings do not have."""
    name = next((name for name, known in _STREAMS.items() if known == kind and name.endswith(".log")), "")
    return name if number == 1 else name.replace(".log", f"-{number}.log")


def is_recording(folder: Path) -> bool:
    """Tell whether a folder holds at least one file only recordings have, or gunicorn.log."""
    names = {path.name.removesuffix(".gz") for path in folder.iterdir()}
    return bool(names & _CERTAIN) or "gunicorn.log" in names


def members(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file that counts and its kind ('' for settings), settings first, in a fixed order."""
    present = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    for path in present.values():
        if is_settings_file(path):
            yield path, ""
    for name, kind in _STREAMS.items():
        for candidate, path in present.items():
            if _NUMBER.sub("", candidate.removesuffix(".gz")) == name:
                yield path, kind
