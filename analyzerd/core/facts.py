"""The closed vocabulary of facts a cause rule may name: each a pure function of a case, None when unknown.

Adding one: write the function, decorate it with its name, say in its docstring what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median

from analyzerd.core.case import Case, version_tuple
from analyzerd.core.ledger import address_of, worker_of
from analyzerd.model import Signal, Value

Fact = Callable[[Case], Value]
FACTS: dict[str, Fact] = {}

EVENT_LOOP_CLASSES = ("gevent", "eventlet", "tornado", "asgi", "gevent_wsgi", "gevent_pywsgi", "uvicorn")
DATABASE_WORDS = ("dbconn", "cursor", "execute", "session.", "engine.", "query", "database", "psycopg", "sqlalchemy")


def fact(name: str) -> Callable[[Fact], Fact]:
    """Register a fact under the name rules use."""

    def register(function: Fact) -> Fact:
        FACTS[name] = function
        return function

    return register


# ---- the abort traceback of a timed-out worker ------------------------------------------------------


def _stack(case: Case) -> Signal | None:
    """The traceback this worker printed when it was aborted."""
    if case.worker is None:
        return None
    for rule in ("gunicorn.request-error", "gunicorn.request-unread", "gunicorn.exit-hang-stack"):
        found = [
            s
            for s in case.find(rule, worker=case.worker)
            if s.fields.get("aborted") or rule != "gunicorn.request-error"
        ]
        if found:
            return found[0]
    return None


def _stack_field(case: Case, name: str) -> Value:
    stack = _stack(case)
    return stack.fields.get(name) if stack else None


@fact("stack.kind")
def stack_kind(case: Case) -> Value:
    """What the aborted request was doing: request-read, db-pool, database, http-api, sleep, app-code ..."""
    stack = _stack(case)
    if stack is None:
        return None
    if stack.rule == "gunicorn.request-unread":
        return "request-read"
    return stack.fields.get("stack_kind")


@fact("stack.seen")
def stack_seen(case: Case) -> Value:
    """Whether the aborted worker printed a traceback; None where its version and class never print one."""
    if _stack(case) is not None:
        return True
    version = version_tuple(case.ledger.version)
    worker_class = case.setting("gunicorn.worker_class")
    if worker_class not in (None, "sync"):
        return None
    return False if version >= (22,) else None


@fact("stack.frame")
def stack_frame(case: Case) -> Value:
    """The innermost line of the application's own code."""
    return _stack_field(case, "frame")


@fact("stack.code")
def stack_code(case: Case) -> Value:
    """The source text of that line."""
    return _stack_field(case, "frame_code")


@fact("stack.inner_frame")
def stack_inner_frame(case: Case) -> Value:
    """The instruction that was running when the worker was aborted."""
    return _stack_field(case, "inner_frame")


@fact("stack.waits_on_socket")
def stack_waits_on_socket(case: Case) -> Value:
    """Whether the running instruction reads from a socket, without a known library above it."""
    if _stack(case) is None:
        return None
    return _stack_field(case, "waits_on") == "socket"


@fact("stack.names_database")
def stack_names_database(case: Case) -> Value:
    """Whether the line or function that waits is named like a database call."""
    code, frame = _stack_field(case, "frame_code"), _stack_field(case, "frame")
    if code is None and frame is None:
        return None
    text = f"{code or ''} {frame or ''}".lower()
    return any(word in text for word in DATABASE_WORDS) or str(frame or "").endswith((" in db", " in query"))


@fact("endpoint")
def endpoint(case: Case) -> Value:
    """Path of the request in question, without its query."""
    found = _stack_field(case, "endpoint")
    if found:
        return found
    for signal in (*case.opening(), *_lost_requests(case)):
        if signal.fields.get("endpoint"):
            return signal.fields["endpoint"]
    return None


def _lost_requests(case: Case) -> list[Signal]:
    """Requests nginx lost in the very moment of the question."""
    return [
        s for rule in ("nginx.closed-early", "nginx.reset") for s in case.find(rule, within_s=3.0)
    ]


