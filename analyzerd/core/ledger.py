"""Who is who: masters, workers, listeners and deploys of each app, learnt from signals.

Updates commute (earliest and latest times, sets of pids), so that the order in which lines arrive inside a
window does not matter. Concludes nothing about causes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from analyzerd.model import ProcessReading, Signal

MAX_PROCESSES = 512
MAX_MARKS = 200
MAX_ADDRESSES = 32
MAX_ANNOUNCED = 32
CONTROL_SOCKET = "gunicorn.ctl"
GRACE_DEFAULT_S = 30.0
AFTER_DEPLOY_S = 5.0
NEVER_BEATEN_S = -1e6
BACK_WITHIN_S = 120.0
"""A boot later than this has nothing to do with a stop or reload."""


@dataclass(slots=True)
class Master:
    """One arbiter process. ``addresses`` as printed: ``127.0.0.1:8000``, ``unix:/run/app.sock``."""

    pid: int
    started_s: float
    version: str = ""
    worker_class: str = ""
    addresses: list[str] = field(default_factory=list)
    ended_s: float | None = None


@dataclass(slots=True)
class Worker:
    """One worker process; ``exiting_s`` is its own goodbye, ``autorestart_s`` its max_requests notice.

    ``reaped_s``: when the arbiter said how it ended. ``unready_s``: when it was last seen without a heartbeat;
    ``ready_s``: its first heartbeat that was seen.
    """

    pid: int
    booted_s: float
    exiting_s: float | None = None
    autorestart_s: float | None = None
    reaped_s: float | None = None
    unready_s: float | None = None
    ready_s: float | None = None

    @property
    def gone_s(self) -> float:
        """When it was last known to be leaving; infinity while nothing says so."""
        known = [t for t in (self.exiting_s, self.reaped_s) if t is not None]
        return max(known, default=inf)


@dataclass(slots=True)
class Mark:
    """A moment of the app's life: ``kind`` is start, boot, signal:<name>, stopping, reloading, shutdown, exit."""

    time_s: float
    kind: str


