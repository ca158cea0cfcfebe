"""The words of gunicorn's control socket (25.1 and later): five questions, their answers. Opens no socket.

The same socket takes ``reload``, ``shutdown`` and ``worker kill``: nothing but the questions listed here can be asked.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from analyzerd.formats.gunicorn_settings import from_memory
from analyzerd.model import Setting

ORIGIN = "control socket"
ON_DISK = ".on_disk"
"""Suffix of the note that another value than the one in memory is written down: changed, but not yet loaded."""

HEADER_BYTES = 4
MAX_ANSWER_BYTES = 1 << 18
_MAX_TEXT = 256


class Question(StrEnum):
    """All that is ever asked. ``show all`` is not: for it the master itself waits for another process."""

    STATS = "show stats"
    WORKERS = "show workers"
    CONFIG = "show config"
    LISTENERS = "show listeners"
    DIRTY = "show dirty"


class _Answer(msgspec.Struct):
    status: str
    data: dict[str, Any] = {}
    error: str = ""


def request(question: Question) -> bytes:
    """One question as it goes over the socket."""
    body = msgspec.json.encode({"id": 1, "command": question.value, "args": []})
    return struct.pack(">I", len(body)) + body


def answer_length(header: bytes) -> int:
    """How many bytes follow the header. Raises ValueError where that is more than any true answer has."""
    length = int(struct.unpack(">I", header)[0])
    if length > MAX_ANSWER_BYTES:
        raise ValueError(f"it announced an answer of {length} bytes")
    return length


def parse_answer(body: bytes) -> Mapping[str, Any]:
    """Read the data of an answer. Raises ValueError for everything that is not a successful one."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"its answer cannot be read: {str(error)[:_MAX_TEXT]}") from None
    if answer.status != "ok":
        raise ValueError(f"it refused: {answer.error[:_MAX_TEXT]}")
    return answer.data


def settings_in_memory(
    config: Mapping[str, Any], stats: Mapping[str, Any], *, time_s: float, unit: str
) -> tuple[Setting, ...]:
    """Read what is in effect: ``show config``, with the number of workers that TTIN and TTOU have left."""
    target = stats.get("workers_target")
    values = {**config, "workers": target} if isinstance(target, int) else config
    return from_memory(values, ORIGIN, time_s=time_s, unit=unit)


def heartbeats(workers: Mapping[str, Any]) -> dict[int, float]:
    """Seconds since each worker's last beat, by pid; below -1e6 for one that has never beaten."""
    found: dict[int, float] = {}
    listed = workers.get("workers")
    for worker in listed[:4096] if isinstance(listed, list) else ():
        pid, age_s = (worker.get("pid"), worker.get("last_heartbeat")) if isinstance(worker, dict) else (None, None)
        if isinstance(pid, int) and isinstance(age_s, int | float):
            found[pid] = float(age_s)
    return found


def overlaid(written: Sequence[Setting], memory: Sequence[Setting]) -> tuple[Setting, ...]:
    """What is in effect, given what is written down: memory decides the value, paper says where to change it.

    A value that is written differently becomes a second Setting, named ``<name>.on_disk``, with its place.
    """
    on_paper = {setting.name: setting for setting in written}
    found = dict(on_paper)
    for setting in memory:
        paper = on_paper.get(setting.name)
        if paper is None or paper.value != setting.value:
            found[setting.name] = setting
        if paper is not None and paper.value != setting.value:
            note = setting.name + ON_DISK
            found[note] = Setting(setting.time_s, setting.unit, note, paper.value, paper.origin)
    return tuple(found[name] for name in sorted(found))
