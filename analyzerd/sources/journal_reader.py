"""One open journal, aimed at units and read entry by entry. The only module that imports libsystemd.

Belongs to the thread that opened it. Knows no checkpoint file, no clock and no meaning of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any

from analyzerd.errors import SourceError
from analyzerd.model import Entry
from analyzerd.sources.cursor import parse_cursor, repeats

MAX_MESSAGE_BYTES = 64 * 1024
MAX_FIELD_BYTES = 4096
UNIT_FIELDS = ("UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT")
# Never COREDUMP_ENVIRON, COREDUMP_CMDLINE: they hold secrets.
WITNESS_FIELDS = (
    "MESSAGE_ID", *UNIT_FIELDS, "EXIT_CODE", "EXIT_STATUS", "UNIT_RESULT", "N_RESTARTS", "JOB_TYPE",
    "JOB_RESULT", "COMMAND", "CODE_FUNC", "EXECUTABLE", "ERRNO", "COREDUMP_PID", "COREDUMP_SIGNAL_NAME",
    "COREDUMP_COMM", "COREDUMP_EXE", "N_DROPPED", "MEMORY_PEAK", "MEMORY_SWAP_PEAK", "CPU_USAGE_NSEC",
    "INVOCATION_ID",
)  # fmt: skip
STARTING, STARTED = "7d4958e842da4a758f6c1cdc7b36dcc5", "39f53479d3a045ac8e11786248231fbf"
_GUNICORN_STARTS = b"Starting gunicorn"
_GLOB = frozenset("*?[")


def is_glob(unit: str) -> bool:
    """Tell whether a unit name is a pattern, like ``app@*.service``."""
    return not _GLOB.isdisjoint(unit)


class OpenJournal:
    """An open journal and a place in it. Methods raise OSError when the files are damaged."""

    def __init__(self, path: str | None, files: Sequence[str] | None) -> None:
        """Open a directory, some files, or this machine's journal. Raises OSError, SourceError."""
        library = _libsystemd()
        try:
            if files:
                self._reader: Any = library._Reader(flags=0, files=list(files))
            elif path:
                self._reader = library._Reader(flags=0, path=path)
            else:
                # Not only the system's files: a service that runs as an ordinary user logs into user-UID.
                self._reader = library._Reader(flags=library.LOCAL_ONLY)
        except ValueError as error:
            where = path or files or "the journal"
            raise SourceError(f"libsystemd does not open {where}: {error}") from error
        self._invalidate = library.INVALIDATE
        self._units: frozenset[str] = frozenset()
        self._patterns: tuple[str, ...] = ()
        self._held = False
        self.skipped = 0
        # Without the watch, rotated files stay open and new ones are never seen.
        with suppress(OSError):
            self._reader.fileno()

    def __enter__(self) -> OpenJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    # ---- what to read -----------------------------------------------------------------------------

    def expand(self, patterns: Iterable[str]) -> frozenset[str]:
        """Name the units that patterns stand for: plain names as they are, globs as far as logged."""
        patterns = tuple(patterns)
        units = {pattern for pattern in patterns if not is_glob(pattern)}
        globs = [pattern for pattern in patterns if is_glob(pattern)]
        if globs:
            units |= {unit for unit in self._logged_units() if any(fnmatchcase(unit, glob) for glob in globs)}
        return frozenset(units)

    def _logged_units(self) -> set[str]:
        names = self._reader.query_unique("_SYSTEMD_UNIT") | self._reader.query_unique("UNIT")
        return {name.decode("utf-8", "replace") for name in names}

    def aim(self, units: Iterable[str], *, starts_of: Iterable[str] = (), kernel: bool = True) -> None:
        """Read only these units, what root's services say about them, and the kernel.

        ``starts_of``: globs; a started unit that fits one of them is read too, whatever its name.
        """
        self._units, self._patterns, self._held = frozenset(units), tuple(starts_of), False
        self._reader.flush_matches()
        for unit in self._units:
            self._match("_SYSTEMD_UNIT", unit)
        for field in UNIT_FIELDS if self._units else ():
            self._or_of_root((field, unit) for unit in self._units)
        if self._patterns:
            self._or_of_root(("MESSAGE_ID", kind) for kind in (STARTING, STARTED))
        if kernel:
            self._reader.add_disjunction()
            self._match("_TRANSPORT", "kernel")

    def _or_of_root(self, matches: Iterable[tuple[str, str]]) -> None:
        # Anybody may write UNIT=; only root's word is taken for it.
        self._reader.add_disjunction()
        self._match("_UID", "0")
        for name, value in matches:
            self._match(name, value)

    def _match(self, name: str, value: str) -> None:
        self._reader.add_match(f"{name}={value}")

    def unaim(self) -> None:
        """Read everything (to look for the ends of the journal)."""
        self._units, self._patterns, self._held = frozenset(), (), False
        self._reader.flush_matches()

    def sounds_like(self, unit: str, words: Sequence[bytes], entries: int) -> bool:
        """Tell whether one of the first entries of a unit holds one of the words."""
        self.aim((unit,), kernel=False)
        self.seek_head()
        return any(word in entry.message for entry in self.take(entries) for word in words)

    # ---- where to read ----------------------------------------------------------------------------

    def seek_head(self) -> None:
        """Go before the oldest entry."""
        self._held = False
        self._reader.seek_head()

    def seek_time(self, time_s: float) -> None:
        """Go before the first entry of that time or later."""
        self._held = False
        self._reader.seek_realtime(int(time_s * 1e6))

    def seek_after(self, cursor: str) -> bool:
        """Go behind a cursor's entry; False when that entry is not (or no longer) among the aimed ones.

        Raises ValueError when the text is no cursor.
        """
        self._reader.seek_cursor(cursor)
        self._held = bool(self._reader._next())
        # The seek lands on the entry itself or, when it is gone or not aimed at, on the next one.
        there = self._held and bool(self._reader.test_cursor(cursor))
        saved = parse_cursor(cursor)
        while self._held and saved and (at := parse_cursor(self.cursor())) and repeats(at, saved):
            self._held = bool(self._reader._next())
        return there

    def oldest_cursor(self) -> str:
        """Give the cursor of the oldest entry, '' in an empty journal. The place is lost."""
        self.seek_head()
        return self.cursor() if self._reader._next() else ""

    def newest_cursor(self) -> str:
        """Give the cursor of the newest entry, '' in an empty journal. The place is lost."""
        self._held = False
        self._reader.seek_tail()
        return self.cursor() if self._reader._previous() else ""

    def cursor(self) -> str:
        """Give the cursor of the entry taken last, '' when there is none."""
        try:
            return str(self._reader._get_cursor())
        except OSError:
            return ""

    def changed(self) -> bool:
        """Tell whether files came or went since the last call: time to open anew."""
        return bool(self._reader.process() == self._invalidate)

    # ---- reading ----------------------------------------------------------------------------------

    def take(self, limit: int) -> list[Entry]:
        """Read up to ``limit`` entries; fewer mean that the end is reached."""
        entries: list[Entry] = []
        step = self._reader._next
        while len(entries) < limit and (self._held or step()):
            self._held = False
            try:
                entry = self._entry()
            except OSError:
                # One damaged entry; when the damage reaches further, the next step fails.
                self.skipped += 1
                continue
            if entry is not None:
                entries.append(entry)
        return entries

    def _entry(self) -> Entry | None:
        get = self._reader._get
        try:
            message = get("MESSAGE")
        except KeyError:
            message = b""
        if len(message) > MAX_MESSAGE_BYTES:
            message = message[:MAX_MESSAGE_BYTES]
        unit, transport = self._text("_SYSTEMD_UNIT"), self._text("_TRANSPORT")
        fields: dict[str, str] = {}
        if unit not in self._units and transport != "kernel":
            fields = self._fields(WITNESS_FIELDS)
            if self._patterns and not self._concerns(fields):
                return None
        elif _GUNICORN_STARTS in message:
            fields = self._fields(("_CMDLINE",))
        pid = self._text("_PID")
        return Entry(
            self._reader._get_realtime() / 1e6, message, int(pid) if pid else None, unit, transport,
            self._text("SYSLOG_IDENTIFIER"), fields,
        )  # fmt: skip

    def _concerns(self, fields: dict[str, str]) -> bool:
        units = [fields[name] for name in UNIT_FIELDS if name in fields]
        return any(unit in self._units or any(fnmatchcase(unit, glob) for glob in self._patterns) for unit in units)

    def _fields(self, names: Iterable[str]) -> dict[str, str]:
        return {name: value for name in names if (value := self._text(name))}

    def _text(self, name: str) -> str:
        try:
            value: bytes = self._reader._get(name)
        except KeyError:
            return ""
        return value[:MAX_FIELD_BYTES].decode("utf-8", "replace")


def opens(name: str) -> bool:
    """Tell whether libsystemd opens this journal file and finds an entry where its header promises one."""
    try:
        with OpenJournal(None, [name]) as journal:
            return bool(journal.oldest_cursor() and journal.newest_cursor())
    except (OSError, SourceError):
        return False


def _libsystemd() -> Any:
    try:
        from systemd import _reader  # noqa: PLC0415  (a machine without it must get a sentence, not a trace)
    except ImportError as error:
        raise SourceError(
            "the journal cannot be read without libsystemd's Python binding; "
            "install it with `pip install 'analyzerd[daemon]'` (needs libsystemd-dev) "
            "or `apt install python3-systemd`"
        ) from error
    return _reader