@dataclass(slots=True)
class AppLedger:
    """Everything known of one app's processes. ``bound``: addresses known from settings or its sockets.

    ``timed_out``: when the arbiter first gave a worker up, by its pid. ``announced``: deploys (from, to) of people.
    """

    app: str
    masters: dict[int, Master] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    bound: list[str] = field(default_factory=list)
    timed_out: dict[int, float] = field(default_factory=dict)
    announced: list[tuple[float, float]] = field(default_factory=list)
    changes: int = 0

    @property
    def version(self) -> str:
        """Gunicorn's version as the newest master printed it, '' when its start was not seen."""
        return next((m.version for m in self._newest_masters() if m.version), "")

    @property
    def worker_class(self) -> str:
        """Effective worker class as printed by ``Using worker:``, '' when not seen."""
        return next((m.worker_class for m in self._newest_masters() if m.worker_class), "")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the app listens: as the newest master printed it, else as configured or seen."""
        return next((tuple(m.addresses) for m in self._newest_masters() if m.addresses), tuple(self.bound))

    def _newest_masters(self) -> list[Master]:
        return sorted(self.masters.values(), key=lambda m: -m.started_s)

    def is_worker(self, pid: int | None) -> bool:
        """Whether a process introduced itself as a worker before it said anything only a master says.

        The first word counts: gunicorn speaks before the application in it can print anything.
        """
        if pid is None or pid not in self.workers:
            return False
        master = self.masters.get(pid)
        return master is None or self.workers[pid].booted_s <= master.started_s

    def knows(self, pid: int | None) -> bool:
        """Whether the process belongs to this app."""
        return pid in self.workers or pid in self.masters

    def deploys(self, grace_s: float = GRACE_DEFAULT_S) -> Iterator[tuple[float, float]]:
        """Windows (from, to) in which errors are the noise of a stop, restart or reload by a person."""
        yield from ((from_s, to_s + AFTER_DEPLOY_S) for from_s, to_s in self.announced)
        starts = [m.time_s for m in self.marks if m.kind in ("start", "boot")]
        for mark in self.marks:
            if not mark.kind.startswith(("signal:", "stopping", "reloading")):
                continue
            brief = mark.kind in ("signal:ttou", "signal:winch")
            later = [t for t in starts if 0 <= t - mark.time_s <= BACK_WITHIN_S and not brief]
            back = min(later) if later else mark.time_s
            yield mark.time_s, max(back, mark.time_s) + grace_s + AFTER_DEPLOY_S

    def prune(self, before_s: float) -> None:
        """Forget marks and the oldest processes beyond what any window can still ask for."""
        self.changes += 1
        self.announced = [one for one in self.announced if one[1] >= before_s][-MAX_ANNOUNCED:]
        marks = sorted((m for m in self.marks if m.time_s >= before_s), key=lambda m: (m.time_s, m.kind))
        self.marks = marks[-MAX_MARKS:]
        masters = [m for m in self.masters.values() if m.ended_s is None or m.ended_s >= before_s]
        workers = [w for w in self.workers.values() if w.gone_s >= before_s]
        given_up = sorted((at, pid) for pid, at in self.timed_out.items() if at >= before_s)
        self.timed_out = {pid: at for at, pid in given_up[-MAX_PROCESSES:]}
        self.masters = {m.pid: m for m in sorted(masters, key=lambda m: (m.started_s, m.pid))[-MAX_PROCESSES:]}
        self.workers = {w.pid: w for w in sorted(workers, key=lambda w: (w.booted_s, w.pid))[-MAX_PROCESSES:]}


def note(ledger: AppLedger, signal: Signal) -> None:
    """Learn what a signal says about processes; a forged one says nothing."""
    handler = _HANDLERS.get(signal.rule)
    if handler is not None and not is_forged(ledger, signal):
        handler(ledger, signal)


def note_reading(ledger: AppLedger, reading: ProcessReading, time_s: float) -> None:
    """Learn a process that was alive before we began to read; a master seen as one was never a worker."""
    if reading.role == "master":
        master = ledger.masters.setdefault(reading.pid, Master(reading.pid, time_s))
        master.started_s = min(master.started_s, time_s)
        ledger.workers.pop(reading.pid, None)
    elif reading.role == "worker":
        worker = ledger.workers.setdefault(reading.pid, Worker(reading.pid, time_s))
        worker.booted_s = min(worker.booted_s, time_s)
        if reading.fds is not None:
            _note_beat(worker, reading.heartbeat_age_s, time_s)


def _note_beat(worker: Worker, age_s: float | None, time_s: float) -> None:
    """A worker writes its first heartbeat when it has booted; before, it has none, or one of an impossible age."""
    if age_s is not None and age_s > NEVER_BEATEN_S:
        worker.ready_s = _earlier(worker.ready_s, time_s - age_s)
    else:
        worker.unready_s = max(worker.unready_s or time_s, time_s)


def note_address(ledger: AppLedger, text: str) -> None:
    """Learn where an app listens from its settings or its sockets."""
    for part in text.split(","):
        address = address_of(part)
        if address and address not in ledger.bound and not address.endswith(CONTROL_SOCKET):
            ledger.changes += 1
            ledger.bound = sorted([*ledger.bound, address])[-MAX_ADDRESSES:]


def _master(ledger: AppLedger, signal: Signal) -> Master | None:
    if signal.pid is None or ledger.is_worker(signal.pid):
        return None
    master = ledger.masters.setdefault(signal.pid, Master(signal.pid, signal.time_s))
    master.started_s = min(master.started_s, signal.time_s)
    return master


def _mark(ledger: AppLedger, time_s: float, kind: str) -> None:
    mark = Mark(time_s, kind)
    if mark not in ledger.marks:
        ledger.marks.append(mark)


def _starting(ledger: AppLedger, signal: Signal) -> None:
    master = _master(ledger, signal)
    if master is not None:
        master.version = str(signal.fields.get("version") or "")
        _mark(ledger, signal.time_s, "start")


def _listening(ledger: AppLedger, signal: Signal) -> None:
    master = _master(ledger, signal)
    if master is not None:
        text = str(signal.fields.get("addresses") or "")
        master.addresses = [address_of(part) for part in text.split(",") if part]


def _using_worker(ledger: AppLedger, signal: Signal) -> None:
    master = _master(ledger, signal)
    if master is not None:
        master.worker_class = str(signal.fields.get("worker_class") or "")


def _booting(ledger: AppLedger, signal: Signal) -> None:
    pid = worker_of(signal)
    if pid is None or (signal.pid is not None and pid != signal.pid):
        return
    worker = ledger.workers.setdefault(pid, Worker(pid, signal.time_s))
    if worker.gone_s < signal.time_s:  # the number was given to another process
        ledger.workers[pid] = Worker(pid, signal.time_s)
    else:
        worker.booted_s = min(worker.booted_s, signal.time_s)
    _mark(ledger, signal.time_s, "boot")


def _exiting(ledger: AppLedger, signal: Signal) -> None:
    pid = worker_of(signal)
    if pid is not None:
        worker = ledger.workers.setdefault(pid, Worker(pid, signal.time_s))
        worker.exiting_s = _earlier(worker.exiting_s, signal.time_s)


def _earlier(known_s: float | None, time_s: float) -> float:
    return time_s if known_s is None else min(known_s, time_s)


def _reaped(ledger: AppLedger, signal: Signal) -> None:
    worker = ledger.workers.get(worker_of(signal) or -1)
    if worker is not None:
        worker.reaped_s = _earlier(worker.reaped_s, signal.time_s)


def _timed_out(ledger: AppLedger, signal: Signal) -> None:
    pid = worker_of(signal)
    if pid is not None:
        ledger.timed_out[pid] = _earlier(ledger.timed_out.get(pid), signal.time_s)


def _autorestart(ledger: AppLedger, signal: Signal) -> None:
    if signal.pid is not None:
        worker = ledger.workers.setdefault(signal.pid, Worker(signal.pid, signal.time_s))
        worker.autorestart_s = _earlier(worker.autorestart_s, signal.time_s)


def _signal_received(ledger: AppLedger, signal: Signal) -> None:
    name = str(signal.fields.get("signal") or "")
    if name in ("hup", "term", "int", "quit", "usr2", "winch", "ttou"):
        _mark(ledger, signal.time_s, f"signal:{name}")
    elif name == "ttin":
        _mark(ledger, signal.time_s, "grow")


def _unit_stopping(ledger: AppLedger, signal: Signal) -> None:
    _mark(ledger, signal.time_s, "stopping")


def _unit_reloading(ledger: AppLedger, signal: Signal) -> None:
    _mark(ledger, signal.time_s, "reloading")


def _shutdown(ledger: AppLedger, signal: Signal) -> None:
    _mark(ledger, signal.time_s, "shutdown")
    if signal.pid in ledger.masters:
        ledger.masters[signal.pid].ended_s = signal.time_s


_HANDLERS: dict[str, Callable[[AppLedger, Signal], None]] = {
    "gunicorn.starting": _starting,
    "gunicorn.listening": _listening,
    "gunicorn.using-worker": _using_worker,
    "gunicorn.booting": _booting,
    "gunicorn.worker-exiting": _exiting,
    "gunicorn.autorestart": _autorestart,
    "gunicorn.worker-timeout": _timed_out,
    "gunicorn.worker-signal": _reaped,
    "gunicorn.worker-exit-code": _reaped,
    "gunicorn.signal-received": _signal_received,
    "gunicorn.shutdown": _shutdown,
    "systemd.stopping": _unit_stopping,
    "systemd.reloading": _unit_reloading,
}


def worker_of(signal: Signal) -> int | None:
    """The worker process a signal is about.

    Kernel and core-dump reports name their victim; arbiter lines name the worker in the text; everything else
    a worker wrote is about itself.
    """
    for name in ("worker", "coredump_pid"):
        value = signal.fields.get(name)
        if isinstance(value, int):
            return value
    if signal.source == "kernel":
        value = signal.fields.get("pid")
        return value if isinstance(value, int) else None
    return signal.pid if signal.source in ("gunicorn", "app", "gunicorn.access") else None


@lru_cache(maxsize=1024)
def address_of(text: str) -> str:
    """Normalise an address as gunicorn or nginx print it: no scheme, no path, ``unix:/path`` for sockets."""
    text = text.strip()
    for scheme in ("http://", "https://"):
        text = text.removeprefix(scheme)
    if text.startswith("unix:"):
        return text.split(":/", 1)[0] + ":/" + text.split(":/", 1)[1].split(":", 1)[0] if ":/" in text else text
    return text.split("/", 1)[0]


ARBITER_RULES = frozenset(
    {
        "gunicorn.worker-timeout",
        "gunicorn.worker-signal",
        "gunicorn.worker-exit-code",
        "gunicorn.signal-received",
        "gunicorn.shutdown",
        "gunicorn.shutdown-reason",
        "gunicorn.listening",
        "gunicorn.starting",
        "gunicorn.graceful-timeout",
        "gunicorn.bind-in-use",
        "gunicorn.bind-failed",
    }
)


def is_forged(ledger: AppLedger, signal: Signal) -> bool:
    """Whether a line only the arbiter prints was written by somebody else (an application can print anything).

    Once a master has introduced itself, only masters are believed.
    """
    if signal.rule not in ARBITER_RULES:
        return False
    introduced = any(m.version for m in ledger.masters.values())
    stranger = signal.pid is not None and signal.pid not in ledger.masters and signal.rule != "gunicorn.starting"
    return ledger.is_worker(signal.pid) or (introduced and stranger)
