"""Follow the systemd journal with a cursor, or read a stretch of it once. Judges no message.

One reader, opened, used and closed in the thread of run(). It is asked on a short tick instead of being
waited for: libsystemd's wake-up comes up to 300 ms late. Whenever files come or go the journal is opened
anew at the last cursor, so rotation, vacuum and restart take one and the same road.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event as Flag

from analyzerd.errors import SourceError
from analyzerd.model import Batch, Checkpoint, Entries, Entry, Health, Stream
from analyzerd.ports import Emit
from analyzerd.sources import Stopped, journal_place, wall_clock_s
from analyzerd.sources.cursor import Cursor, lost_between, parse_cursor, reaches
from analyzerd.sources.journal_reader import STARTED, STARTING, UNIT_FIELDS, OpenJournal, is_glob, opens
from analyzerd.units import format_duration, format_time

BATCH_ENTRIES = 500
REOPEN_AFTER_ENTRIES = 20_000  # mapped pages of a long backfill stay in memory until the close
WITNESSES = ("gunicorn", "kernel", "systemd")
_KEEP_MORE = "keep more: raise SystemMaxUse= or RuntimeMaxUse= in /etc/systemd/journald.conf"
_VERIFY = "`journalctl --verify` names the damage; `journalctl --rotate` starts a sound file"
_NOT_DAMAGE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.ENOENT}
_LOOKS_LIKE = ("*gunicorn*", "*nginx*")
_SOUNDS_LIKE = (b"Starting gunicorn", b"Booting worker with pid", b"[notice]", b"[error]")


class JournalSource:
    """The journal entries of some units, of pid 1 about them, and of the kernel, for ever."""

    def __init__(
        self,
        units: Sequence[str],
        *,
        path: str | None = None,
        files: Sequence[str] | None = None,
        name: str = "journal",
        tick_s: float = 0.02,
        idle_tick_s: float = 0.05,
        lookback_s: float = 0.0,
        look_around_s: float = 10.0,
        retry_s: float = 1.0,
        witnesses: Sequence[str] = WITNESSES,
        clock: Callable[[], float] = wall_clock_s,
    ) -> None:
        """Name the units (globs allowed) and where to read: a directory, files, or this machine's journal.

        ``lookback_s``: how far back a first start reads. ``look_around_s``: how often globs are expanded
        again and the checkpoint moves though nothing was read. ``witnesses``: whose Health this source is.
        """
        self._patterns, self._path, self._files = tuple(units), path, files
        self._globs = tuple(unit for unit in units if is_glob(unit))
        self._stream = Stream(name, "journal")
        self._tick_s, self._idle_tick_s, self._retry_s = tick_s, idle_tick_s, retry_s
        self._lookback_s, self._look_around_s = lookback_s, look_around_s
        self._witnesses, self._clock = tuple(witnesses), clock
        self._stop = Flag()
        self._emit: Emit
        self._cursor = ""
        self._since_s: float | None = None  # where to begin while there is no cursor; None: the oldest entry
        self._units: frozenset[str] | None = None
        self._expanded_s = 0.0
        self._state: tuple[str, str] = ("", "")
        self._failures = 0
        self._examined: set[tuple[str, int]] = set()

    def stop(self) -> None:
        """Make run() return within a tick; safe from any thread."""
        self._stop.set()

    def run(self, emit: Emit, resume: tuple[Checkpoint, ...]) -> None:
        """Read until stopped; what stands in the way is emitted as Health and tried again."""
        self._emit = emit
        self._cursor = next((mark.position for mark in resume if mark.stream == self._stream.name), "")
        fresh = not self._cursor
        try:
            while not self._stop.is_set():
                fresh = not self._one_life(fresh) and fresh
        except Stopped:
            return

    # ---- one life: from open to close ---------------------------------------------------------------

    def _one_life(self, fresh: bool) -> bool:
        """Read until the journal has to be opened anew; True once it could be read."""
        obstacle = journal_place.obstacle(self._path, self._files)
        if obstacle:
            self._report("blind", obstacle.why, obstacle.mend)
            # What is written from now on is wanted, also what comes before the obstacle is gone.
            self._since_s = self._since_s if self._since_s is not None else self._clock() - self._lookback_s
            self._stop.wait(self._retry_s)
            return False
        try:
            with OpenJournal(self._path, self._files) as journal:
                self._begin(journal, fresh and self._since_s is None)
                self._report("reading")
                self._read(journal)
        except SourceError as error:
            self._report("blind", str(error), "install libsystemd's Python binding or read log files instead")
            self._stop.wait(self._retry_s)
            return False
        except OSError as error:
            self._recover(error)
        return True

    def _begin(self, journal: OpenJournal, fresh: bool) -> None:
        self._report_damaged_files()
        if fresh and self._lookback_s:
            self._since_s = self._clock() - self._lookback_s
        elif fresh:
            self._cursor = journal.newest_cursor()
            self._emit(Batch((), self._checkpoints()))
        elif self._cursor:
            self._report_loss(journal)
        self._aim(journal)

    def _read(self, journal: OpenJournal) -> None:
        count, looked_s = 0, time.monotonic()
        while not self._stop.is_set():
            entries = self._take(journal)
            count += len(entries)
            if len(entries) == BATCH_ENTRIES:
                continue
            if journal.changed() or count > REOPEN_AFTER_ENTRIES:
                return
            if time.monotonic() - looked_s > self._look_around_s or self._names_new_unit(entries):
                self._look_around(journal)
                looked_s = time.monotonic()
            self._stop.wait(self._tick_s if entries else self._idle_tick_s)

    def _take(self, journal: OpenJournal) -> list[Entry]:
        entries = journal.take(BATCH_ENTRIES)
        if entries:
            self._failures = 0
            self._cursor = journal.cursor() or self._cursor
            self._emit(Batch((Entries(self._stream, tuple(entries)),), self._checkpoints()))
        if journal.skipped:
            self._report_gap(f"{journal.skipped} damaged journal entries were skipped", _VERIFY)
            journal.skipped = 0
        return entries

    # ---- where to go on ---------------------------------------------------------------------------

    def _aim(self, journal: OpenJournal) -> Cursor | None:
        """Expand the globs, read what new units wrote so far, and stand behind the last entry read.

        Returns the newest place of the journal, which that stand has not passed.
        """
        journal.unaim()
        newest = journal.newest_cursor()
        known, self._units = self._units, journal.expand(self._patterns)
        if known is not None and self._cursor and self._units - known:
            self._catch_up(journal, self._units - known)
        journal.aim(self._units, starts_of=self._globs)
        if self._cursor:
            journal.seek_after(self._cursor)
        elif self._since_s is not None:
            journal.seek_time(self._since_s)
        else:
            journal.seek_head()
        at = parse_cursor(newest)
        self._expanded_s = at.time_s if at else self._expanded_s
        return at

    def _report_loss(self, journal: OpenJournal) -> None:
        """Compare the cursor with what the journal still holds; name what is missing."""
        saved = parse_cursor(self._cursor)
        try:
            if journal.seek_after(self._cursor):
                return
        except ValueError:
            saved = None
        if saved is None:
            self._report_gap("the saved journal position is not readable; reading goes on from now", "")
            self._cursor = journal.newest_cursor()
            return
        oldest = parse_cursor(journal.oldest_cursor())
        if oldest and lost_between(saved, oldest):
            missing_s = max(0.0, oldest.time_s - saved.time_s)
            self._report_gap(
                f"the journal no longer holds {format_duration(missing_s)} of entries "
                f"({format_time(saved.time_s)} to {format_time(oldest.time_s)}); "
                "they were deleted before they were read",
                _KEEP_MORE,
            )
            # Numbers of another journal do not compare; times do.
            if oldest.numbering != saved.numbering:
                self._cursor, self._since_s = "", saved.time_s

    def _look_around(self, journal: OpenJournal) -> None:
        """Expand the globs again, and move the checkpoint though nothing was read."""
        newest = self._aim(journal)
        while not self._stop.is_set() and self._take(journal):
            pass
        here = parse_cursor(self._cursor)
        if newest and not (here and reaches(newest, here)):
            self._cursor = newest.text
            self._emit(Batch((), self._checkpoints()))

    def _catch_up(self, journal: OpenJournal, units: frozenset[str]) -> None:
        """Read what new units wrote between the last expansion and the cursor."""
        here = parse_cursor(self._cursor)
        journal.aim(units, kernel=False)
        journal.seek_time(self._expanded_s)
        entries: list[Entry] = []
        while here and (found := journal.take(1)):
            at = parse_cursor(journal.cursor())
            if at is None or not reaches(at, here):
                break
            # Their starts were read when they happened: that is how such a unit is discovered.
            entries += [entry for entry in found if entry.fields.get("MESSAGE_ID") not in (STARTING, STARTED)]
        for start in range(0, len(entries), BATCH_ENTRIES):
            self._emit(Batch((Entries(self._stream, tuple(entries[start : start + BATCH_ENTRIES])),)))

    def _names_new_unit(self, entries: list[Entry]) -> bool:
        if not self._globs:
            return False
        named = {entry.fields[name] for entry in entries for name in UNIT_FIELDS if name in entry.fields}
        return bool(named - (self._units or frozenset()))

    # ---- what went wrong ----------------------------------------------------------------------------

    def _recover(self, error: OSError) -> None:
        """Try again a few times (journald may be rotating); then step over the damage in growing strides."""
        if error.errno in _NOT_DAMAGE:
            self._report("blind", f"the journal cannot be opened: {error.strerror}", "")
            self._stop.wait(self._retry_s)
            return
        self._failures += 1
        self._stop.wait(min(0.05 * self._failures, self._retry_s))
        if self._failures <= 3:
            return
        stride_s = 4.0 ** (self._failures - 4)
        start_s = self._time_of_cursor() or self._clock()
        self._report_gap(
            f"the journal is damaged ({error.strerror or error}); "
            f"skipped {format_duration(stride_s)} from {format_time(start_s)}",
            _VERIFY,
        )
        self._cursor, self._since_s = "", min(start_s + stride_s, self._clock())

    def _report_damaged_files(self) -> None:
        for name in journal_place.journal_files(self._path, self._files):
            span = journal_place.span(name)
            key = (name, Path(name).stat().st_ino if Path(name).exists() else 0)
            if key in self._examined:
                continue
            if (span is None or span.entries) and not opens(name) and Path(name).exists():
                when = f" ({format_time(span.first_s)} to {format_time(span.last_s)})" if span else ""
                self._report_gap(f"{name} is damaged; its entries{when} cannot be read", _VERIFY)
            self._examined.add(key)

    def _report_gap(self, why: str, mend: str) -> None:
        now_s = self._clock()
        self._emit(Batch(tuple(Health(now_s, kind, "gap", why, mend) for kind in self._witnesses)))

    def _report(self, state: str, why: str = "", mend: str = "") -> None:
        if self._state == (state, why):
            return
        self._state = (state, why)
        now_s = self._clock()
        self._emit(Batch(tuple(Health(now_s, kind, state, why, mend) for kind in self._witnesses)))

    def _checkpoints(self) -> tuple[Checkpoint, ...]:
        return (Checkpoint(self._stream.name, self._cursor),) if self._cursor else ()

    def _time_of_cursor(self) -> float:
        cursor = parse_cursor(self._cursor)
        return cursor.time_s if cursor else self._since_s or 0.0


def read_all(
    place: str | Path | Sequence[str] | None = None,
    units: Sequence[str] = (),
    since_s: float | None = None,
    until_s: float | None = None,
    *,
    name: str = "journal",
) -> Iterator[Entries]:
    """Read what the journal holds now, oldest first, and end.

    ``place``: a directory, one file, several files, or None for this machine's journal. ``units``: names
    and globs; none given means every unit that looks or sounds like gunicorn or nginx. Times are Unix
    seconds, both ends included. Raises SourceError, with what mends it.
    """
    path, files = _place(place)
    obstacle = journal_place.obstacle(path, files)
    if obstacle:
        raise SourceError(f"{obstacle.why}; {obstacle.mend}")
    stream = Stream(name, "journal")
    try:
        with OpenJournal(path, files) as journal:
            journal.aim(journal.expand(units) if units else _likely_units(journal))
            journal.seek_head() if since_s is None else journal.seek_time(since_s)
            while entries := journal.take(BATCH_ENTRIES):
                kept = entries if until_s is None else [entry for entry in entries if entry.time_s <= until_s]
                if kept:
                    yield Entries(stream, tuple(kept))
                if not kept:
                    return
    except OSError as error:
        raise SourceError(f"cannot read {place or 'the journal'}: {error.strerror or error}") from error


def _place(place: str | Path | Sequence[str] | None) -> tuple[str | None, tuple[str, ...] | None]:
    if place is None:
        return None, None
    if isinstance(place, (str, Path)):
        return (str(place), None) if Path(place).is_dir() else (None, (str(place),))
    return None, tuple(place)


def _likely_units(journal: OpenJournal) -> frozenset[str]:
    named = journal.expand(_LOOKS_LIKE)
    others = journal.expand(("*.service",)) - named
    return named | {unit for unit in others if journal.sounds_like(unit, _SOUNDS_LIKE, 50)}
