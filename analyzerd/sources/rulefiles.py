"""Rule files from disk to text: the vendor's and the operator's folders, and a watch that says when they change.

Reads and watches; what the text means is the business of analyzerd.rules.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from analyzerd.rules.layers import Layer

VENDOR_PLACES = (Path("/usr/lib/analyzerd/rules.d"), Path(__file__).resolve().parents[2] / "rules.d")
MAX_FILE_BYTES = 256 * 1024


def vendor_dir() -> Path:
    """Where the rules that came with the program are: beside the source, inside the wheel, or in /usr/lib."""
    packaged = Path(str(files("analyzerd"))) / "_vendor_rules"
    for place in (VENDOR_PLACES[1], packaged, VENDOR_PLACES[0]):
        if place.is_dir():
            return place
    return packaged


def read_layers(operator_dirs: Sequence[Path] = ()) -> list[Layer]:
    """Every rule file of every folder, lowest layer first; unreadable files are handed on as broken text."""
    return [Layer(str(folder), _read(folder)) for folder in (vendor_dir(), *operator_dirs) if folder.is_dir()]


def _read(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*.yaml")):
        name = str(file.relative_to(folder))
        try:
            if file.stat().st_size > MAX_FILE_BYTES:
                found[name] = "the file is larger than 256 KiB: ["
            else:
                found[name] = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            found[name] = f"cannot be read ({error.strerror}): ["
    return found


class RuleWatch:
    """Sets ``changed`` when a file below one of the folders changes; without watchdog it never does."""

    def __init__(self, folders: Sequence[Path], changed: threading.Event) -> None:
        self._folders, self._changed = [f for f in folders if f.is_dir()], changed
        self._observer: object = None

    def start(self) -> None:
        """Begin to watch; folders that cannot be watched are passed over (SIGHUP still reloads)."""
        from watchdog.events import FileSystemEvent, FileSystemEventHandler  # noqa: PLC0415
        from watchdog.observers import Observer  # noqa: PLC0415

        changed = self._changed

        class _Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                if event.event_type in ("modified", "created", "moved", "deleted"):
                    changed.set()

        observer = Observer()
        for folder in self._folders:
            observer.schedule(_Handler(), str(folder), recursive=True)
        observer.daemon = True
        observer.start()
        self._observer = observer

    def stop(self) -> None:
        """End the watch."""
        stop = getattr(self._observer, "stop", None)
        if stop is not None:
            stop()
