"""Facts of how a worker ended, and of workers that appear without a reason."""

from __future__ import annotations

from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.facts.words import CRASH_SIGNALS, SIGNAL_NAMES, is_sigkill
from analyzerd.core.ledger import worker_of
from analyzerd.model import Value

SHORT_LIFE_S = 2.0
SERVED_S = 1.0
BOOT_CODES = (3, 4)
REPLACED_WITHIN_S = 60.0
"""A worker may take graceful_timeout to leave after its goodbye; its successor is booted only then."""
LATE_LINE_S = 1.5
"""Gunicorn before 24 prints a worker's death from its signal handler, sometimes after the successor's boot."""
FIRST_WORKERS_GAP_S = 1.0
"""The workers of a start are forked at most a tenth of a second apart; file logs print whole seconds."""
DEPARTURES = (
    "gunicorn.worker-signal",
    "gunicorn.worker-exit-code",
    "gunicorn.worker-timeout",
    "kernel.oom-kill",
    "kernel.segfault",
    "gunicorn.boot-exception",
)


@fact("death.signal")
def death_signal(case: Case) -> Value:
    """The signal that ended the worker: SIGKILL, SIGSEGV, SIGTERM ..., from gunicorn, systemd or the kernel."""
    if case.worker is None:
        return None
    for signal in case.find("gunicorn.worker-signal", worker=case.worker):
        text = str(signal.fields.get("signal"))
        return "SIGKILL" if is_sigkill(signal) else CRASH_SIGNALS.get(text, text)
    if case.find("kernel.segfault", worker=case.worker):
        return "SIGSEGV"
    for signal in case.find("systemd.coredump", worker=case.worker):
        return signal.fields.get("coredump_signal")
    return "SIGKILL" if case.find("kernel.oom-kill", worker=case.worker) else None


@fact("death.crashed")
def death_crashed(case: Case) -> Value:
    """Whether the worker died of a signal native code raises."""
    name = death_signal(case)
    return None if name is None else name in CRASH_SIGNALS.values()


@fact("death.exit_code")
def death_exit_code(case: Case) -> Value:
    """Exit code of the worker as gunicorn printed it."""
    for signal in case.find("gunicorn.worker-exit-code", worker=case.worker):
        return signal.fields.get("code")
    return None


@fact("death.library")
def death_library(case: Case) -> Value:
    """The library the kernel named in the segfault line."""
    for signal in case.find("kernel.segfault", worker=case.worker):
        return signal.fields.get("library")
    return None


@fact("worker.lifetime")
def worker_lifetime(case: Case) -> Value:
    """Seconds from the worker's boot to the question; of the longest-lived one that left where it concerns all."""
    worker = case.ledger.workers.get(case.worker or -1)
    if worker is not None:
        return max(0.0, case.focus.t0_s - worker.booted_s)
    near = [w for w in case.ledger.workers.values() if w.exiting_s and case.distance_s(w.exiting_s) <= 15.0]
    return max((w.exiting_s - w.booted_s for w in near if w.exiting_s), default=None)


@fact("boot.unexplained")
def boot_unexplained(case: Case) -> Value:
    """Process id of a worker that was booted although nothing said that another had gone or was wanted; 0: none."""
    if not case.ledger.masters or not case.witnesses.reads("gunicorn"):
        return None
    oldest_s = case.focus.t0_s - 4 * REPLACED_WITHIN_S
    gone = sorted(t for t in _departures(case).values() if t >= oldest_s - REPLACED_WITHIN_S)
    recent = (w for w in case.ledger.workers.values() if w.booted_s >= oldest_s)
    for worker in sorted(recent, key=lambda w: (w.booted_s, w.pid)):
        at = worker.booted_s
        if _was_wanted(case, at) or _boots_before(case, at) < _wanted_workers(case):
            continue  # the first of them replace nobody, and take no departure from those that do
        near = [t for t in gone if at - REPLACED_WITHIN_S <= t <= at + LATE_LINE_S]
        answered = min(near, key=lambda t: abs(at - t), default=None)
        if answered is not None:
            gone.remove(answered)
        elif case.distance_s(at) <= 0:
            return worker.pid
    return 0


@fact("boot.beyond_wanted")
def boot_beyond_wanted(case: Case) -> Value:
    """Whether more workers were booted than gunicorn is told to run; None where that number is not known."""
    wanted = case.number("gunicorn.workers")
    return None if wanted is None else _boots_before(case, case.focus.t1_s + LATE_LINE_S) > wanted


def _departures(case: Case) -> dict[int, float]:
    """When each worker that is known to have gone went, as far as any witness tells."""
    gone = {w.pid: w.exiting_s for w in case.ledger.workers.values() if w.exiting_s is not None}
    for rule in DEPARTURES:
        for signal in case.find(rule, within_s=2 * REPLACED_WITHIN_S):
            pid = worker_of(signal)
            if pid is not None:
                gone[pid] = max(gone.get(pid, 0.0), signal.time_s)
    return gone


