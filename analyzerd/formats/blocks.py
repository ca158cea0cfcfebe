"""Where a traceback starts, what continues it, and a bounded store of its lines. Reads no meaning into it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from analyzerd.formats.app import DATED
from analyzerd.formats.gunicorn import PREFIX

MAX_LINES = 400
MAX_BYTES = 64 * 1024
MAX_LINE_BYTES = 8192
MAX_SEEN_LINES = 5000
_HEAD_LINES = 100

_MARKER = b"Traceback (most recent call last):"
_MARKERS = (_MARKER, b"[" + _MARKER)
_CHAINS = (b"During handling of the above exception", b"The above exception was the direct cause")
_HEADLINE = re.compile(
    rb"Error handling request|Exception in worker process|(?:ERROR in \S{1,100}: )?Exception on \S{1,8192} \["
    rb"|Socket error processing request\.|Unhandled exception in main loop|Exception ignored in:"
)
_RAW_HEADLINE = re.compile(
    rb"Exception ignored in:|Exception in thread |Error: class uri |Exception in worker process\Z"
)
_TAIL = re.compile(
    rb"[ \t]|\(Background on this error at: |\[SQL: |\[parameters: "
    rb"|(?:DETAIL|CONTEXT|HINT|LINE \d{1,6}):|\[Previous line "
)
_EXCEPTION = re.compile(rb"\[?[A-Za-z_][\w.]{0,255}(?::|\]?\Z)")


@dataclass(slots=True)
class Block:
    """Lines of one unfinished block; ``dropped`` counts those beyond the caps (taken out of the middle)."""

    time_s: float | None = None
    last_s: float | None = None
    pid: int | None = None
    trusted: bool = False
    unit: str = ""
    phase: str = ""
    lines: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    dropped: int = 0

    def take(self, line: bytes, phase: str, time_s: float | None) -> None:
        """Keep one more line within the caps; blank ones only move the phase."""
        self.phase, self.last_s = phase, time_s
        if not line.strip():
            return
        line = line[:MAX_LINE_BYTES]
        self.lines.append(line)
        self.size_bytes += len(line)
        while len(self.lines) > MAX_LINES or self.size_bytes > MAX_BYTES:
            middle = min(_HEAD_LINES, len(self.lines) // 2)
            self.size_bytes -= len(self.lines.pop(middle))
            self.dropped += 1


def starts_traceback(line: bytes) -> str:
    """Give the phase a block begins in with this line: ``headline``, ``frames``, or '' for no block."""
    if line.startswith(_MARKERS):
        return "frames"
    match = PREFIX.match(line)
    if match:
        return "headline" if _HEADLINE.match(match[4]) else ""
    match = DATED.match(line)
    if match:
        return "headline" if _HEADLINE.match(match[3] + b" " + match[4]) else ""
    return "headline" if _RAW_HEADLINE.match(line) else ""


def continues_traceback(block: Block, line: bytes) -> str:
    """Give the phase after this line, or '' when the line is not the block's."""
    if len(block.lines) + block.dropped >= MAX_SEEN_LINES:
        return ""
    if block.phase == "headline":
        return "frames" if line.startswith(_MARKERS) else "headline" if not line.strip() else ""
    if block.phase == "frames":
        return _after_frame(line)
    if block.phase == "chained":
        return "chained" if not line.strip() else "frames" if line.startswith(_MARKER) else ""
    return _after_exception(block, line)


def _after_frame(line: bytes) -> str:
    if not line or line[:1] in b" \t":
        return "frames"
    return "" if is_record(line) else "tail"


def _after_exception(block: Block, line: bytes) -> str:
    if not line.strip() or _TAIL.match(line):
        return "tail"
    if line.startswith(_CHAINS):
        return "chained"
    # gunicorn 24 and later print the bare exception text once more after a boot failure.
    repeated = len(line) > 3 and block.lines[-1].endswith(b": " + line)
    return "tail" if repeated else ""


def is_record(line: bytes) -> bool:
    """Whether a line is certainly a record of its own, not a part of a traceback."""
    return line.startswith(_MARKERS) or bool(PREFIX.match(line) or DATED.match(line))


def continues(line: bytes) -> bool:
    """Whether a line could stand inside some traceback, whatever came before it."""
    return (
        not line.strip()
        or line.startswith((*_CHAINS, *_MARKERS))
        or bool(_TAIL.match(line) or _EXCEPTION.match(line[:300]))
    ) and not (PREFIX.match(line) or DATED.match(line))