# ---- timeouts ---------------------------------------------------------------------------------------


def _timeout_s(case: Case) -> float | None:
    """When the arbiter gave this worker up."""
    if case.worker is None:
        return None
    found = case.find("gunicorn.worker-timeout", worker=case.worker)
    return found[0].time_s if found else None


@fact("timeout.seen")
def timeout_seen(case: Case) -> Value:
    """Whether gunicorn's arbiter timed this worker out."""
    if case.worker is None:
        return None
    return _timeout_s(case) is not None


@fact("timeout.kill_delay")
def timeout_kill_delay(case: Case) -> Value:
    """Seconds from the time-out to the SIGKILL of the same worker; None when it was not killed."""
    at = _timeout_s(case)
    killed = [s.time_s for s in case.find("gunicorn.worker-signal", worker=case.worker) if is_sigkill(s)]
    return killed[0] - at if at is not None and killed else None


@fact("timeout.exited_before")
def timeout_exited_before(case: Case) -> Value:
    """Seconds by which the worker's goodbye came before its time-out."""
    at = _timeout_s(case)
    worker = case.ledger.workers.get(case.worker or -1)
    if at is None or worker is None:
        return None
    return at - worker.exiting_s if worker.exiting_s is not None else 0.0


@fact("timeout.siblings_with_stack")
def siblings_with_stack(case: Case) -> Value:
    """Other workers of the app that timed out within five seconds and printed where they were."""
    stacks = {worker_of(s) for s in case.find("gunicorn.request-error", within_s=5.0) if s.fields.get("aborted")}
    others = {worker_of(s) for s in case.find("gunicorn.worker-timeout", within_s=5.0)} - {case.worker}
    return len(stacks & others)


@fact("worker.cpu_share")
def worker_cpu_share(case: Case) -> Value:
    """CPU the worker used per second in the last ``timeout`` seconds before it was given up, 0 to 1."""
    at = _timeout_s(case) or case.focus.t0_s
    span_s = case.number("gunicorn.timeout") or 30.0
    if case.worker is None:
        return None
    series = [
        (t, (r.cpu_user_s or 0.0) + (r.cpu_system_s or 0.0))
        for t, r in case.readings(case.worker, at - span_s - 0.5, at + 1.0)
        if r.cpu_user_s is not None
    ]
    if len(series) < 2 or series[-1][0] - series[0][0] < min(2.0, span_s / 2):
        return None
    return (series[-1][1] - series[0][1]) / (series[-1][0] - series[0][0])


@fact("worker.blocked_on_disk")
def worker_blocked_on_disk(case: Case) -> Value:
    """Share of readings before the time-out in which the worker sat in uninterruptible sleep (state D)."""
    at = _timeout_s(case) or case.focus.t0_s
    if case.worker is None:
        return None
    span_s = case.number("gunicorn.timeout") or 30.0
    states = [r.state for _, r in case.readings(case.worker, at - span_s, at + 1.0) if r.state]
    return sum(s == "D" for s in states) / len(states) if len(states) >= 2 else None


@fact("worker.connections")
def worker_connections(case: Case) -> Value:
    """Most connections the worker held in the readings before the question."""
    at = _timeout_s(case) or case.focus.t0_s
    if case.worker is None:
        return None
    span_s = case.number("gunicorn.timeout") or 30.0
    held = [r.connections for _, r in case.readings(case.worker, at - span_s, at + 1.0) if r.connections is not None]
    return max(held) if held else None


@fact("binds")
def binds(case: Case) -> Value:
    """How many addresses gunicorn listens at."""
    return len(case.addresses) or None


@fact("endpoint.completes_within_timeout")
def endpoint_completes(case: Case) -> Value:
    """Longest completed request to the same endpoint, in seconds, where it is under the time-out."""
    limit_s, path = case.number("gunicorn.timeout"), endpoint(case)
    if limit_s is None or path is None or not case.witnesses.reads("gunicorn.access"):
        return None
    done = [
        float(s.fields["duration_s"])
        for s in case.find("gunicorn.request-slow", within_s=600.0)
        if s.fields.get("endpoint") == path
        and isinstance(s.fields.get("duration_s"), int | float)
        and limit_s / 2 <= float(s.fields["duration_s"] or 0) < limit_s
    ]
    return max(done) if done else 0.0


