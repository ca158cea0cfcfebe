"""The nouns: what flows through analyzerd, as frozen values. No behaviour beyond construction.

Times are Unix seconds (UTC, float) and are named ``_s``; sizes are bytes and named ``_bytes``.
Text that came from a log is untrusted wherever it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | None
Fields: TypeAlias = Mapping[str, Value]


class Truth(StrEnum):
    """Three-valued: a missing measurement is UNKNOWN, never FALSE."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """How sure a hypothesis is."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"
    POSSIBLE = "possible"
    RULED_OUT = "ruled out"


class Severity(StrEnum):
    """How much an incident matters to the person who is woken."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class State(StrEnum):
    """Life of an incident."""

    OPEN = "open"
    RESOLVED = "resolved"


# ---- inputs: text -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stream:
    """Where text comes from and how to read it.

    ``name`` is the checkpoint key (``journal``, ``file:/var/log/nginx/error.log``).
    ``kind`` is one of formats.KINDS: gunicorn, gunicorn.access, nginx.error, nginx.access, kernel, app.
    ``unit`` is the systemd unit that writes it, '' when unknown.
    ``log_format`` is the operator's access-log format, '' for the default one.
    ``utc_offset_s`` applies to formats that print local time without a zone (nginx error log, Flask).
    """

    name: str
    kind: str
    unit: str = ""
    log_format: str = ""
    utc_offset_s: int = 0


@dataclass(frozen=True, slots=True)
class Lines:
    """Raw bytes of one stream: whole lines, each ended by a newline (the last may lack it)."""

    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry. ``fields`` holds what the reader fetched beside the ones named here.

    ``pid`` and ``unit`` are the trusted ``_PID`` and ``_SYSTEMD_UNIT``; ``transport`` is ``_TRANSPORT``.
    Manager entries (pid 1) carry MESSAGE_ID, UNIT, EXIT_CODE, EXIT_STATUS, UNIT_RESULT, N_RESTARTS,
    JOB_TYPE, JOB_RESULT, COREDUMP_PID, COREDUMP_UNIT, COREDUMP_SIGNAL_NAME, N_DROPPED in ``fields``.
    """

    time_s: float
    message: bytes
    pid: int | None = None
    unit: str = ""
    transport: str = ""
    identifier: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entries:
    """Consecutive journal entries in arrival order."""

    stream: Stream
    entries: tuple[Entry, ...]


