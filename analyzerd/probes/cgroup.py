"""Accounting of units' cgroups, and whether they are frozen; v1, v2 and hybrid layouts. Changes nothing there."""

from __future__ import annotations

from pathlib import Path

from analyzerd.model import CgroupReading
from analyzerd.probes.hosttext import parse_counters, parse_frozen, parse_limit
from analyzerd.probes.kept import read_file
from analyzerd.probes.proctext import unit_path

_V1_MEMORY = ("memory.usage_in_bytes", "memory.limit_in_bytes", "memory.oom_control")
_V2_MEMORY = ("memory.current", "memory.max", "memory.events")
_CPU_NAMES = (b"nr_periods", b"nr_throttled")


class CgroupProbe:
    """Reads the cgroup of a unit, given one of its processes' cgroup paths."""

    def __init__(self, cgroup: str = "/sys/fs/cgroup") -> None:
        self._root = cgroup
        unified = "" if Path(cgroup, "cgroup.controllers").exists() else "/unified"
        self._unified = cgroup + unified

    def read(self, unit: str, paths: dict[str, str]) -> CgroupReading | None:
        """Read now; None when nothing of it can be read or the process sits in the root cgroup."""
        memory = self._memory(paths)
        cpu = self._cpu(paths)
        frozen = self._frozen(paths)
        if not any(value is not None for value in (*memory.values(), *cpu.values(), frozen)):
            return None
        return CgroupReading(
            unit=unit,
            memory_bytes=memory["bytes"],
            memory_limit_bytes=memory["limit"],
            oom_kills=memory["oom_kills"],
            cpu_periods=cpu.get("nr_periods"),
            cpu_throttled=cpu.get("nr_throttled"),
            frozen=frozen,
            high_hits=memory["high_hits"],
            max_hits=memory["max_hits"],
        )

    def _memory(self, paths: dict[str, str]) -> dict[str, int | None]:
        folder = self._folder(paths, "memory")
        current, limit, events = _V1_MEMORY if "memory" in paths else _V2_MEMORY
        counted = parse_counters(_text(folder, events), (b"oom_kill", b"high", b"max"))
        return {
            "bytes": parse_limit(_text(folder, current)),
            "limit": parse_limit(_text(folder, limit)),
            "oom_kills": counted.get("oom_kill"),
            "high_hits": counted.get("high"),
            "max_hits": counted.get("max"),
        }

    def _cpu(self, paths: dict[str, str]) -> dict[str, int]:
        return parse_counters(_text(self._folder(paths, "cpu"), "cpu.stat"), _CPU_NAMES)

    def _frozen(self, paths: dict[str, str]) -> bool | None:
        """Tell whether its processes are held, by itself or by a cgroup above it; None when it does not say."""
        name = "freezer.state" if "freezer" in paths else "cgroup.events"
        return parse_frozen(_text(self._folder(paths, "freezer"), name))

    def _folder(self, paths: dict[str, str], controller: str) -> str:
        """Find the folder that accounts ``controller``; '' for the root cgroup, which is the host's."""
        path = unit_path(paths.get(controller, paths.get("", "/")))
        if path == "/" or "/.." in path:
            return ""
        if controller not in paths:
            return self._unified + path
        if controller == "cpu" and not Path(self._root, "cpu").exists():
            return f"{self._root}/cpu,cpuacct{path}"
        return f"{self._root}/{controller}{path}"


def _text(folder: str, name: str) -> bytes:
    return (read_file(f"{folder}/{name}") if folder else None) or b""