# ---- deaths -----------------------------------------------------------------------------------------

CRASH_SIGNALS = {
    "SIGSEGV": "SIGSEGV", "11": "SIGSEGV", "code 139": "SIGSEGV",
    "SIGABRT": "SIGABRT", "6": "SIGABRT", "code 134": "SIGABRT",
    "SIGBUS": "SIGBUS", "7": "SIGBUS", "code 135": "SIGBUS",
    "SIGFPE": "SIGFPE", "8": "SIGFPE", "code 136": "SIGFPE",
    "SIGILL": "SIGILL", "4": "SIGILL", "code 132": "SIGILL",
}  # fmt: skip


def is_sigkill(signal: Signal) -> bool:
    """Whether a worker-signal line says SIGKILL, in any version's words."""
    return str(signal.fields.get("signal")) in ("SIGKILL", "9", "code 137")


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
    leavers = {w.pid for w in case.ledger.workers.values() if w.exiting_s and since <= w.exiting_s <= at + 1.0}
    for rule in ("gunicorn.worker-signal", "gunicorn.worker-exit-code", "gunicorn.worker-timeout", "kernel.oom-kill",
                 "kernel.segfault", "gunicorn.boot-exception"):
        leavers |= {worker_of(s) or 0 for s in case.signals if s.rule == rule and since <= s.time_s <= at + 1.0}
    boots = [w for w in case.ledger.workers.values() if since <= w.booted_s <= at]
    if any(m.kind in ("start", "grow") or m.kind.startswith(("signal:", "stopping", "reloading"))
           for m in case.ledger.marks if since <= m.time_s <= at + 1.0):
        return True
    return len(leavers) >= len(boots)


# ---- memory: the kernel's own report ------------------------------------------------------------------


def _oom(case: Case) -> Signal | None:
    found = case.find("kernel.oom-kill", worker=case.worker)
    return found[0] if found else None


def _oom_field(case: Case, name: str) -> Value:
    report = _oom(case)
    return report.fields.get(name) if report else None


@fact("oom.constraint")
def oom_constraint(case: Case) -> Value:
    """Whose limit was hit: ``memcg`` (the unit's own) or ``host``."""
    return _oom_field(case, "constraint")


@fact("oom.victim_bytes")
def oom_victim(case: Case) -> Value:
    """Anonymous memory the victim gave back."""
    return _oom_field(case, "anon_rss_bytes")


@fact("oom.limit_bytes")
def oom_limit(case: Case) -> Value:
    """The limit that was hit, where the report prints it."""
    return _oom_field(case, "limit_bytes")


@fact("oom.victim_to_median")
def oom_victim_to_median(case: Case) -> Value:
    """Victim's memory over the median of the other processes of its name in the kernel's task table."""
    victim = _oom_field(case, "victim_rss_bytes")
    other = _oom_field(case, "median_same_name_rss_bytes")
    if isinstance(victim, int | float) and isinstance(other, int | float) and other:
        return victim / other
    return None


@fact("oom.other_process_share")
def oom_other_share(case: Case) -> Value:
    """Largest process of another name over all processes of the victim's name."""
    mine = _oom_field(case, "sum_same_name_rss_bytes")
    other = _oom_field(case, "largest_other_rss_bytes")
    if isinstance(mine, int | float) and mine and isinstance(other, int | float):
        return other / mine
    return None


@fact("oom.counter_rose")
def oom_counter_rose(case: Case) -> Value:
    """Whether the unit's own cgroup counted an OOM kill around the question."""
    kills = [
        c.oom_kills
        for sample in case.samples
        if case.distance_s(sample.time_s) <= 30.0
        for c in sample.cgroups
        if c.oom_kills is not None
    ]
    return kills[-1] > kills[0] if len(kills) >= 2 else None


# ---- deploys ------------------------------------------------------------------------------------------


