"""Joins the lines of a traceback or an OOM report into one event. Its state is plain and can be saved."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzerd.formats import app, gunicorn, kernel
from analyzerd.formats.blocks import MAX_LINE_BYTES, Block, continues_traceback, starts_traceback
from analyzerd.formats.clean import chomp, clean
from analyzerd.formats.traceback import MARKER, traceback_fields
from analyzerd.model import Entry, Event, Stream, Value

MAX_OPEN_BLOCKS = 64
SAME_BLOCK_S = 1.0
"""Lines of one block are written at once; a later line of the same process is another record."""

OOM_GROUP_S = 5.0
"""Kills of one ``memory.oom.group`` follow each other within this time."""


@dataclass(slots=True)
class AssemblyState:
    """Everything an Assembler remembers: open blocks by key, and the last finished OOM report."""

    open: dict[str, Block] = field(default_factory=dict)
    last_oom: Block | None = None
    oom_pids: list[int] = field(default_factory=list)


class Assembler:
    """Feeds on the lines of one stream.

    ``key`` tells interleaved writers apart (a journal's pid); in a file it is ''.
    ``took``: the line fed last went into a block; otherwise the caller parses it as a line of its own.
    """

    def __init__(self, stream: Stream, state: AssemblyState | None = None) -> None:
        self.stream = stream
        self.state = state or AssemblyState()
        self.took = False

    @property
    def inside(self) -> bool:
        """Whether any block is unfinished, so that the next lines must be fed."""
        return bool(self.state.open)

    def starts(self, line: bytes) -> bool:
        """Whether this line can begin a block (or belongs to one whose beginning is missing)."""
        if self.stream.kind == "kernel":
            text = _kernel_text(line)
            return kernel.is_kill(text) or kernel.is_oom_part(text)
        return bool(starts_traceback(chomp(line)))

    def feed(
        self,
        line: bytes,
        time_s: float | None = None,
        pid: int | None = None,
        *,
        key: str = "",
        trusted: bool = False,
        unit: str = "",
    ) -> list[Event]:
        """Take one whole line; returns the events that it completed, in order."""
        line = chomp(line)
        fresh = Block(time_s=time_s, last_s=time_s, pid=pid, trusted=trusted, unit=unit or self.stream.unit)
        if self.stream.kind == "kernel":
            return self._feed_kernel(line, fresh)
        return self._feed_text(line, fresh, key)

    def feed_entry(self, entry: Entry) -> list[Event]:
        """Take one journal entry; its process is the key. Kernel entries go to a report of their own."""
        if entry.transport == "kernel":
            return self._feed_kernel(chomp(entry.message), Block(time_s=entry.time_s, last_s=entry.time_s))
        block = Block(entry.time_s, entry.time_s, entry.pid, entry.pid is not None, entry.unit or self.stream.unit)
        return self._feed_text(chomp(entry.message), block, f"{entry.unit}:{entry.pid}")

    def flush(self) -> list[Event]:
        """Finish every open block with what is there (end of input)."""
        return [event for key in list(self.state.open) for event in self._close(key)]

    def expire(self, now_s: float, age_s: float = 2.0) -> list[Event]:
        """Finish blocks that got no line for ``age_s`` seconds; blocks without a time are left alone."""
        old = [key for key, block in self.state.open.items() if block.last_s and now_s - block.last_s > age_s]
        return [event for key in old for event in self._close(key)]

    # ---- tracebacks --------------------------------------------------------------------------------

    def _feed_text(self, line: bytes, fresh: Block, key: str) -> list[Event]:
        done: list[Event] = []
        block = self.state.open.get(key)
        if block is not None:
            if self._together(block, fresh) and (phase := continues_traceback(block, line)):
                self.took = True
                block.take(line, phase, fresh.last_s)
                return done
            done = self._close(key)
        phase = starts_traceback(line)
        self.took = bool(phase)
        if phase:
            done += self._make_room()
            fresh.take(line, phase, fresh.last_s)
            self.state.open[key] = fresh
        return done

    def _together(self, block: Block, fresh: Block) -> bool:
        if block.last_s is None or fresh.last_s is None:
            return True
        return abs(fresh.last_s - block.last_s) <= SAME_BLOCK_S

    def _make_room(self) -> list[Event]:
        if len(self.state.open) < MAX_OPEN_BLOCKS:
            return []
        return self._close(next(iter(self.state.open)))

    def _close(self, key: str) -> list[Event]:
        block = self.state.open.pop(key)
        if key == "kernel":
            return self._oom_event(block)
        if len(block.lines) == 1 and block.phase == "headline":
            return [event] if (event := self._headline(block)) else []
        return [self._traceback(block)]

    def _headline(self, block: Block) -> Event | None:
        """Read the first line on its own, with the journal's word for time and pid where there is one."""
        line = block.lines[0]
        if block.trusted and block.time_s is not None:
            entry = Entry(block.time_s, line, block.pid, block.unit, "stdout")
            return gunicorn.parse_entry(entry, self.stream) or app.parse_entry(entry, self.stream)
        return gunicorn.parse(line, self.stream) or app.parse(line, self.stream)

    def _traceback(self, block: Block) -> Event:
        lines = [clean(line) for line in block.lines]
        head = None if MARKER.encode() in block.lines[0][:60] else self._headline(block)
        fields: dict[str, Value] = dict(head.fields) if head else {"level": ""}
        fields.update(traceback_fields(lines[1:] if head else lines))
        if block.dropped:
            fields["dropped_lines"] = block.dropped
        text = head.text if head else str(fields["exception_text"]) or lines[-1]
        source = head.source if head and not fields.get("aborted") else _owner(lines)
        time_s = head.time_s if head and head.time_s else block.time_s or 0.0
        pid = head.pid if head and head.pid is not None else block.pid
        return Event(time_s, source, text, block.unit, pid, block.trusted, fields, self.stream.name)

    # ---- kernel reports ------------------------------------------------------------------------------

    def _feed_kernel(self, line: bytes, fresh: Block) -> list[Event]:
        body, time_s = kernel.strip_front(line)
        text = clean(body)
        fresh.last_s = fresh.time_s = time_s or fresh.time_s
        done = self._close("kernel") if kernel.starts_oom(text) and "kernel" in self.state.open else []
        kill = kernel.is_kill(text)
        self.took = kill or kernel.is_oom_part(text)
        if not self.took:
            return done
        if kill and "kernel" not in self.state.open:
            return [*done, *self._later_kill(text, fresh)]
        if kernel.names_group(text) and "kernel" not in self.state.open:
            return done
        block = self.state.open.setdefault("kernel", fresh)
        block.take(text.encode(), "oom", fresh.last_s)
        if kill:
            block.time_s = fresh.time_s
            return [*done, *self._close("kernel")]
        return done

    def _later_kill(self, text: str, fresh: Block) -> list[Event]:
        """Read a kill line outside a report: one more of a group (or the first, repeated), or alone."""
        last, pid = self.state.last_oom, kernel.oom_fields([text]).get("pid")
        if last is None or not _near(last, fresh):
            fresh.take(text.encode(), "oom", fresh.last_s)
            return self._oom_event(fresh)
        if pid in self.state.oom_pids:
            return []
        more = Block(fresh.time_s, fresh.last_s, lines=[*last.lines[:-1], text.encode()])
        return self._oom_event(more, group=True)

    def _oom_event(self, block: Block, group: bool = False) -> list[Event]:
        lines = [clean(line) for line in block.lines]
        if not any(kernel.is_kill(line) or line.startswith("oom-kill:") for line in lines):
            return []
        # In a group every process is a victim: the summary names the first, the table stays true for all.
        fields = kernel.oom_fields([line for line in lines if not (group and line.startswith("oom-kill:"))])
        if group:
            first = kernel.oom_fields(lines[:-1])
            fields.update({name: first[name] for name in _GROUP_FIELDS if name in first}, group=True)
        pid = fields.get("pid")
        if isinstance(pid, int):
            self.state.oom_pids = [*self.state.oom_pids, pid][-256:] if group else [pid]
        self.state.last_oom = block
        return [
            Event(
                block.time_s or 0.0,
                "kernel",
                next((line for line in reversed(lines) if kernel.is_kill(line)), lines[-1]),
                str(fields["unit"]),
                trusted=True,
                fields=fields,
                stream=self.stream.name,
            )
        ]


_GROUP_FIELDS = ("unit", "constraint", "oom_memcg", "task_memcg")


def _kernel_text(line: bytes) -> str:
    return clean(kernel.strip_front(line[: 2 * MAX_LINE_BYTES])[0])


def _near(last: Block, fresh: Block) -> bool:
    if not last.last_s or not fresh.time_s:
        return not fresh.time_s
    return 0 <= fresh.time_s - last.last_s <= OOM_GROUP_S


def _owner(lines: list[str]) -> str:
    """Say who failed in a traceback without headline: gunicorn itself, or the application."""
    frames = [line for line in lines if line.lstrip().startswith('File "')]
    telling = [*frames[:2], *frames[-1:]]
    return "gunicorn" if any("/gunicorn" in line for line in telling) else "app"
