"""An engine that knows one app, and ten seconds of its requests and readings at a time, without any text."""

from __future__ import annotations

from analyzerd.formats.clock import clock_of
from analyzerd.formats.scenario import UNIT, parse_scenario
from analyzerd.model import (
    AccessTally,
    Health,
    HostReading,
    ListenerReading,
    ProcessReading,
    Sample,
    Setting,
    Tick,
)
from tests.core.stage import RULES, Engine

APP = "app"
WORKERS = (12, 13)


def started(at_s: float) -> Engine:
    """Return an engine that knows one app of two sync workers, at a moment."""
    engine = Engine(RULES)
    for item in parse_scenario("+0s start 27.0.1 sync master=8 workers=12,13"):
        if not isinstance(item, Tick):
            engine.step(item)
    engine.step(Tick(at_s))
    return engine


def ready(engine: Engine, at_s: float) -> None:
    """Let the engine know its witnesses and settings."""
    for source in ("gunicorn", "nginx.error", "kernel", "systemd"):
        engine.step(Health(at_s, source, "reading"))
    engine.step(Setting(at_s, UNIT, "gunicorn.timeout", 30, "test"))


def bucket(
    time_s: float, n: int, service_s: float, upstream_s: float | None = None, path: str = "/report"
) -> list[AccessTally]:
    """Return the requests of ten seconds as both access logs count them; nginx waits as long where not said else."""
    sources = (("gunicorn.access", UNIT, service_s), ("nginx.access", "nginx.service", upstream_s or service_s))
    return [
        AccessTally(time_s, source, unit, n, {"200": n}, time_s, time_s + 9, {path: clock_of([(seconds, n)])})
        for source, unit, seconds in sources
    ]


def reading(time_s: float, queue: int = 1, idle: float = 0.75) -> Sample:
    """Return a machine of four cores, ``idle`` of them free, whose workers wait for something else than a CPU.

    ``queue``: requests that wait to be accepted.
    """
    age_s = time_s % 1e6
    workers = tuple(
        ProcessReading(
            pid, "worker", UNIT, cpu_user_s=age_s / 50, cpu_system_s=0.0, wait_ns=0, voluntary_switches=1,
            major_faults=0, connections=1,
        )
        for pid in WORKERS
    )  # fmt: skip
    host = HostReading(cores=4, cpu_s={"user": 4 * (1 - idle) * age_s, "idle": 4 * idle * age_s})
    return Sample(time_s, host, workers, (ListenerReading("127.0.0.1:8000", queue=queue, unit=UNIT),))
