"""One log path followed across rename, truncation, copy and compression, as one endless text.

Reads when asked, a block at a time; starts no thread, emits nothing, and says what stands in its way.
"""

from __future__ import annotations

import grp
import os
import stat
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from analyzerd.sources.filemark import HEAD_BYTES, Mark, from_position, to_position
from analyzerd.sources.logpart import Bytes, Plain, Rotated, find_marked, rotated_files

BLOCK_BYTES = 256 * 1024
MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Notice:
    """The log became readable, unreadable, or lost something: a Health without its time."""

    state: str
    why: str = ""
    mend: str = ""


@dataclass(slots=True)
class Part:
    """One physical file being read.

    ``until_s``: when to let go of a former file if nothing more comes; each read adds ``linger_s``.
    """

    path: Path
    content: Bytes
    mark: Mark
    until_s: float | None = None
    linger_s: float = 0.0


class FollowedLog:
    """A path and the files that bear or bore its name, oldest first; the last one may be live.

    ``grace_s``: how long a renamed file is still read, since its writers reopen later. All times monotonic.
    """

    def __init__(self, path: str, position: str | None, *, backfill_bytes: int = 0, grace_s: float = 5.0) -> None:
        """Go on at a position, or begin ``backfill_bytes`` before the end when there is none."""
        self.path = Path(path)
        self._parts: list[Part] = []
        self._live: Part | None = None
        self._grace_s, self._backfill_bytes = grace_s, backfill_bytes
        self._missing_since_s: float | None = None
        self._first_size: int | None = None
        self._done_ns = 0  # files last written before are read, or being read
        self._seen: tuple[int, int] = (-1, -1)
        self._from_start = position is not None
        self.notices: deque[Notice] = deque()
        self._saved = self._read_position(position) if position is not None else ()

    @property
    def position(self) -> str:
        """Say where to go on, as text for a checkpoint."""
        marks = [*self._saved, *(part.mark for part in self._parts)]
        # With no file at hand the time tells later ones from those that were read.
        return to_position(marks or ([Mark(0, 0, 0, self._done_ns)] if self._done_ns else []))

    def close(self) -> None:
        """Close all files."""
        for part in self._parts:
            part.content.close()
        self._parts, self._live = [], None

    def step(self, now_s: float) -> bytes:
        """Read the next whole lines, at most one block; b'' when there are none now."""
        if self._saved and not self._resume(now_s):
            return b""
        self._look(now_s)
        for part in tuple(self._parts):
            data = self._lines(part, now_s) or self._let_go(part, now_s)
            if data:
                return data
        return b""

    # ---- reading ----------------------------------------------------------------------------------

    def _lines(self, part: Part, now_s: float) -> bytes:
        try:
            block = part.content.read(part.mark.offset, BLOCK_BYTES)
            cut = block.rfind(b"\n") + 1
            if not cut and len(block) == BLOCK_BYTES:
                block = part.content.read(part.mark.offset, MAX_LINE_BYTES)
                cut = block.rfind(b"\n") + 1 or (len(block) == MAX_LINE_BYTES and self._cut_line(part))
        except OSError as error:
            self._give_up(part, error)
            return b""
        if not cut:
            return b""
        if part.until_s is not None:
            part.until_s = now_s + part.linger_s
        self._advance(part, block[:cut])
        # A writer that did not open for appending leaves a hole of zeros where the file was emptied.
        return block[:cut].lstrip(b"\0")

    def _cut_line(self, part: Part) -> int:
        self.notices.append(Notice("gap", f"a line of {part.path} is longer than 1 MiB; it was cut"))
        return MAX_LINE_BYTES

    def _advance(self, part: Part, data: bytes) -> None:
        mark, start, written_ns = part.mark, b"", part.mark.written_ns
        if mark.offset == 0:
            start = data
        if isinstance(part.content, Plain):
            written_ns = max(written_ns, part.content.status().st_mtime_ns)
            if mark.head_bytes < HEAD_BYTES:
                start = part.content.read(0, HEAD_BYTES)
        part.mark = mark.at(mark.offset + len(data), written_ns, start)

    def _let_go(self, part: Part, now_s: float) -> bytes:
        """Drop a former file that is read to its end; its last line may lack the newline."""
        if part.until_s is None or now_s < part.until_s or part not in self._parts:
            return b""
        try:
            rest = part.content.read(part.mark.offset, MAX_LINE_BYTES)
        except OSError:
            rest = b""
        self._drop(part)
        return rest

    def _give_up(self, part: Part, error: OSError) -> None:
        reason = error.strerror or str(error)
        self.notices.append(Notice("gap", f"cannot read on in {part.path}: {reason}"))
        self._drop(part)

    def _drop(self, part: Part) -> None:
        self._parts.remove(part)
        if part is self._live:
            self._live = None
        # Its writers may have been later than those of the next file; it is not to be read again.
        done_ns = _last_written_ns(part)
        self._done_ns = max(self._done_ns, done_ns)
        part.content.close()
        for other in self._parts:
            other.mark = replace(other.mark, written_ns=max(other.mark.written_ns, done_ns))

    # ---- what happened to the path -------------------------------------------------------------------

    def _look(self, now_s: float) -> None:
        try:
            status = self.path.stat()
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self._retire(now_s)
            self._lament(error, now_s)
            return
        live = self._live
        if live and not live.mark.same_inode(status):
            self._retire(now_s)
            live = None
        if live is None:
            if self._done_ns:
                self._add_newer(self._done_ns, tuple(part.mark for part in self._parts), now_s)
            self._open_live(now_s)
        elif self._seen != (status.st_size, status.st_mtime_ns):
            self._seen = (status.st_size, status.st_mtime_ns)
            self._check_truncated(live, status.st_size, now_s)

    def _open_live(self, now_s: float) -> None:
        try:
            content = Plain(self.path)
        except OSError as error:
            self._lament(error, now_s)
            return
        status = content.status()
        if not stat.S_ISREG(status.st_mode):
            content.close()
            self._say_blind(f"{self.path} is not a regular file", "log to a file, or to the journal")
            return
        if not self._revive(content, status):
            offset = 0 if self._from_start else self._offset_before_end(content, status.st_size)
            mark = Mark(status.st_dev, status.st_ino, 0)
            # What is written within the same instant counts as later.
            written_ns = status.st_mtime_ns - (offset == 0)
            mark = mark.at(offset, written_ns, content.read(0, HEAD_BYTES))
            self._live = Part(self.path, content, mark)
            self._parts.append(self._live)
        self._from_start, self._missing_since_s = True, None
        self._seen = (-1, -1)
        self.notices.append(Notice("reading"))

    def _revive(self, content: Plain, status: os.stat_result) -> bool:
        """Go on with a file that lost its name and got it back."""
        for part in self._parts:
            if isinstance(part.content, Plain) and part.mark.same_inode(status):
                content.close()
                part.until_s, self._live = None, part
                self._parts.remove(part)
                self._parts.append(part)
                return True
        return False

    def _offset_before_end(self, content: Plain, size: int) -> int:
        size = min(size, self._first_size) if self._first_size is not None else size
        wanted = max(0, size - self._backfill_bytes)
        start = max(0, wanted - MAX_LINE_BYTES)
        newline = content.read(start, wanted - start).rfind(b"\n")
        return start + newline + 1 if newline >= 0 else start

    def _check_truncated(self, live: Part, size: int, now_s: float) -> None:
        mark = live.mark
        start = live.content.read(0, HEAD_BYTES)
        if size >= mark.offset and mark.same_start(start):
            return
        if mark.same_start(start) and mark.head_bytes == HEAD_BYTES:
            # Cut in the middle: what is left was read.
            live.mark = mark.at(size, mark.written_ns, b"")
            self.notices.append(Notice("gap", f"{self.path} was cut to {size} bytes"))
            return
        live.mark = _emptied(live)
        copy = find_marked(mark, rotated_files(self.path)) if mark.head_bytes else None
        if copy is None and mark.offset:
            why = f"{self.path} was emptied; lines written just before may be lost"
            self.notices.append(Notice("gap", why, "rotate by rename (logrotate without copytruncate)"))
        if copy is not None:
            self._add_former(copy, mark, now_s, before=live)

    # ---- former files -----------------------------------------------------------------------------------

    def _retire(self, now_s: float) -> None:
        if self._live:
            self._live.until_s, self._live.linger_s = now_s + self._grace_s, self._grace_s
            self._done_ns = max(self._done_ns, _last_written_ns(self._live))
            self._live = None

    def _add_newer(self, written_ns: int, known: tuple[Mark, ...], now_s: float) -> None:
        """Add the former files that were written after all that is known."""
        for file in rotated_files(self.path):
            if file.status.st_mtime_ns > written_ns and not any(file.is_marked(mark) for mark in known):
                mark = Mark(file.status.st_dev, file.status.st_ino, 0, file.status.st_mtime_ns - 1)
                self._add_former(file, mark, now_s)

    def _add_former(self, file: Rotated, mark: Mark, now_s: float, before: Part | None = None) -> None:
        try:
            content = file.open()
        except OSError as error:
            self.notices.append(Notice("gap", f"cannot read {file.path}: {error.strerror}", _mend(file.path)))
            return
        renamed = isinstance(content, Plain) and mark.same_inode(file.status)
        linger_s = self._grace_s if renamed else 0.0
        # A copy has the text of the marked file and an inode of its own.
        mark = replace(mark, device=file.status.st_dev, inode=file.status.st_ino)
        part = Part(file.path, content, mark, now_s + linger_s, linger_s)
        index = self._parts.index(before) if before else len(self._parts)
        self._parts.insert(index, part)

    def _resume(self, now_s: float) -> bool:
        """Find the saved files again under whatever names they bear now; False while that is not possible."""
        try:
            Plain(self.path).close()
        except FileNotFoundError:
            pass
        except OSError as error:
            self._lament(error, now_s)
            return False
        names, noted = _names(self.path), len(self.notices)
        self._find_saved(self._saved, now_s)
        if _names(self.path) != names:
            # Files were rotated while we looked for ours: what we opened may be another one.
            self.close()
            while len(self.notices) > noted:
                self.notices.pop()
            return False
        self._saved = ()
        return True

    def _find_saved(self, marks: tuple[Mark, ...], now_s: float) -> None:
        former = rotated_files(self.path)
        # Of an empty file only the inode was known, and that may be another file's by now: time decides.
        begun = tuple(mark for mark in marks if mark.offset)
        live_mark = next((mark for mark in begun if self._is_live(mark)), None)
        for mark in begun:
            file = find_marked(mark, former) if mark is not live_mark else None
            if file:
                self._add_former(file, mark, now_s)
            elif mark is not live_mark:
                self.notices.append(Notice("gap", f"what was left to read of {self.path} was rotated away"))
        if live_mark is None:
            unread = [mark.written_ns for mark in marks if not mark.offset]
            self._add_newer(min(unread) if unread else max(m.written_ns for m in begun), begun, now_s)
        with suppress(OSError):
            self.path.stat()
            self._open_live(now_s)
        if self._live and live_mark:
            self._live.mark = live_mark

    def _is_live(self, mark: Mark) -> bool:
        try:
            content = Plain(self.path)
        except OSError:
            return False
        try:
            status = content.status()
            whole = mark.same_inode(status) and status.st_size >= mark.offset
            return whole and mark.same_start(content.read(0, HEAD_BYTES))
        except OSError:
            return False
        finally:
            content.close()

    def _read_position(self, position: str) -> tuple[Mark, ...]:
        try:
            return from_position(position)
        except ValueError:
            self._from_start = False
            self.notices.append(Notice("gap", f"the saved place in {self.path} is not readable"))
            return ()

    # ---- what stands in the way ------------------------------------------------------------------------

    def _lament(self, error: OSError, now_s: float) -> None:
        if isinstance(error, PermissionError):
            self._say_blind(f"no permission to read {self.path}", _mend(self.path))
            self._note_size()
            return
        if self._missing_since_s is None:
            self._missing_since_s = now_s
        # Between rename and reopen the name is free for a moment.
        if self._parts and now_s - self._missing_since_s < self._grace_s:
            return
        self._from_start = True
        reason = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror
        self._say_blind(f"{self.path} {reason}", "correct the path, or start what writes it")

    def _note_size(self) -> None:
        """Remember where the unreadable file ended first: what comes after is wanted."""
        if self._first_size is None:
            try:
                self._first_size = self.path.stat().st_size
            except OSError:
                return

    def _say_blind(self, why: str, mend: str) -> None:
        self.notices.append(Notice("blind", why, mend))


