"""Facts of how a worker ended, and of workers that appear without a reason."""

from __future__ import annotations

from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.facts.words import CRASH_SIGNALS, is_sigkill
from analyzerd.core.ledger import worker_of
from analyzerd.model import Value

SHORT_LIFE_S = 2.0
BOOT_CODES = (3, 4)


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
    """Seconds from the worker's boot to the question."""
    worker = case.ledger.workers.get(case.worker or -1)
    return None if worker is None else max(0.0, case.focus.t0_s - worker.booted_s)


@fact("boot.unexplained")
def boot_unexplained(case: Case) -> Value:
    """Whether a worker was booted although nothing said that another one had gone or was wanted."""
    if case.worker is None or case.worker not in case.ledger.workers:
        return None
    if not case.ledger.masters or not case.witnesses.reads("gunicorn"):
        return None
    at = case.ledger.workers[case.worker].booted_s
    return not _boot_has_reason(case, at) and _boots_before(case, at) >= _wanted_workers(case)


def _wanted_workers(case: Case) -> float:
    return case.number("gunicorn.workers") or 1.0


def _boots_before(case: Case, at: float) -> int:
    return sum(w.booted_s < at for w in case.ledger.workers.values())


def _boot_has_reason(case: Case, at: float) -> bool:
    """A departure, a request for more, or a start that this boot answers; one departure explains one boot."""
    since = at - 15.0
    leavers = {
        w.pid for w in case.ledger.workers.values() if w.exiting_s and since <= w.exiting_s <= at + 1.0
    }
    for rule in (
        "gunicorn.worker-signal",
        "gunicorn.worker-exit-code",
        "gunicorn.worker-timeout",
        "kernel.oom-kill",
        "kernel.segfault",
        "gunicorn.boot-exception",
    ):
        leavers |= {
            worker_of(s) or 0 for s in case.signals if s.rule == rule and since <= s.time_s <= at + 1.0
        }
    boots = [w for w in case.ledger.workers.values() if since <= w.booted_s <= at]
    if any(
        m.kind in ("start", "grow") or m.kind.startswith(("signal:", "stopping", "reloading"))
        for m in case.ledger.marks
        if since <= m.time_s <= at + 1.0
    ):
        return True
    return len(leavers) >= len(boots)


@fact("boot.failing")
def boot_failing(case: Case) -> Value:
    """Whether at least three workers around the question left within two seconds of their boot."""
    if not case.witnesses.reads("gunicorn"):
        return None
    coded = {worker_of(s) for s in case.find("gunicorn.worker-exit-code", within_s=15.0)}
    short = [
        w
        for w in case.ledger.workers.values()
        if case.distance_s(w.booted_s) <= 15.0
        and ((w.exiting_s is not None and w.exiting_s - w.booted_s < SHORT_LIFE_S) or w.pid in coded)
        and w.autorestart_s is None
    ]
    return len(short) >= 3 and deploys_near(case) == 0


@fact("death.by_own_exit")
def death_by_own_exit(case: Case) -> Value:
    """Whether the exit code is one only the application itself can have chosen.

    3 and 4 are gunicorn's words for a failed start, unless the worker had been up and printed no traceback.
    """
    code = death_exit_code(case)
    if not isinstance(code, int):
        return None
    return code not in (0, *BOOT_CODES) or (code in BOOT_CODES and bool(boot_served_first(case)))


@fact("boot.served_first")
def boot_served_first(case: Case) -> Value:
    """Whether a worker left with a start-failure code although it had been up and its start printed no error."""
    if any(case.find(rule) for rule in ("gunicorn.boot-exception", "gunicorn.app-not-found")):
        return False
    coded = [
        worker_of(s) or -1
        for s in case.find("gunicorn.worker-exit-code")
        if s.fields.get("code") in BOOT_CODES
    ]
    exits = {worker_of(s): s.time_s for s in case.find("gunicorn.worker-exit-code")}
    return any(
        pid in case.ledger.workers and exits[pid] - case.ledger.workers[pid].booted_s >= 1.0 for pid in coded
    )


def deploys_near(case: Case) -> int:
    """Stops and reloads by a person in the half minute before the question."""
    return sum(
        m.kind.startswith(("signal:", "stopping", "reloading")) and 0 <= case.focus.t0_s - m.time_s <= 30.0
        for m in case.ledger.marks
    )
