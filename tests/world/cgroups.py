"""Cgroups of the tests' own, one per pretended unit: journald tags `_SYSTEMD_UNIT`, the kernel limits memory.

Detects v2, hybrid and v1 trees; never touches a cgroup it did not make.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

MARK = "analyzerdtest"
FIRST_PID_NAMESPACE = "pid:[4026531836]"  # a constant of the kernel


class Tree(NamedTuple):
    """One mounted cgroup hierarchy: where it is, what it controls, which cgroup of it we are in."""

    mount: Path
    version: int
    controllers: frozenset[str]
    own: str

    @property
    def base(self) -> Path:
        """Our own cgroup in this tree."""
        return self.mount / self.own.lstrip("/")


def trees() -> list[Tree]:
    """All mounted hierarchies, the v2 one first."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        kind, options = words[words.index("-") + 1], words[words.index("-") + 3].split(",")
        if kind == "cgroup2":
            listed = Path(words[4], "cgroup.controllers").read_text().split()
            found.append(Tree(Path(words[4]), 2, frozenset(listed), own.get("", "/")))
        elif kind == "cgroup":
            found.extend(
                Tree(Path(words[4]), 1, frozenset(named.split(",")), path)
                for named, path in own.items()
                if named and set(named.split(",")) <= set(options)
            )
    return sorted(found, key=lambda tree: -tree.version)


def tagging_base() -> Path | None:
    """Where journald looks for the unit of a process; None when we may not write there."""
    for tree in trees():
        if tree.version == 2 or "name=systemd" in tree.controllers:
            base = _v2_base(tree, "memory") if tree.version == 2 else tree.base
            return base if os.access(base, os.W_OK) else None
    return None


def base_of(controller: str) -> tuple[Path, int] | None:
    """Where a limit of `memory` or `cpu` can be set, and the cgroup version; None where none can be set."""
    for tree in trees():
        if controller not in tree.controllers:
            continue
        base = _v2_base(tree, controller) if tree.version == 2 else tree.base
        if not os.access(base, os.W_OK):
            return None
        if tree.version == 2 and not _delegates(base, controller):
            return None
        return base, tree.version
    return None


def no_oom_kill() -> str:
    """Say why no real OOM kill can be made and witnessed here, '' when it can."""
    if base_of("memory") is None:
        return "no writable memory cgroup here, so no real OOM kill can be made"
    if str(Path("/proc/self/ns/pid").readlink()) != FIRST_PID_NAMESPACE:
        return "in this container the kernel's log speaks of other pids than ours"
    return ""


def _v2_base(tree: Tree, controller: str) -> Path:
    """With controllers: the root, because a cgroup that holds processes may not delegate; else our own."""
    return tree.mount if controller in tree.controllers else tree.base


def _delegates(cgroup: Path, controller: str) -> bool:
    control = cgroup / "cgroup.subtree_control"
    with contextlib.suppress(OSError):
        if controller not in control.read_text().split():
            control.write_text(f"+{controller}")
    return controller in control.read_text().split()


