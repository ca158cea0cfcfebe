"""Facts of the service around the workers: starts, restarts, pools, versions, disks."""

from __future__ import annotations

from analyzerd.core.case import Case, version_tuple
from analyzerd.core.facts.registry import fact
from analyzerd.model import Value


@fact("recycle.gap")
def recycle_gap(case: Case) -> Value:
    """Seconds between a lost request and the nearest recycling of a worker."""
    recycled = [s.time_s for s in case.find("gunicorn.autorestart")]
    if not case.witnesses.reads("gunicorn"):
        return None
    return min((case.distance_s(t) for t in recycled), default=3600.0)


@fact("gunicorn.version_major")
def version_major(case: Case) -> Value:
    """Major version gunicorn printed at its start."""
    version = version_tuple(case.ledger.version)
    return version[0] if version else None


@fact("gunicorn.concurrency")
def concurrency(case: Case) -> Value:
    """Requests one worker process runs at once: its threads, 1 for sync."""
    worker_class = case.setting("gunicorn.worker_class")
    if worker_class == "sync":
        return 1
    return case.number("gunicorn.threads") if worker_class == "gthread" else None


@fact("pool.size")
def pool_size(case: Case) -> Value:
    """Connections the SQLAlchemy pool holds at most, as its error prints them."""
    for signal in case.find("app.pool-timeout"):
        size, overflow = signal.fields.get("size"), signal.fields.get("overflow")
        if isinstance(size, int) and isinstance(overflow, int):
            return size + overflow
    return None


@fact("pool.timeout")
def pool_timeout(case: Case) -> Value:
    """Seconds a request waited for a pooled connection before it failed."""
    for signal in case.find("app.pool-timeout"):
        return signal.fields.get("timeout")
    return None


@fact("errors.seen")
def errors_seen(case: Case) -> Value:
    """How many opening signals the question has."""
    return sum(case.focus.rules.values())


@fact("master.starts")
def master_starts(case: Case) -> Value:
    """Masters that started in the five minutes before the question's end."""
    if not case.witnesses.reads("gunicorn"):
        return None
    return len(case.find("gunicorn.starting", within_s=300.0))


@fact("unit.restarts")
def unit_restarts(case: Case) -> Value:
    """Systemd's restart counter of the unit as last printed."""
    found = case.find("systemd.restart-scheduled", within_s=300.0)
    counters = [int(n) for s in found if isinstance(n := s.fields.get("restarts"), int | str) and str(n).isdigit()]
    return max(counters) if counters else (len(found) or None)


@fact("unit.restarts_seen")
def unit_restarts_seen(case: Case) -> Value:
    """How often systemd restarted the unit in the five minutes around the question."""
    return len(case.find("systemd.restart-scheduled", within_s=300.0))


BOOT_ERRORS = (
    "gunicorn.boot-exception",
    "gunicorn.preload-exception",
    "gunicorn.app-not-found",
    "gunicorn.cannot-start",
    "gunicorn.shutdown-reason",
    "gunicorn.bind-failed",
    "systemd.spawn-failed",
    "gunicorn.main-loop-exception",
)


@fact("exception.text")
def exception_text(case: Case) -> Value:
    """What stopped the start, in one line: the exception, or what gunicorn or systemd printed instead."""
    for rule in BOOT_ERRORS:
        for signal in case.find(rule):
            return str(signal.fields.get("exception_text") or signal.text)[:300]
    return None


@fact("exception.type")
def exception_type(case: Case) -> Value:
    """Type of the exception at boot."""
    for rule in ("gunicorn.boot-exception", "gunicorn.preload-exception"):
        for signal in case.find(rule):
            return signal.fields.get("exception")
    return None


@fact("spawn.step")
def spawn_step(case: Case) -> Value:
    """What systemd says it could not do to start the unit."""
    for signal in case.find("systemd.spawn-failed"):
        return signal.text[:200]
    return None


@fact("bind.address")
def bind_address(case: Case) -> Value:
    """The address gunicorn could not take."""
    for rule in ("gunicorn.bind-in-use", "gunicorn.bind-failed"):
        for signal in case.find(rule):
            return str(signal.fields.get("address") or "").replace("('", "").replace("', ", ":").rstrip(")")
    return None


@fact("disk.free_share")
def disk_free_share(case: Case) -> Value:
    """Free space of the fullest watched file system, 0 to 1 (bytes or inodes, whichever is less)."""
    near = [s for s in case.samples if case.distance_s(s.time_s) <= 60.0 and s.disks]
    if not near:
        return None
    return min(
        min(d.free_bytes / max(d.size_bytes, 1), d.free_inodes / d.inodes if d.inodes else 1.0) for d in near[-1].disks
    )


@fact("nginx.worker_connections")
def nginx_worker_connections(case: Case) -> Value:
    """Nginx's connection limit as its alert prints it."""
    for signal in case.find("nginx.worker-connections"):
        return signal.fields.get("limit")
    return case.number("nginx.worker_connections")


@fact("pool.exceeds_concurrency")
def pool_exceeds_concurrency(case: Case) -> Value:
    """Whether the pool holds a connection for every request a worker can run at once."""
    pool, at_once = pool_size(case), concurrency(case)
    if not isinstance(pool, int | float) or not isinstance(at_once, int | float):
        return None
    return pool >= at_once
