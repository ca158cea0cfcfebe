"""A dump of all threads by py-spy (``dump --json``) to one event: where the threads stand that matter. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from analyzerd.formats.stacks import Frame, application_frame
from analyzerd.formats.traceback import stack_fields
from analyzerd.model import Event, Value

SOURCE = "stack"
MAX_DUMP_BYTES = 4 << 20
_MAX_THREADS, _MAX_FRAMES = 512, 256
_MAX_NAME, _MAX_PATH = 200, 1024

SLEEP, SOCKET, LOCK, CHILD = "sleep", "socket", "lock", "subprocess"
SYSTEM_CALLS: Mapping[str, Mapping[int, str]] = {
    "x86_64": {
        **dict.fromkeys((35, 230), SLEEP),
        **dict.fromkeys((7, 20, 23, 42, 43, 44, 45, 46, 47, 232, 270, 271, 281, 288), SOCKET),
        **dict.fromkeys((73, 202), LOCK),
        **dict.fromkeys((61, 247), CHILD),
    },
    "aarch64": {
        **dict.fromkeys((101, 115), SLEEP),
        **dict.fromkeys((22, 72, 73, 202, 203, 206, 207, 211, 212, 242), SOCKET),
        **dict.fromkeys((32, 98), LOCK),
        **dict.fromkeys((95, 260), CHILD),
    },
}
"""What a thread that sits in a system call waits for, by the number in /proc/PID/task/TID/syscall."""


class _Frame(msgspec.Struct):
    name: str
    filename: str
    line: int = 0


class _Thread(msgspec.Struct):
    frames: list[_Frame] = []
    os_thread_id: int | None = None
    owns_gil: bool = False


@dataclass(frozen=True, slots=True)
class _Stack:
    """One thread, its frames outermost first. ``waits_for``: '' while it computes or where that is not known."""

    tid: int
    frames: list[Frame]
    owns_gil: bool
    waits_for: str

    @property
    def serves(self) -> bool:
        """Whether gunicorn has called the application in it."""
        called = any("/gunicorn/" in frame.path for frame in self.frames)
        return called and application_frame(self.frames) is not None


def waits_for(call: str | None, machine: str) -> str:
    """What a thread waits for: sleep, socket, lock, subprocess, or ''. ``call``: the text of its syscall file."""
    number = (call or "").split(" ", 1)[0]
    return SYSTEM_CALLS.get(machine, {}).get(int(number), "") if number.isdigit() else ""


def parse_dump(
    data: bytes, *, time_s: float, unit: str, worker: int, waits: Mapping[int, str], silent: bool
) -> Event | None:
    """Name where a worker stands; None where the dump has no frame. ``waits``: by thread, see waits_for().

    ``silent``: the whole worker stands still, so whoever holds the interpreter keeps the others from running;
    else what most of the threads that serve a request have in common is told. Raises ValueError for what is no dump.
    """
    try:
        threads = msgspec.json.decode(data, type=list[_Thread])[:_MAX_THREADS]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a dump of py-spy: {str(error)[:200]}") from None
    stacks = [_stack(thread, waits) for thread in threads if thread.frames]
    chosen = _that_matter(stacks, worker, silent=silent)
    if not chosen:
        return None
    serving = sum(stack.serves for stack in stacks)
    fields = {"event": "stack-dump", "worker": worker, "threads": len(chosen), "serving": serving, **_where(chosen[0])}
    text = f"py-spy: {len(chosen)} of {max(serving, len(chosen))} busy threads of worker {worker} at {fields['frame']}"
    return Event(time_s, SOURCE, text, unit, worker, trusted=True, fields=fields)


def _stack(thread: _Thread, waits: Mapping[int, str]) -> _Stack:
    frames = [
        Frame(f.filename[:_MAX_PATH], f.line, f.name[:_MAX_NAME].rpartition(".")[2])
        for f in thread.frames[:_MAX_FRAMES]
    ]
    tid = thread.os_thread_id or 0
    return _Stack(tid, frames[::-1], thread.owns_gil, waits.get(tid, ""))


def _that_matter(stacks: Sequence[_Stack], worker: int, *, silent: bool) -> list[_Stack]:
    """The threads that stand at one place: the interpreter's holder, else the place of most, else the main thread."""
    if silent and (holders := [s for s in stacks if s.owns_gil]):
        return holders[:1]
    main = [stack for stack in stacks if stack.tid == worker]
    if silent and main and main[0].serves:
        return main
    places: dict[str, list[_Stack]] = {}
    for stack in stacks:
        if stack.serves and (frame := application_frame(stack.frames)):
            places.setdefault(frame.short(), []).append(stack)
    return max(places.values(), key=len) if places else main


def _where(stack: _Stack) -> dict[str, Value]:
    """Classify as for a traceback; a dump holds no source text, so what the thread waits for takes its place."""
    fields = stack_fields(stack.frames)
    if fields["stack_kind"] == "app-code" and stack.waits_for:
        by_call = {SOCKET: {"stack_kind": "other", "waits_on": "socket"}}
        fields |= by_call.get(stack.waits_for, {"stack_kind": stack.waits_for})
    return fields
