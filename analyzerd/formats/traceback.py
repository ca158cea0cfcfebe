"""Turns the lines of one Python traceback (chained blocks included) into typed fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from analyzerd.formats.clean import clean_text
from analyzerd.formats.stacks import Frame, application_frame, classify
from analyzerd.model import Value

MARKER = "Traceback (most recent call last):"
CHAINS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_FRAME = re.compile(r'\s+File "(?P<path>[^"]{1,4096})", line (?P<line>\d{1,9})(?:, in (?P<function>.{1,256}))?')
_POINTER = re.compile(r"\s+[~^]*\^[~^]*\s*\Z|\s+\^\s*\Z")
_EXCEPTION = re.compile(r"(?P<name>[A-Za-z_][\w.]{0,255})(?::(?: (?P<text>.*))?)?\Z", re.DOTALL)


@dataclass(slots=True)
class Block:
    """One ``Traceback`` block: its frames and the lines after them."""

    frames: list[Frame] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)


def blocks(lines: list[str]) -> list[Block]:
    """Split the lines after the headline into blocks; a missing first marker is forgiven."""
    found = [Block()]
    for line in lines:
        if MARKER in line[:60]:
            if found[-1].frames or found[-1].tail:
                found.append(Block())
        elif line.strip() and not line.startswith(CHAINS):
            _add(found[-1], line)
    return [block for block in found if block.frames or block.tail]


def _add(block: Block, line: str) -> None:
    match = _FRAME.match(line)
    if match:
        name = match["function"] or "<module>"
        block.frames.append(Frame(match["path"], int(match["line"]), name.strip()))
    elif not block.tail and line[:1] in (" ", "\t"):
        _add_code(block, line)
    else:
        block.tail.append(line)


def _add_code(block: Block, line: str) -> None:
    if not block.frames:
        return
    frame = block.frames[-1]
    if not frame.code:
        block.frames[-1] = replace(frame, code=line)
    elif not frame.piece and _POINTER.match(line):
        start, end = len(line) - len(line.lstrip()), len(line.rstrip())
        block.frames[-1] = replace(frame, piece=frame.code[start:end])


def exception_of(block: Block) -> tuple[str, str]:
    """Name and whole first line of the exception of a block ('' and '' when it was cut off)."""
    if not block.tail:
        return "", ""
    line = block.tail[0]
    match = _EXCEPTION.match(line.strip().rstrip("]") if line.endswith("]") else line.strip())
    return (match["name"] if match else ""), line.strip()


def traceback_fields(lines: list[str]) -> dict[str, Value]:
    """Read all the agreed fields of a traceback from its lines (the headline is not among them)."""
    found = blocks(lines)
    if not found:
        return {"event": "traceback", "exception": "", "exception_text": "", "stack_kind": "other"}
    shown = next((block for block in reversed(found) if _aborted(block)), found[-1])
    exception, text = exception_of(found[-1])
    fields: dict[str, Value] = {
        "event": "traceback",
        "exception": exception,
        "exception_text": clean_text(text, 2048),
        "aborted": _aborted(shown),
        **stack_fields(shown.frames),
    }
    if len(found) > 1:
        fields["root_exception"] = clean_text(exception_of(found[0])[1], 2048)
    detail = " ".join(line.strip() for line in found[-1].tail[1:])
    if detail:
        fields["exception_detail"] = clean_text(detail, 2048)
    return fields


def _aborted(block: Block) -> bool:
    return bool(block.frames) and block.frames[-1].function == "handle_abort"


def stack_fields(frames: list[Frame]) -> dict[str, Value]:
    """Say where a stack (outermost frame first) stands, without gunicorn's own handler of the abort."""
    running = frames[:-1] if frames and frames[-1].function == "handle_abort" else frames
    if not running:
        return {"stack_kind": "other"}
    kind, waits_on = classify(running)
    app = application_frame(running) or running[-1]
    fields: dict[str, Value] = {
        "stack_kind": kind,
        "frame": clean_text(app.short(), 300),
        "frame_path": clean_text(app.path, 1024),
        "frame_code": clean_text(app.code.strip(), 300),
        "inner_frame": clean_text(running[-1].short(), 300),
    }
    if waits_on:
        fields["waits_on"] = waits_on
    return fields