def _wanted_workers(case: Case) -> float:
    return case.number("gunicorn.workers") or 1.0


def _boots_before(case: Case, at: float) -> int:
    """Workers booted since the newest start."""
    start = max((m.time_s for m in case.ledger.marks if m.kind == "start" and m.time_s <= at), default=0.0)
    return sum(start <= w.booted_s < at for w in case.ledger.workers.values())


def _was_wanted(case: Case, at: float) -> bool:
    """Whether a person asked for this boot, or it belongs to the first workers of a master's start."""
    asked = [
        m.time_s
        for m in case.ledger.marks
        if m.kind == "grow" or m.kind.startswith(("signal:", "stopping", "reloading"))
    ]
    if any(at - REPLACED_WITHIN_S <= t <= at + LATE_LINE_S for t in asked):
        return True
    reached = max((m.time_s for m in case.ledger.marks if m.kind == "start" and m.time_s <= at), default=None)
    boots = sorted(w.booted_s for w in case.ledger.workers.values())
    for boot in (t for t in boots if reached is not None and reached <= t <= at):
        if reached is None or boot - reached > FIRST_WORKERS_GAP_S:
            return False
        reached = boot
    return reached is not None


@fact("boot.failing")
def boot_failing(case: Case) -> Value:
    """Whether at least three workers around the question left of themselves, within two seconds of their boot."""
    if not case.witnesses.reads("gunicorn"):
        return None
    given_up = {worker_of(s) for s in case.find("gunicorn.worker-timeout", within_s=60.0)}
    coded = {worker_of(s) for s in case.find("gunicorn.worker-exit-code", within_s=15.0)}
    short = [
        w
        for w in case.ledger.workers.values()
        if case.distance_s(w.booted_s) <= 15.0
        and ((w.exiting_s is not None and w.exiting_s - w.booted_s < SHORT_LIFE_S) or w.pid in coded)
        and w.autorestart_s is None
        and w.pid not in given_up
    ]
    return len(short) >= 3 and deploys_near(case) == 0


@fact("death.by_own_exit")
def death_by_own_exit(case: Case) -> Value:
    """Whether the exit code is one only the application itself can have chosen.

    3 and 4 are gunicorn's words for a failed start, unless the worker had been up and printed no traceback.
    """
    code = death_exit_code(case)
    if not isinstance(code, int):
        return True if boot_served_first(case) else None
    return code not in (0, *BOOT_CODES) or (code in BOOT_CODES and bool(boot_served_first(case)))


@fact("boot.served_first")
def boot_served_first(case: Case) -> Value:
    """Whether workers ended gunicorn with its code for a failed start although they had been up without an error.

    Gunicorn before 21 prints no exit code: there the master's reason and the workers' goodbyes tell.
    """
    if any(case.find(rule) for rule in ("gunicorn.boot-exception", "gunicorn.app-not-found")):
        return False
    ends = {
        worker_of(s) or -1: s.time_s
        for s in case.find("gunicorn.worker-exit-code")
        if s.fields.get("code") in BOOT_CODES
    }
    if not ends and case.find("gunicorn.shutdown-reason"):
        near = [w for w in case.ledger.workers.values() if w.exiting_s and case.distance_s(w.exiting_s) <= 15.0]
        ends = {w.pid: w.exiting_s for w in near if w.exiting_s is not None}
    lives = [t - case.ledger.workers[pid].booted_s for pid, t in ends.items() if pid in case.ledger.workers]
    return bool(lives) and min(lives) >= SERVED_S


@fact("master.end")
def master_end(case: Case) -> Value:
    """How the main process ended as systemd reports it: the signal (KILL, SEGV ...), or ``exited``."""
    for signal in case.find("systemd.main-exited"):
        if signal.fields.get("exit_code") not in ("killed", "dumped"):
            return "exited"
        return SIGNAL_NAMES.get(str(signal.fields.get("exit_status")), "a signal")
    return None


@fact("master.silent_end")
def master_silent_end(case: Case) -> Value:
    """Whether the master workers lost had printed neither a signal nor that it shuts down; None when none lost it."""
    if not case.find("gunicorn.parent-changed"):
        return None
    spoke = ("gunicorn.stop-or-reload", "gunicorn.signal-received", "gunicorn.shutdown", "gunicorn.main-loop-exception")
    return not any(case.find(rule) for rule in spoke)


def deploys_near(case: Case) -> int:
    """Stops and reloads by a person in the half minute before the question."""
    return sum(
        m.kind.startswith(("signal:", "stopping", "reloading")) and 0 <= case.focus.t0_s - m.time_s <= 30.0
        for m in case.ledger.marks
    )