@fact("deploy.active")
def deploy_active(case: Case) -> Value:
    """Whether all of it happened inside a stop, restart or reload, and where it concerns our own address."""
    if not case.witnesses.reads("gunicorn") and not case.witnesses.reads("systemd"):
        return None
    ours = upstream_is_ours(case)
    if case.focus.kind == "upstream" and ours is False:
        return False
    grace = case.number("gunicorn.graceful_timeout") or 30.0
    return any(a <= case.focus.t0_s and case.focus.t1_s <= b for a, b in case.ledger.deploys(grace))


@fact("deploy.bad")
def deploy_bad(case: Case) -> Value:
    """Whether the restart itself failed: a boot error stands in the same minute."""
    return any(
        case.find(rule, within_s=60.0)
        for rule in ("gunicorn.boot-exception", "gunicorn.shutdown-reason", "gunicorn.app-not-found", "kernel.oom-kill",
                     "gunicorn.bind-in-use")
    )


# ---- nginx against gunicorn ----------------------------------------------------------------------------


@fact("upstream.address")
def upstream_address(case: Case) -> Value:
    """The address nginx tried."""
    for signal in case.opening():
        if signal.fields.get("upstream_address"):
            return address_of(str(signal.fields["upstream_address"]))
    return None


@fact("upstream.addresses")
def upstream_addresses(case: Case) -> Value:
    """All addresses nginx tried around the question."""
    found = {
        address_of(str(s.fields["upstream_address"]))
        for s in case.signals
        if s.source == "nginx.error" and s.fields.get("upstream_address") and case.distance_s(s.time_s) <= 30
    }
    return ", ".join(sorted(found)) or None


@fact("upstream.is_ours")
def upstream_is_ours(case: Case) -> Value:
    """Whether the address nginx tried is one gunicorn listens at."""
    address = upstream_address(case)
    if not case.addresses or address is None:
        return None
    return _matches(str(address), case.addresses)


def _matches(address: str, listeners: tuple[str, ...]) -> bool:
    port = address.rsplit(":", 1)[-1]
    everywhere = {f"0.0.0.0:{port}", f"[::]:{port}", f":{port}"}
    return address in listeners or bool(everywhere & set(listeners)) or f"localhost:{port}" in (address, *listeners)


@fact("upstream.is_other_loopback")
def upstream_other_loopback(case: Case) -> Value:
    """Whether nginx tried the IPv6 loopback while gunicorn listens on the IPv4 one at the same port (localhost)."""
    tried = upstream_addresses(case)
    if tried is None or not case.addresses:
        return None
    return any(
        one.startswith("[::1]:") and f"127.0.0.1:{one.rsplit(':', 1)[1]}" in case.addresses
        for one in str(tried).split(", ")
    )


@fact("listener.addresses")
def listener_addresses(case: Case) -> Value:
    """Where gunicorn listens."""
    return ", ".join(case.addresses) or None


@fact("gunicorn.alive")
def gunicorn_alive(case: Case) -> Value:
    """Whether a master of this app runs (none ended after the newest start, as far as its lines tell)."""
    masters = case.ledger.masters.values()
    if not masters:
        return None
    return any(m.ended_s is None or m.ended_s >= case.focus.t1_s for m in masters)


@fact("upstream.peers_tried")
def upstream_peers(case: Case) -> Value:
    """How many addresses nginx tried around the question."""
    tried = upstream_addresses(case)
    return None if tried is None else len(str(tried).split(", "))


@fact("mismatch.completed_s")
def mismatch_completed(case: Case) -> Value:
    """Longest request to a timed-out endpoint that gunicorn finished although nginx had given it up."""
    limit_s = case.number("nginx.proxy_read_timeout")
    given_up = {s.fields.get("endpoint") for s in case.find("nginx.read-timeout", within_s=600.0)}
    if not case.witnesses.reads("gunicorn.access") or not given_up:
        return None
    done = [
        float(d)
        for s in case.find("gunicorn.request-slow", within_s=600.0)
        if s.fields.get("endpoint") in given_up
        and isinstance(d := s.fields.get("duration_s"), int | float)
        and int(s.fields.get("status") or 0) < 500
        and (limit_s is None or d > limit_s)
    ]
    return max(done) if done else 0.0


