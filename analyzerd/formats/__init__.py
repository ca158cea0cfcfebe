"""Text to events: one module per format, pure and without a clock."""

from __future__ import annotations

from analyzerd.formats import access, app, gunicorn, kernel, nginx_error, systemd
from analyzerd.formats.assemble import Assembler, AssemblyState
from analyzerd.formats.blocks import continues as _continues_traceback
from analyzerd.formats.clean import MAX_TEXT, clean
from analyzerd.model import Entry, Event, Stream

KINDS = ("gunicorn", "gunicorn.access", "nginx.error", "nginx.access", "kernel", "app")
SOURCES = (*KINDS, "systemd")
LITERALS: dict[str, tuple[bytes, ...]] = {
    "gunicorn": gunicorn.LITERALS,
    "app": gunicorn.LITERALS,
    "kernel": kernel.LITERALS,
    "nginx.error": nginx_error.LITERALS,
    "nginx.access": access.LITERALS,
    "gunicorn.access": access.LITERALS,
}
"""Per kind: literals of lines that start or belong to a block, to be looked at even if no rule names them."""

__all__ = [
    "KINDS",
    "LITERALS",
    "MAX_TEXT",
    "SOURCES",
    "Assembler",
    "AssemblyState",
    "clean",
    "continues",
    "parse",
    "parse_entry",
    "read",
]


def parse(line: bytes, stream: Stream) -> Event | None:
    """Read one whole line of a stream by its kind. ``time_s`` 0.0: the line bears no time of its own."""
    match stream.kind:
        case "gunicorn":
            return gunicorn.parse(line, stream) or app.parse(line, stream)
        case "app":
            return app.parse(line, stream)
        case "nginx.error":
            return nginx_error.parse(line, stream)
        case "kernel":
            return kernel.parse(line, stream)
        case "nginx.access" | "gunicorn.access":
            return access.parse(line, stream)
        case _:
            return None


def parse_entry(entry: Entry, stream: Stream) -> Event | None:
    """Read one journal entry by who wrote it: kernel, systemd, gunicorn, nginx, or else the application."""
    if entry.transport == "kernel":
        return kernel.parse_entry(entry, stream)
    if systemd.is_manager(entry):
        return systemd.parse_entry(entry, stream)
    if not entry.message.strip():
        return None
    return (
        gunicorn.parse_entry(entry, stream) or nginx_error.parse_entry(entry, stream) or app.parse_entry(entry, stream)
    )


def continues(line: bytes, kind: str) -> bool:
    """Whether a line could stand inside a block of that kind (traceback, OOM report)."""
    if kind in ("gunicorn", "app"):
        return _continues_traceback(line)
    if kind == "kernel":
        text = clean(kernel.strip_front(line)[0])
        return kernel.is_oom_part(text) or kernel.is_kill(text)
    return False


def read(data: bytes, stream: Stream) -> list[Event]:
    """Read all lines of a text, blocks joined: the plain way, for small files and for tests."""
    assembler = Assembler(stream)
    events: list[Event] = []
    for line in data.split(b"\n"):
        events += assembler.feed(line)
        if not assembler.took and (event := parse(line, stream)):
            events.append(event)
    return events + assembler.flush()
