"""What the solver works on: the machine, what arrives there, and the settings in effect. None: not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TypeAlias

from analyzerd.model import Value

Held: TypeAlias = int | str | None
"""What stands in a setting: a whole number (seconds, percent, files, ...), the name of a worker class, or nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What bounds the settings, as measured or stated. Memory in bytes.

    ``cores``: those the app may use, of the machine's ``processors``.
    ``worker_bytes``: of a grown-up worker (p95); ``boot_bytes``: of one that a reload boots beside it, 0 without
    reloads. ``nginx_keepalive_s``: how long nginx keeps an idle connection to the app. ``behind_nginx``: a buffering
    proxy stands in front. ``instances``: how many machines like this share the database.
    """

    cores: float | None = None
    processors: int | None = None
    memory_bytes: float | None = None
    reserve_bytes: float = 0.0
    master_bytes: float = 0.0
    worker_bytes: float | None = None
    boot_bytes: float = 0.0
    max_connections: int | None = None
    other_connections: int = 0
    instances: int = 1
    somaxconn: int | None = None
    behind_nginx: bool | None = None
    nginx_processes: int | None = None
    nginx_keepalive_s: float | None = None
    binds: int = 1


@dataclass(frozen=True, slots=True)
class Demand:
    """What arrives and what it takes. Rates per second, durations in seconds.

    ``requests``: how many the durations are from. ``service``: gunicorn's own time, ``service_running`` without what
    it waited for a CPU. ``cpu_share``: how much of that is computing. ``longest_s``: what 99.9 % stay under.
    ``stall_s``: how long the accept queue was seen to stand. ``boot_s``: of a worker, assumed where ``boot_seen`` is
    False.
    """

    requests: int = 0
    rate: float | None = None
    service_mean: float | None = None
    service_running: float | None = None
    service_p50: float | None = None
    service_p99: float | None = None
    longest_s: float | None = None
    upstream_p99: float | None = None
    queue_s: float | None = None
    cpu_per_request: float | None = None
    cpu_share: float | None = None
    stall_s: float | None = None
    boot_s: float = 2.0
    boot_seen: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings, in effect or to be; seconds where they are times. ``pool_*``: the database pool of one worker.

    ``read_timeout``: nginx's proxy_read_timeout; ``files``: LimitNOFILE and ``stop_timeout``: TimeoutStopSec of the
    unit, ``cpu_quota`` its CPUQuota in percent of a core.
    """

    worker_class: str | None = None
    workers: int | None = None
    threads: int | None = None
    worker_connections: int | None = None
    pool_size: int | None = None
    max_overflow: int | None = None
    pool_timeout: int | None = None
    timeout: int | None = None
    graceful_timeout: int | None = None
    stop_timeout: int | None = None
    read_timeout: int | None = None
    keepalive: int | None = None
    max_requests: int | None = None
    max_requests_jitter: int | None = None
    backlog: int | None = None
    nginx_connections: int | None = None
    nginx_files: int | None = None
    files: int | None = None
    cpu_quota: int | None = None

    @property
    def concurrency(self) -> int | None:
        """Requests one worker runs at once; None for event loops and where it is unknown."""
        if self.worker_class == "sync":
            return 1
        return self.threads if self.worker_class == "gthread" else None

    @property
    def slots(self) -> int | None:
        """Requests that run at once."""
        return self.workers * self.concurrency if self.workers and self.concurrency else None

    @property
    def pool(self) -> int | None:
        """Database connections one worker may open."""
        return None if self.pool_size is None else self.pool_size + (self.max_overflow or 0)


SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "workers": "gunicorn.workers",
        "threads": "gunicorn.threads",
        "worker_class": "gunicorn.worker_class",
        "worker_connections": "gunicorn.worker_connections",
        "pool_size": "database.pool_size",
        "max_overflow": "database.max_overflow",
        "pool_timeout": "database.pool_timeout",
        "timeout": "gunicorn.timeout",
        "graceful_timeout": "gunicorn.graceful_timeout",
        "stop_timeout": "unit.TimeoutStopSec",
        "read_timeout": "nginx.proxy_read_timeout",
        "keepalive": "gunicorn.keepalive",
        "max_requests": "gunicorn.max_requests",
        "max_requests_jitter": "gunicorn.max_requests_jitter",
        "backlog": "gunicorn.backlog",
        "nginx_connections": "nginx.worker_connections",
        "nginx_files": "nginx.worker_rlimit_nofile",
        "files": "unit.LimitNOFILE",
        "cpu_quota": "unit.CPUQuota",
    }
)
"""Settings by their field of a Plan, in the order they are decided."""
FIELDS: Mapping[str, str] = MappingProxyType({setting: name for name, setting in SETTINGS.items()})
_UNITS = {"read_timeout": "s", "cpu_quota": "%"}


def held(plan: Plan, name: str) -> Held:
    """What a plan holds for one of its fields."""
    value: Held = getattr(plan, name)
    return value


def shown(name: str, value: Held) -> Value:
    """A value as its configuration writes it."""
    unit = _UNITS.get(name, "")
    return f"{value}{unit}" if unit and value is not None else value


def parsed(name: str, value: Value) -> int | str | None:
    """The value back from what its configuration writes; None where it is no value of this field."""
    text = str(value).removesuffix(_UNITS.get(name, "")) if isinstance(value, int | str) else ""
    if name == "worker_class":
        return text or None
    return int(text) if text.isdecimal() and len(text) < 16 else None


def changed(before: Plan, after: Plan) -> tuple[str, ...]:
    """Fields that differ."""
    return tuple(f.name for f in fields(Plan) if held(before, f.name) != held(after, f.name))