@fact("gunicorn.silent")
def gunicorn_silent(case: Case) -> Value:
    """Whether gunicorn printed nothing about a worker around the question."""
    if not case.witnesses.reads("gunicorn"):
        return None
    loud = ("gunicorn.worker-timeout", "gunicorn.worker-signal", "gunicorn.boot-exception", "gunicorn.worker-exit-code")
    return not any(case.find(rule) for rule in loud)


@fact("requests.given_up")
def requests_given_up(case: Case) -> Value:
    """How many requests nginx gave up around the question."""
    return len(case.find("nginx.read-timeout"))


@fact("workers.never_ready")
def workers_never_ready(case: Case) -> Value:
    """Whether the newest reading shows a worker that never reported ready (its heartbeat was never written)."""
    near = [s for s in case.samples if case.distance_s(s.time_s) <= 60.0]
    ages = [r.heartbeat_age_s for s in near for r in s.processes if r.role == "worker" and r.heartbeat_age_s is not None]
    return any(age < -1e6 for age in ages) if ages else None


@fact("listen.overflows")
def listen_overflows(case: Case) -> Value:
    """Connections the kernel dropped because an accept queue was full, in the minute around the question."""
    counts = [
        s.host.netstat["ListenOverflows"]
        for s in case.samples
        if case.distance_s(s.time_s) <= 60.0 and "ListenOverflows" in s.host.netstat
    ]
    return counts[-1] - counts[0] if len(counts) >= 2 else None


@fact("listen.queue_full_share")
def queue_full_share(case: Case) -> Value:
    """Share of readings in which an accept queue stood at its limit."""
    backlog = case.number("gunicorn.backlog")
    full = [
        reading.queue >= limit
        for sample in case.samples
        if case.distance_s(sample.time_s) <= 60.0
        for reading in sample.listeners
        if reading.queue is not None and (limit := reading.queue_limit or backlog) is not None
    ]
    return sum(full) / len(full) if full else None


# ---- recycling and the rest -----------------------------------------------------------------------------


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
    """systemd's restart counter of the unit as last printed."""
    found = case.find("systemd.restart-scheduled", within_s=300.0)
    counters = [int(n) for s in found if isinstance(n := s.fields.get("restarts"), int | str) and str(n).isdigit()]
    return max(counters) if counters else (len(found) or None)


@fact("unit.restarts_seen")
def unit_restarts_seen(case: Case) -> Value:
    """How often systemd restarted the unit in the five minutes around the question."""
    return len(case.find("systemd.restart-scheduled", within_s=300.0))


@fact("exception.text")
def exception_text(case: Case) -> Value:
    """Last line of the traceback at boot."""
    for rule in ("gunicorn.boot-exception", "gunicorn.app-not-found", "gunicorn.shutdown-reason"):
        for signal in case.find(rule):
            return str(signal.fields.get("exception_text") or signal.text)[:300]
    return None


@fact("exception.type")
def exception_type(case: Case) -> Value:
    """Type of the exception at boot."""
    for signal in case.find("gunicorn.boot-exception"):
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


@fact("workers.memory_median_bytes")
def workers_memory(case: Case) -> Value:
    """Median resident memory of the workers in the last reading before the question."""
    before = [s for s in case.samples if s.time_s <= case.focus.t0_s]
    if not before:
        return None
    sizes = [r.rss_bytes for r in before[-1].processes if r.role == "worker" and r.rss_bytes]
    return median(sizes) if sizes else None


@fact("nginx.worker_connections")
def nginx_worker_connections(case: Case) -> Value:
    """nginx's connection limit as its alert prints it."""
    for signal in case.find("nginx.worker-connections"):
        return signal.fields.get("limit")
    return case.number("nginx.worker_connections")


def facts_for_text(case: Case) -> Mapping[str, Fact]:
    """Facts by name, for the sentences of a rule."""
    del case
    return FACTS
