"""Whether a file was edited after the processes that read it were started, and so is not in effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzerd.units import format_time

SAME_MOMENT_S = 2.0


@dataclass(frozen=True, slots=True)
class Generation:
    """A master and its workers by when they were started (Unix seconds). A reload replaces all workers."""

    program: str
    started_s: float = 0.0
    workers_s: tuple[float, ...] = ()


def drift(running: Generation, written_s: Mapping[str, float]) -> Iterator[str]:
    """Name the files that are newer than what runs. ``written_s``: when each was last written.

    All workers older than the file: it was not loaded. Some younger: a reload, or recycling; only gunicorn can tell.
    A unit's file counts from the start of the master: a reload does not read it.
    """
    for path, at_s in sorted(written_s.items()):
        if at_s <= running.started_s + SAME_MOMENT_S:
            continue
        edited, began = _clock(at_s), _clock(running.started_s)
        said = f"{path} was edited {edited}, the {running.program} master started {began}"
        if not path.endswith((".py", ".conf")) or "/systemd/" in path:
            yield f"{said}: not in effect before a restart"
        elif all(one < at_s for one in running.workers_s):
            yield f"{said} and no worker is younger: not reloaded"
        elif any(one < at_s - SAME_MOMENT_S for one in running.workers_s):
            yield f"{said}; some workers are older: cannot tell whether it was reloaded"


def _clock(time_s: float) -> str:
    return format_time(time_s)[:16].replace("T", " ")
