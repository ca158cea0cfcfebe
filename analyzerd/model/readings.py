"""What a probe reads of processes, sockets, cgroups, disks and the host, at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzerd.model.words import Value


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """Counters of one gunicorn process as read; cumulative since its start. None: not readable.

    ``voluntary_switches`` are the main thread's, ``thread_switches`` those of all its threads. Of the ``fds`` so many
    are ``sockets``, ``pipes`` and ``files``; the rest are the kernel's own kinds. ``database_connections``: those that
    lead to a port databases are known by; a Unix socket or another port is not seen.
    """

    pid: int
    role: str
    unit: str = ""
    state: str = ""
    start_s: float | None = None
    cpu_user_s: float | None = None
    cpu_system_s: float | None = None
    threads: int | None = None
    minor_faults: int | None = None
    major_faults: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    thread_switches: int | None = None
    run_ns: int | None = None
    wait_ns: int | None = None
    wchan: str | None = None
    fds: int | None = None
    fd_limit: int | None = None
    connections: int | None = None
    heartbeat_age_s: float | None = None
    rss_bytes: int | None = None
    anon_bytes: int | None = None
    pss_bytes: int | None = None
    swap_bytes: int | None = None
    blocked: tuple[Mapping[str, Value], ...] = ()
    uid: int | None = None
    sockets: int | None = None
    pipes: int | None = None
    files: int | None = None
    database_connections: int | None = None


@dataclass(frozen=True, slots=True)
class ListenerReading:
    """One listening socket of the app."""

    address: str
    queue: int | None = None
    queue_limit: int | None = None
    established: int | None = None
    close_wait: int | None = None
    syn_received: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class CgroupReading:
    """Memory and CPU accounting of one unit's cgroup (v1 or v2), counters cumulative.

    ``high_hits`` and ``max_hits``: how often its memory was held at memory.high and memory.max (v2 alone counts that).
    """

    unit: str
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    oom_kills: int | None = None
    cpu_periods: int | None = None
    cpu_throttled: int | None = None
    frozen: bool | None = None
    high_hits: int | None = None
    max_hits: int | None = None


@dataclass(frozen=True, slots=True)
class DiskReading:
    """Free space of one file system that the app or nginx writes to."""

    path: str
    size_bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int


@dataclass(frozen=True, slots=True)
class HostReading:
    """Host-wide counters as read, cumulative since boot."""

    cores: int | None = None
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    load1: float | None = None
    memory_available_bytes: int | None = None
    memory_total_bytes: int | None = None
    vmstat: Mapping[str, int] = field(default_factory=dict)
    netstat: Mapping[str, int] = field(default_factory=dict)
    psi_some_us: Mapping[str, int] = field(default_factory=dict)
    psi_full_us: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """All readings of one sampling instant. ``late_s``: how much later it was taken than planned; None: not known."""

    time_s: float
    host: HostReading = field(default_factory=HostReading)
    processes: tuple[ProcessReading, ...] = ()
    listeners: tuple[ListenerReading, ...] = ()
    cgroups: tuple[CgroupReading, ...] = ()
    disks: tuple[DiskReading, ...] = ()
    late_s: float | None = None
