"""What enters the engine: text, events, settings, health, commands and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from analyzerd.model.readings import Sample
from analyzerd.model.words import Fields, Value


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
class Clock:
    """Durations of some requests: how many, their sum, and how many fell into each bin (see formats/clock.py)."""

    n: int
    sum_s: float
    bins: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class AccessTally:
    """Requests of one access log in one ten-second bucket that starts at ``time_s``.

    ``first_s`` and ``last_s``: whole seconds of its first and last line. ``clocks``: by endpoint, how long gunicorn
    worked on a request (gunicorn.access) or how long nginx waited for gunicorn (nginx.access); answered requests
    only, {} where the format has no such time. ``by_worker``: requests by the pid that served them. ``whole``: all
    clocks as one, worked out when the engine takes the tally. ``upstream``: where nginx passed them on to, several
    addresses joined with ',' where it is only known that it was one of them, '' where nothing is known.
    """

    time_s: float
    source: str
    unit: str
    requests: int
    by_status: Mapping[str, int]
    first_s: float = 0.0
    last_s: float = 0.0
    clocks: Mapping[str, Clock] = field(default_factory=dict)
    by_worker: Mapping[int, int] = field(default_factory=dict)
    whole: Clock = field(default_factory=lambda: Clock(0, 0.0, {}))
    upstream: str = ""


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
    """What a person asked for: resolve, dismiss, deploy-start, deploy-finish.

    ``incident``: its id, or a recommendation's. ``app``: '' for all. ``note``: what is deployed. ``for_s``: when it
    is taken for ended if nobody says so.
    """

    time_s: float
    kind: str
    incident: str = ""
    actor: str = ""
    app: str = ""
    note: str = ""
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has reached ``time_s``: the only thing that moves the engine's clock."""

    time_s: float


Input: TypeAlias = Lines | Entries | Event | AccessTally | Sample | Setting | Health | Command | Tick


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