def _last_written_ns(part: Part) -> int:
    written_ns = part.content.status().st_mtime_ns if isinstance(part.content, Plain) else 0
    return max(written_ns, part.mark.written_ns + (part.mark.offset == 0))


def _names(path: Path) -> list[tuple[str, int]]:
    """List which files bear the log's name and its rotated forms now."""
    found = [(file.path.name, file.status.st_ino) for file in rotated_files(path)]
    with suppress(OSError):
        found.append((path.name, path.stat().st_ino))
    return sorted(found)


def _emptied(live: Part) -> Mark:
    """Give the mark of a file that begins anew."""
    mark, content = live.mark, live.content
    if not isinstance(content, Plain):
        return Mark(mark.device, mark.inode, 0)
    written_ns = content.status().st_mtime_ns
    return Mark(mark.device, mark.inode, 0, written_ns).at(content.first_data(), written_ns, b"")


def _mend(path: Path) -> str:
    """Say how to let analyzerd read a file: its group when that helps, an ACL otherwise."""
    for parent in reversed(path.parents):
        if not os.access(parent, os.X_OK, effective_ids=True):
            return f"let analyzerd enter the directory: `setfacl -m u:analyzerd:x {parent}`"
    acl = f"`setfacl -m u:analyzerd:r {path}` (and a default ACL or `create` in logrotate for the next file)"
    try:
        status = path.stat()
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        return f"let analyzerd read it: {acl}"
    if status.st_mode & stat.S_IRGRP and status.st_gid != 0:
        return f"let analyzerd read it: `usermod -aG {group} analyzerd` and restart it, or {acl}"
    return f"let analyzerd read it: {acl}"
