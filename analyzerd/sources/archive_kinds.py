"""What a path holds, told from its first bytes: a journal's output or files, readings, or a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from analyzerd.formats.detect import detect
from analyzerd.sources.chunks import file_chunks, stdin_chunks
from analyzerd.sources.journal_text import looks_like_export, looks_like_json
from analyzerd.sources.samples_text import looks_like_samples
from analyzerd.sources.syslog_text import text_kind

HEAD_BYTES = 1 << 16
_JOURNAL_MAGIC = b"LPKSHHRH"
ARCHIVE_KINDS = ("journal-json", "journal-export", "journal-short", "dmesg", "journal-files", "samples")
_CONTAINERS = {"journal-short-iso": "journal-short"}


@dataclass(slots=True)
class Content:
    """The bytes of one path, unpacked. ``path`` None is standard input, which can be read once."""

    path: Path | None
    _peeked: list[bytes] = field(default_factory=list)
    _stdin: Iterator[bytes] | None = None
    _notes: list[str] = field(default_factory=list)

    @classmethod
    def of_path(cls, path: Path) -> Content:
        """Refer to a file; nothing is opened yet."""
        return cls(path)

    @classmethod
    def of_stdin(cls) -> Content:
        """Refer to standard input."""
        content = cls(None)
        content._stdin = stdin_chunks(content._notes)
        return content

    @classmethod
    def of_bytes(cls, data: bytes) -> Content:
        """Hold text that is here already."""
        content = cls(None, [data])
        content._stdin = iter(())
        return content

    def head(self) -> bytes:
        """Return the first HEAD_BYTES at most, cut at a line's end where there is one; nothing of a file of blanks.

        Raises SourceError when the file cannot be opened.
        """
        if self._stdin is not None and not self._peeked:
            self._peeked = [next(self._stdin, b"")]
        start = self._peeked[0] if self.path is None else next(file_chunks(self.path, []), b"")
        head = start[:HEAD_BYTES]
        if len(head) < HEAD_BYTES and not head.strip():
            return b""
        return head[: head.rfind(b"\n") + 1] or head

    def chunks(self, notes: list[str]) -> Iterator[bytes]:
        """Yield everything; what is damaged is noted. Raises SourceError when the file cannot be opened."""
        if self.path is not None:
            yield from file_chunks(self.path, notes)
        elif self._stdin is not None:
            peeked, self._peeked = self._peeked, []
            yield from chain(peeked, self._stdin)
            notes.extend(self._notes)


def kind_of(head: bytes, name: str) -> str:
    """Name the kind of a text by its first lines; ``name`` decides only between kinds that look alike.

    Returns one of ARCHIVE_KINDS or formats.KINDS, '' when it is none of them.
    """
    if head.startswith(_JOURNAL_MAGIC):
        return "journal-files"
    if looks_like_json(head):
        return "journal-json"
    if head.lstrip().startswith(b"{") and looks_like_samples(head.lstrip().split(b"\n", 1)[0]):
        return "samples"
    if looks_like_export(head):
        return "journal-export"
    return text_kind(head) or _CONTAINERS.get(found := detect(head, name).kind, found)