@dataclass
class Slice:
    """A slice of our own; `unit()` makes the cgroups of one unit in it. Closing ends what is inside."""

    name: str = field(default_factory=lambda: f"{MARK}{os.getpid()}x{uuid.uuid4().hex[:6]}.slice")
    made: list[Path] = field(default_factory=list)

    def __enter__(self) -> Slice:
        """Nothing is made before the first unit."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what is left inside and remove every cgroup that was made."""
        for top in self.made:
            remove(top)
        self.made.clear()

    def unit(self, unit: str, memory_limit_bytes: int | None = None, cpu_cores: float | None = None) -> UnitCgroup:
        """Make the cgroups of `unit`: journald tags what is inside, the kernel limits its memory and CPU."""
        tag = tagging_base()
        dirs = [self._make(tag, unit)] if tag else []
        if memory_limit_bytes is not None:
            leaf, version = self._limited(unit, "memory")
            _limit_memory(leaf, version, memory_limit_bytes)
            dirs += [leaf] if leaf not in dirs else []
        if cpu_cores is not None:
            leaf, version = self._limited(unit, "cpu")
            _limit_cpu(leaf, version, cpu_cores)
            dirs += [leaf] if leaf not in dirs else []
        return UnitCgroup(unit, tuple(dirs))

    def _limited(self, unit: str, controller: str) -> tuple[Path, int]:
        found = base_of(controller)
        if found is None:
            raise OSError(f"no writable {controller} cgroup on this machine")
        base, version = found
        return self._make(base, unit, controller if version == 2 else ""), version

    def _make(self, base: Path, unit: str, delegate: str = "") -> Path:
        top = base / self.name
        leaf = top / "system.slice" / unit
        if top not in self.made:
            self.made.append(top)
        leaf.mkdir(parents=True, exist_ok=True)
        if delegate and not (_delegates(top, delegate) and _delegates(top / "system.slice", delegate)):
            raise OSError(f"{top}: the {delegate} controller cannot be delegated")
        return leaf


@dataclass(frozen=True)
class UnitCgroup:
    """The cgroups (one per hierarchy) a unit's processes live in."""

    unit: str
    dirs: tuple[Path, ...]

    def joining(self, argv: list[str]) -> list[str]:
        """Wrap a command line so that it enters the cgroups and becomes `argv`, same pid."""
        enter = "".join(f"echo $$ > {shlex.quote(str(d))}/cgroup.procs && " for d in self.dirs)
        return ["/bin/sh", "-c", enter + 'exec "$@"', "sh", *argv]

    def pids(self) -> set[int]:
        """List the processes inside now."""
        return {pid for d in self.dirs for pid in _pids(d)}

    def oom_kills(self) -> int:
        """Kernel OOM kills counted so far, 0 without a memory limit."""
        for d in self.dirs:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    words = (d / name).read_text().split()
                    return int(words[words.index("oom_kill") + 1])
        return 0


CPU_PERIOD_US = 100_000


def _limit_cpu(leaf: Path, version: int, cores: float) -> None:
    """Let what is inside use this many cores, as CPUQuota= does."""
    quota_us = int(cores * CPU_PERIOD_US)
    if version == 2:
        (leaf / "cpu.max").write_text(f"{quota_us} {CPU_PERIOD_US}")
    else:
        (leaf / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_US))
        (leaf / "cpu.cfs_quota_us").write_text(str(quota_us))


def _limit_memory(leaf: Path, version: int, limit_bytes: int) -> None:
    """Limit memory and, where the kernel accounts swap, forbid swapping past the limit."""
    first, *rest = (
        [("memory.max", limit_bytes), ("memory.swap.max", 0)]
        if version == 2
        else [("memory.limit_in_bytes", limit_bytes), ("memory.memsw.limit_in_bytes", limit_bytes)]
    )
    (leaf / first[0]).write_text(str(first[1]))
    for name, value in rest:
        with contextlib.suppress(OSError):
            (leaf / name).write_text(str(value))


def _pids(cgroup: Path) -> list[int]:
    try:
        return [int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()]
    except FileNotFoundError:
        return []


def remove(top: Path, patience_s: float = 5.0) -> None:
    """Kill every process below `top` and remove the tree; OSError when a cgroup will not go."""
    deadline = time.monotonic() + patience_s
    folders = [Path(d) for d, _, _ in os.walk(top)]
    for folder in reversed(folders):
        while folder.exists():
            for pid in _pids(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def leftovers(*marks: str) -> list[Path]:
    """List cgroups whose names begin with one of `marks` and that still stand."""
    bases = {base for tree in trees() for base in (tree.base, tree.mount)}
    return sorted({found for base in bases for mark in marks for found in base.glob(f"{mark}*.slice")})
