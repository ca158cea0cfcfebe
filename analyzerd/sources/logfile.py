"""Follow log files in one thread, woken by the kernel's file events, and hand over whole lines.

The events only wake: what happened is read off the files themselves, so a missed event costs a short wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Event as Flag
from types import TracebackType
from typing import Any

from analyzerd.model import Batch, Checkpoint, Health, Input, Lines, Stream
from analyzerd.ports import Emit
from analyzerd.sources import Stopped, wall_clock_s
from analyzerd.sources.followed import FollowedLog, Notice

COALESCE_S = 0.002
RUSH_READS = 20
LARGE_BYTES = 64 * 1024
RUSH_POLL_S = 0.04
"""A log read this often within a second is polled: taking one event for every line costs more than reading it."""
_CHANGES = frozenset(("modified", "created", "moved", "deleted"))


class LogFileSource:
    """Some log files, each an endless text of its own, for ever."""

    def __init__(
        self,
        streams: Sequence[tuple[str, Stream]],
        *,
        backfill_bytes: int = 0,
        poll_s: float = 2.0,
        unwatched_poll_s: float = 0.05,
        grace_s: float = 5.0,
        watch: bool = True,
        clock: Callable[[], float] = wall_clock_s,
    ) -> None:
        """Name the paths and what they hold.

        ``backfill_bytes``: how far before its end a file is begun at the very first start. ``poll_s``: how
        often to look without any event; ``unwatched_poll_s``: the same where events do not work.
        ``grace_s``: how long a renamed file is read on.
        """
        self._streams = tuple(streams)
        self._backfill_bytes, self._grace_s = backfill_bytes, grace_s
        self._poll_s, self._unwatched_poll_s, self._watch = poll_s, unwatched_poll_s, watch
        self._clock = clock
        self._stop, self._wake = Flag(), Flag()
        self._states: dict[str, tuple[str, str]] = {}

    def stop(self) -> None:
        """Make run() return soon; safe from any thread."""
        self._stop.set()
        self._wake.set()

    def run(self, emit: Emit, resume: tuple[Checkpoint, ...]) -> None:
        """Read until stopped; what stands in the way is emitted as Health and tried again."""
        saved = {mark.stream: mark.position for mark in resume}
        logs = [(stream, self._follow(path, saved.get(stream.name))) for path, stream in self._streams]
        try:
            with Watch([log.path for _, log in logs] if self._watch else (), self._wake) as watch:
                self._loop(logs, emit, watch)
        except Stopped:
            return
        finally:
            for _, log in logs:
                log.close()

    def _follow(self, path: str, position: str | None) -> FollowedLog:
        return FollowedLog(path, position, backfill_bytes=self._backfill_bytes, grace_s=self._grace_s)

    def _loop(self, logs: list[tuple[Stream, FollowedLog]], emit: Emit, watch: Watch) -> None:
        positions: dict[str, str] = {}
        reads: deque[float] = deque(maxlen=RUSH_READS)
        while not self._stop.is_set():
            self._wake.clear()
            read_bytes = sum([self._step(stream, log, emit, positions) for stream, log in logs])
            if read_bytes:
                reads.append(time.monotonic())
            if read_bytes >= LARGE_BYTES or (read_bytes and not _rush(reads)):
                continue
            if _rush(reads):
                watch.rest()
                self._stop.wait(RUSH_POLL_S)
                continue
            if self._wake.wait(self._poll_s if watch.complete() else self._unwatched_poll_s):
                # Writers write in bursts; one read for several lines.
                self._stop.wait(COALESCE_S)

    def _step(self, stream: Stream, log: FollowedLog, emit: Emit, positions: dict[str, str]) -> int:
        data = log.step(time.monotonic())
        inputs: list[Input] = list(self._health(stream, log))
        if data:
            inputs.append(Lines(stream, data))
        position = log.position
        if inputs or position != positions.get(stream.name):
            positions[stream.name] = position
            emit(Batch(tuple(inputs), (Checkpoint(stream.name, position),)))
        return len(data)

    def _health(self, stream: Stream, log: FollowedLog) -> Iterable[Health]:
        while log.notices:
            notice = log.notices.popleft()
            if notice.state == "gap" or self._is_news(stream, notice):
                yield Health(self._clock(), stream.kind, notice.state, notice.why, notice.mend, stream.unit)

    def _is_news(self, stream: Stream, notice: Notice) -> bool:
        state = (notice.state, notice.why)
        if self._states.get(stream.name) == state:
            return False
        self._states[stream.name] = state
        return True


def _rush(reads: deque[float]) -> bool:
    return len(reads) == RUSH_READS and time.monotonic() - reads[0] < 1.0


class Watch:
    """Sets a flag when anything changes in the directories of some paths. Without watchdog it never does."""

    def __init__(self, paths: Iterable[Path], wake: Flag) -> None:
        """Name the paths; nothing is watched before the block is entered."""
        self._paths, self._wake = tuple(paths), wake
        self._watched: dict[Path, int] = {}
        self._observer: Any = None
        self._handler: Any = None

    def __enter__(self) -> Watch:
        if self._paths:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer:
            self._observer.stop()
            self._observer.join(5)

    def _start(self) -> None:
        try:
            from watchdog.events import FileSystemEventHandler  # noqa: PLC0415  (optional)
            from watchdog.observers import Observer  # noqa: PLC0415
        except ImportError:
            return
        wake = self._wake

        class Waker(FileSystemEventHandler):
            """Sets the flag on a change; our own opening and reading is none."""

            def on_any_event(self, event: Any) -> None:
                if event.event_type in _CHANGES:
                    wake.set()

        self._handler = Waker()
        try:
            self._observer = Observer()
            self._observer.start()
        except OSError:
            self._observer = None

    def rest(self) -> None:
        """Take no events until complete() is asked again."""
        if self._watched:
            self._observer.unschedule_all()
            self._watched.clear()

    def complete(self) -> bool:
        """Watch what can be watched by now; tell whether events come for all paths that could have any."""
        if self._observer is None:
            return False
        watched = [self._watch(directory) for path in self._paths for directory in _directories(path)]
        return all(watched)

    def _watch(self, directory: Path) -> bool:
        try:
            inode = directory.stat().st_ino
            if self._watched.get(directory, inode) != inode:
                # Removed and made again: the old watches lead nowhere.
                self._observer.unschedule_all()
                self._watched.clear()
            if directory not in self._watched:
                self._observer.schedule(self._handler, str(directory))
                self._watched[directory] = inode
                self._wake.set()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def _directories(path: Path) -> set[Path]:
    """Where changes of a path show: its directory, and that of the file it links to."""
    return {path.parent.absolute(), path.resolve().parent}
