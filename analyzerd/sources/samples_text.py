"""samples.jsonl: one JSON object per sampling instant -> Sample. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from analyzerd.model import (
    CgroupReading,
    DiskReading,
    HostReading,
    ListenerReading,
    ProcessReading,
    Sample,
)

_NO_LIMIT_BYTES = 1 << 60


class _Line(msgspec.Struct, omit_defaults=True):
    time: float
    host: HostReading = msgspec.field(default_factory=HostReading)
    processes: tuple[ProcessReading, ...] = ()
    listeners: tuple[ListenerReading, ...] = ()
    cgroups: tuple[CgroupReading, ...] = ()
    disks: tuple[DiskReading, ...] = ()
    cgroup: dict[str, Any] = {}
    late_s: float | None = None


_DECODER = msgspec.json.Decoder(_Line)


def write_sample(sample: Sample) -> bytes:
    """Return the line of one sampling instant, as read_samples reads it."""
    line = _Line(sample.time_s, sample.host, sample.processes, sample.listeners, sample.cgroups, sample.disks)
    return msgspec.json.encode(line, enc_hook=_plain) + b"\n"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(type(value).__name__)


def looks_like_samples(line: bytes) -> bool:
    """Tell whether a line is one sampling instant."""
    try:
        read = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return bool(read.processes or read.listeners or read.host.cores)


def read_samples(blocks: Iterable[bytes], unit: str, notes: list[str]) -> Iterator[Sample]:
    """Yield one Sample per line; a line that is not one is noted with its number and skipped."""
    number = 0
    for block in blocks:
        for line in block.splitlines():
            number += 1
            if not line.strip():
                continue
            try:
                read = _DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                notes.append(f"line {number} is not a sample: {error}")
                continue
            yield _sample(read, unit)


def _sample(line: _Line, unit: str) -> Sample:
    raw = (_cgroup(line.cgroup, unit),) if line.cgroup else ()
    processes = tuple(p if p.unit or not unit else replace(p, unit=unit) for p in line.processes)
    listeners = tuple(x if x.unit or not unit else replace(x, unit=unit) for x in line.listeners)
    return Sample(line.time, line.host, processes, listeners, line.cgroups + raw, line.disks, line.late_s)


def _cgroup(files: dict[str, Any], unit: str) -> CgroupReading:
    """Read the cgroup's files (v1 or v2 names) as they stood, content as text."""
    limit = _number(files.get("memory.max", files.get("memory.limit_in_bytes")))
    events = _keyed(files.get("memory.events")) | _keyed(files.get("memory.oom_control"))
    cpu = _keyed(files.get("cpu.stat"))
    return CgroupReading(
        unit,
        memory_bytes=_number(files.get("memory.current", files.get("memory.usage_in_bytes"))),
        memory_limit_bytes=limit if limit is not None and limit < _NO_LIMIT_BYTES else None,
        oom_kills=events.get("oom_kill"),
        cpu_periods=cpu.get("nr_periods"),
        cpu_throttled=cpu.get("nr_throttled"),
        high_hits=events.get("high"),
        max_hits=events.get("max"),
    )


def _number(text: object) -> int | None:
    digits = str(text).strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _keyed(text: object) -> dict[str, int]:
    pairs = (line.split() for line in str(text or "").splitlines())
    read = {pair[0]: _number(pair[1]) for pair in pairs if len(pair) == 2}
    return {key: value for key, value in read.items() if value is not None}
