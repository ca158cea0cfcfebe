"""Apps to audit, made of what an audit reads: command lines, configurations, readings and request clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from analyzerd.core.audit import Answer, Ground, audit
from analyzerd.core.audit.subject import KEEP_S, Beside, subjects
from analyzerd.core.correlate import Timing
from analyzerd.core.engine import Engine, Options
from analyzerd.formats.clock import clock_of
from analyzerd.formats.nginx_includes import NginxText
from analyzerd.formats.nginx_routes import read_conf
from analyzerd.formats.settings import effective, from_command_line, from_config, from_unit
from analyzerd.model import (
    AccessTally,
    CgroupReading,
    DiskReading,
    Health,
    HostReading,
    Input,
    Lines,
    ListenerReading,
    ProcessReading,
    Sample,
    Stream,
    Tick,
)
from tests.core.stage import RULES

T0 = 1_790_000_000.0
MIB = 1 << 20
UNIT = "shop.service"
NGINX = """
events { worker_connections 1024; }
worker_rlimit_nofile 4096;
http {
  log_format timed '$status urt=$upstream_response_time';
  access_log /var/log/nginx/access.log timed;
  server { location / { proxy_pass http://127.0.0.1:8000; proxy_connect_timeout 5s; } }
}
"""
GOOD_UNIT = """[Service]
User=www-data
ExecStart=/srv/venv/bin/gunicorn -c /srv/gunicorn.conf.py shop:app
Restart=always
TimeoutStopSec=90
LimitNOFILE=65536
MemoryHigh=1600M
MemoryMax=1900M
"""


@dataclass(frozen=True)
class Load:
    """Requests for a while: per second, how long gunicorn and nginx took, by which path."""

    rate: float = 10.0
    service_s: float | None = 0.1
    upstream_s: float | None = None
    seconds: int = 60
    status: str = "200"
    worker: int | None = None

    def tallies(self) -> Iterable[AccessTally]:
        """Ten-second counts of both logs."""
        each = int(self.rate * 10)
        for source, took in (("gunicorn.access", self.service_s), ("nginx.access", self.upstream_s)):
            for start in range(0, self.seconds, 10) if took is not None else ():
                clocks = {"/": clock_of([(took, each)])}
                by_worker = {self.worker: each} if self.worker and source == "gunicorn.access" else {}
                first_s = T0 + start
                yield AccessTally(
                    first_s, source, UNIT, each, {self.status: each}, first_s, first_s + 9, clocks, by_worker
                )


@dataclass(frozen=True)
class Watch:
    """Readings for a while. Shares are of one worker's time; ``growth`` in bytes of each worker and second."""

    seconds: int = 60
    workers: int = 2
    cores: int = 4
    idle: float = 0.9
    cpu: float = 0.05
    wait: float = 0.0
    switches: float = 10.0
    faults: float = 0.0
    swap: float = 0.0
    rss: int = 60 * MIB
    growth: float = 0.0
    free: int = 4096 * MIB
    limit: int | None = None
    fds: int = 12
    fd_limit: int | None = 65536
    uid: int | None = 33
    oom_kills: int | None = None
    periods: tuple[float, float] | None = None
    disk_free: float | None = 0.5

    def samples(self) -> Iterable[Sample]:
        """One reading a second."""
        for t in range(self.seconds + 1):
            processes = (
                self._process(1, "master", t),
                *(self._process(2 + n, "worker", t) for n in range(self.workers)),
            )
            disks = () if self.disk_free is None else (self._disk(self.disk_free),)
            listeners = (ListenerReading("127.0.0.1:8000", 0, 2048, unit=UNIT),)
            yield Sample(T0 + t, self._host(t), processes, listeners, (self._group(t),), disks)

    def _process(self, pid: int, role: str, t: int) -> ProcessReading:
        return ProcessReading(
            pid,
            role,
            UNIT,
            "S",
            start_s=1000.0,
            cpu_user_s=1.0 + t * self.cpu * (role == "worker"),
            cpu_system_s=0.0,
            threads=1,
            major_faults=int(t * self.faults),
            voluntary_switches=int(t * self.switches),
            wait_ns=int(t * self.wait * 1e9),
            fds=self.fds,
            fd_limit=self.fd_limit,
            connections=0,
            rss_bytes=self.rss + int(t * self.growth),
            anon_bytes=self.rss + int(t * self.growth),
            pss_bytes=self.rss + int(t * self.growth),
            uid=self.uid,
        )

    def _host(self, t: int) -> HostReading:
        spent = t * self.cores
        cpu = {"user": 100 + spent * (1 - self.idle), "idle": 100 + spent * self.idle}
        vmstat = {"pswpin": int(t * self.swap), "pswpout": 0}
        return HostReading(self.cores, cpu, 0.1, self.free, 8192 * MIB, vmstat)

    def _group(self, t: int) -> CgroupReading:
        periods = None if self.periods is None else int(t * self.periods[0])
        throttled = None if self.periods is None else int(t * self.periods[1])
        return CgroupReading(UNIT, 100 * MIB, self.limit, self.oom_kills, periods, throttled)

    def _disk(self, share: float) -> DiskReading:
        return DiskReading("/srv", 1000 * MIB, int(share * 1000 * MIB), 1000, 900)


@dataclass(frozen=True)
class Setup:
    """Everything an audit is given. '' and None: it was not. ``logs``: text by kind of log."""

    command: str = ""
    nginx: str = NGINX
    config: str = ""
    unit: str = ""
    load: Load | None = None
    watch: Watch | None = None
    logs: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    ground: Ground = field(default_factory=Ground)

    def answers(self) -> Mapping[str, Answer]:
        """The answer of every item by its id."""
        engine = Engine(RULES, Options(timing=Timing(keep_s=KEEP_S)))
        for item in (*self._settings(), *self._measured(), *self._heard()):
            engine.step(item)
        engine.flush()
        engine.step(Tick(T0 + 120))
        confs = [read_conf([NginxText("/etc/nginx/nginx.conf", self.nginx)])] if self.nginx else []
        app = Beside(confs, {"shop": self.ground, "gunicorn": self.ground}, (UNIT,) if self.unit else ())
        (subject,) = subjects(engine, app)
        return {finding.item.id: finding.answer for finding in audit(subject)}

    def _settings(self) -> Iterable[Input]:
        if self.command:
            config = from_config(self.config, "/srv/gunicorn.conf.py", unit=UNIT)
            yield from effective(from_command_line(self.command, unit=UNIT), config, unit=UNIT)
        if self.unit:
            yield from from_unit([(f"/etc/systemd/system/{UNIT}", self.unit)], unit=UNIT)

    def _measured(self) -> Iterable[Input]:
        yield from self.load.tallies() if self.load else ()
        yield from self.watch.samples() if self.watch else ()

    def _heard(self) -> Iterable[Input]:
        for source in self.reads:
            yield Health(T0, source, "reading")
        for kind, text in self.logs.items():
            yield Lines(Stream(f"file:{kind}.log", kind, UNIT), text.encode())
