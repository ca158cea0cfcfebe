"""A recording directory: which of its files are streams, and of what kind. Never reads expected.json."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analyzerd.sources.archive_settings import is_settings_file

KERNEL_LOG = "kernel.json"
"""All that the kernel said meanwhile: empty, it said nothing."""
_STREAMS = {
    "gunicorn.log": "gunicorn",
    "gunicorn-access.log": "gunicorn.access",
    "nginx-error.log": "nginx.error",
    "nginx-access.log": "nginx.access",
    KERNEL_LOG: "journal-json",
    "journal.json": "journal-json",
    "journal.export": "journal-export",
    "samples.jsonl": "samples",
}
_CERTAIN = {*_STREAMS, "gunicorn.cmdline"} - {"gunicorn.log"}


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
        for candidate in (name, name + ".gz"):
            if candidate in present:
                yield present[candidate], kind
