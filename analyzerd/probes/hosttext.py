"""The text of host-wide /proc files and of cgroup files to values. Reads nothing itself."""

from __future__ import annotations

import re

CPU_NAMES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
VMSTAT_NAMES = (b"pswpin", b"pswpout", b"pgmajfault", b"oom_kill")
NETSTAT_NAMES = (
    b"SyncookiesSent",
    b"ListenOverflows",
    b"ListenDrops",
    b"TCPTimeouts",
    b"TCPReqQFullDoCookies",
    b"TCPReqQFullDrop",
    b"TCPSynRetrans",
)
_V1_UNLIMITED_BYTES = 1 << 62


def parse_cpu(data: bytes, ticks_per_s: int = 100) -> dict[str, float]:
    """Read the first line of /proc/stat: seconds all cores together spent, by kind."""
    field = data.partition(b"\n")[0].split()[1:]
    return {name: int(value) / ticks_per_s for name, value in zip(CPU_NAMES, field, strict=False)}


def count_cores(data: bytes) -> int | None:
    """Count the cores that /proc/stat lists."""
    return len(re.findall(rb"^cpu\d+ ", data, re.MULTILINE)) or None


def parse_counters(data: bytes, names: tuple[bytes, ...]) -> dict[str, int]:
    """Pick counters of a file of ``name value`` lines (vmstat, memory.events, cpu.stat, oom_control)."""
    found = {}
    for line in data.splitlines():
        name, _, value = line.partition(b" ")
        if name in names and value.strip().isdigit():
            found[name.decode()] = int(value)
    return found


def parse_netstat(data: bytes, names: tuple[bytes, ...] = NETSTAT_NAMES) -> dict[str, int]:
    """Pick counters of /proc/net/netstat, whose lines come in pairs of names and values."""
    found = {}
    lines = data.splitlines()
    for heads, values in zip(lines[::2], lines[1::2], strict=False):
        for name, value in zip(heads.split()[1:], values.split()[1:], strict=False):
            if name in names:
                found[name.decode()] = int(value)
    return found


def parse_meminfo(data: bytes, name: bytes) -> int | None:
    """Read one line of /proc/meminfo in bytes."""
    match = re.search(rb"^" + name + rb": +(\d+) kB", data, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def parse_load(data: bytes) -> float | None:
    """Read the one-minute load of /proc/loadavg."""
    first = data.partition(b" ")[0]
    return float(first) if re.fullmatch(rb"\d+\.\d+", first) else None


def parse_pressure(data: bytes) -> dict[str, int]:
    """Read a PSI file: total stalled microseconds of ``some`` and ``full``."""
    totals = re.findall(rb"^(some|full) .*total=(\d+)", data, re.MULTILINE)
    return {kind.decode(): int(total) for kind, total in totals}


def parse_limit(data: bytes) -> int | None:
    """Read memory.max or memory.limit_in_bytes; None for no limit in either layout's way of saying so."""
    text = data.strip()
    if not text.isdigit():
        return None
    value = int(text)
    return value if value < _V1_UNLIMITED_BYTES else None


def parse_frozen(data: bytes) -> bool | None:
    """Read freezer.state (one word) or cgroup.events (a line ``frozen 1``); None when neither says it."""
    word = data.strip()
    if word in (b"THAWED", b"FREEZING", b"FROZEN"):
        return word == b"FROZEN"
    told = parse_counters(data, (b"frozen",)).get("frozen")
    return None if told is None else told == 1