# ---- inputs: events, readings, facts about the installation --------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """One log record, split by its format: a traceback or an OOM report is one event.

    ``source``: gunicorn, nginx.error, nginx.access, gunicorn.access, kernel, systemd, app.
    ``pid``: who wrote it; ``trusted``: the journal vouches for that pid and unit.
    ``text``: the message without its prefix, at most MAX_TEXT characters, control characters removed.
    ``fields``: what the format already typed (level, errno, status, frames ...).
    ``rules``: ids of signal rules whose literals were seen in the raw line; None means try all.
    """

    time_s: float
    source: str
    text: str
    unit: str = ""
    pid: int | None = None
    trusted: bool = False
    fields: Fields = field(default_factory=dict)
    stream: str = ""
    rules: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AccessTally:
    """Requests of one access log in one ten-second bucket that starts at ``time_s``."""

    time_s: float
    source: str
    unit: str
    requests: int
    by_status: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """Counters of one gunicorn process as read; cumulative since its start. None: not readable."""

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
    """Memory and CPU accounting of one unit's cgroup (v1 or v2), counters cumulative."""

    unit: str
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    oom_kills: int | None = None
    cpu_periods: int | None = None
    cpu_throttled: int | None = None


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
    """All readings of one sampling instant."""

    time_s: float
    host: HostReading = field(default_factory=HostReading)
    processes: tuple[ProcessReading, ...] = ()
    listeners: tuple[ListenerReading, ...] = ()
    cgroups: tuple[CgroupReading, ...] = ()
    disks: tuple[DiskReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in effect. ``name`` is dotted (``gunicorn.timeout``, ``nginx.proxy_read_timeout``).

    ``value`` is typed (seconds, bytes, counts; several binds are joined with ','); ``origin`` says where it
    was read (``gunicorn.cmdline``, ``/etc/nginx/nginx.conf:14``).
    """

    time_s: float
    unit: str
    name: str
    value: Value
    origin: str


@dataclass(frozen=True, slots=True)
class Health:
    """A source or probe started, went blind, recovered, or lost entries.

    ``source`` is the kind of witness (gunicorn, nginx.error, nginx.access, gunicorn.access, kernel, systemd,
    samples, rules); ``state`` is one of: reading, blind, gap, closed.
    """

    time_s: float
    source: str
    state: str
    why: str = ""
    mend: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked for (deploy start, deploy finish, resolve)."""

    time_s: float
    kind: str
    incident: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has reached ``time_s``: the only thing that moves the engine's clock."""

    time_s: float


Input: TypeAlias = (
    Lines | Entries | Event | AccessTally | Sample | Setting | Health | Command | Tick
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a source can be resumed so that nothing before ``position`` is needed again."""

    stream: str
    position: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs that enter the engine together, and the checkpoints that become true once they did."""

    inputs: tuple[Input, ...]
    checkpoints: tuple[Checkpoint, ...] = ()


# ---- what the engine concludes ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signal:
    """What was seen, never why."""

    time_s: float
    rule: str
    app: str
    source: str
    pid: int | None
    fields: Fields
    text: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One checked condition. ``says`` is the sentence to show; ``weight`` is weak, medium or strong."""

    id: str
    truth: Truth
    supports: bool
    weight: str
    decisive: bool
    says: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One change worth making. ``current`` or ``proposed`` None: not a value that can be computed here."""

    setting: str
    says: str
    current: Value = None
    proposed: Value = None
    arithmetic: str = ""
    file: str = ""
    line: int | None = None
    diff: str = ""
    rollback: str = ""
    verify: str = ""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One suspect with what speaks for it, against it, and what is missing to decide."""

    cause: str
    verdict: Verdict
    confidence: float
    because: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """One problem of one app. Everything a message or a report shows of it.

    ``id`` is stable for its life (``INC-`` and ten base-32 characters of a hash).
    ``impact``: failed and all requests seen while it was open, or None where no access log is read.
    ``revision`` grows with every visible change.
    """

    id: str
    app: str
    cause: str
    title: str
    severity: Severity
    verdict: Verdict
    confidence: float
    state: State
    first_seen_s: float
    last_seen_s: float
    because: str = ""
    guide_cause: str = ""
    summary: str = ""
    resolved_s: float | None = None
    resolution: str = ""
    occurrences: int = 1
    counts: Mapping[str, int] = field(default_factory=dict)
    hypotheses: tuple[Hypothesis, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    consequences: tuple[str, ...] = ()
    timeline: tuple[tuple[float, str], ...] = ()
    samples_of_log: tuple[str, ...] = ()
    failed_requests: int | None = None
    all_requests: int | None = None
    references: tuple[str, ...] = ()
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Benign:
    """Seen, understood, not a problem, with the reason."""

    id: str
    app: str
    count: int
    because: str


# ---- effects: what the shell has to do --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaveIncident:
    """Store the incident and converge its message to it.

    ``reason``: opened, updated, corrected, resolved, merged (``merged``: it turned out to be part of another
    incident, named in ``incident.resolution``; its message says so).
    """

    incident: Incident
    reason: str


@dataclass(frozen=True, slots=True)
class CountSignals:
    """How often each signal rule matched since the last such effect, per app."""

    time_s: float
    counts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class SaveBenign:
    """Cumulative count of a benign finding."""

    time_s: float
    benign: Benign


@dataclass(frozen=True, slots=True)
class Blind:
    """A blind spot appeared (``open``) or closed."""

    health: Health
    open: bool


Effect: TypeAlias = SaveIncident | CountSignals | SaveBenign | Blind
