"""What to collect next: which missing evidence would decide most, and the command or line that opens it.

A closed table; collects nothing itself. How evidence is weighed stands in judge.py, and is asked there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzerd.core.judge import weigh
from analyzerd.model import Evidence, Hypothesis, Incident, Truth, Verdict
from analyzerd.rules.schema import CauseRule, Condition, RuleSet

PTRACE = "systemctl edit analyzerd  # [Service] AmbientCapabilities=CAP_SYS_PTRACE, then restart analyzerd"
RIVAL_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to do. ``cost``: 1 a command, 2 a line and a reload, 3 a restart or a right, 4 days of waiting.

    ``do`` may hold {unit} and {since}. ``back``: it also shows what has already happened.
    """

    id: str
    shows: str
    do: str
    cost: int
    back: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """A check with the missing evidence it opens; ``decides``: by how much confidences can move, summed."""

    check: Check
    opens: tuple[tuple[str, str], ...]
    decides: float


CHECKS: Mapping[str, Check] = {c.id: c for c in (
    Check("kernel", "what the kernel killed, and why",
          "journalctl -k -o json --since '{since}' > kernel.json"
          "  # for analyzerd itself: usermod -aG systemd-journal analyzerd", 1, back=True),
    Check("gunicorn-log", "what gunicorn and the app printed",
          "journalctl -u {unit} -o export --since '{since}' > journal.export"
          "  # logged to a file? name it under files: with kind: gunicorn", 1, back=True),
    Check("systemd", "how systemd started, stopped and restarted the unit",
          "journalctl -u {unit} -o json --since '{since}' > journal.json", 1, back=True),
    Check("nginx-error", "what nginx met at gunicorn",
          "files: [{{path: /var/log/nginx/error.log, kind: nginx.error}}]  # analyzerd.yaml; and:"
          " usermod -aG adm analyzerd", 1, back=True),
    Check("nginx-times", "how long requests waited and ran, as nginx saw them",
          "log_format timed '$msec $remote_addr \"$request\" $status rt=$request_time uct=$upstream_connect_time "
          "uht=$upstream_header_time urt=$upstream_response_time us=$upstream_status ua=$upstream_addr';  # nginx.conf",
          2),
    Check("gunicorn-times", "how long each request ran in a worker",
          "gunicorn --access-logfile - --access-logformat '%(t)s pid=%(p)s \"%(r)s\" st=%(s)s us=%(D)s b=%(B)s'"
          "  # or --statsd-host 127.0.0.1:8125, with witnesses: {{statsd: ...}} in analyzerd.yaml", 3),
    Check("nginx-conf", "nginx's limits in effect", "nginx_conf: /etc/nginx/nginx.conf  # analyzerd.yaml", 1),
    Check("gunicorn-settings", "gunicorn's settings in effect", PTRACE, 3),
    Check("open-files", "heartbeats, connections and what a worker waits on", PTRACE, 3),
    Check("readings", "CPU, memory, waits and queues of the workers and the machine",
          "analyzerctl record --for 60s DIR  # always: sampling: {{interval: 5s}} in analyzerd.yaml", 1),
    Check("accounting", "limits and counters of the unit's cgroup",
          "systemctl edit {unit}  # [Service] MemoryAccounting=yes, CPUAccounting=yes", 2),
    Check("disks", "free space", "sampling: {{disks: [/, /var/log, /tmp]}}  # analyzerd.yaml", 2),
    Check("stack", "the line a worker hangs at",
          "py-spy dump --pid WORKER  # while it hangs; always: witnesses: {{stacks: true}} in analyzerd.yaml", 1),
    Check("history", "what is usual for this app", "systemctl enable --now analyzerd  # and some days of load", 4),
    Check("starts", "gunicorn's start, its version and workers",
          "analyzerctl replay --since -30d  # or restart the app while analyzerd runs", 1, back=True),
)}  # fmt: skip

OF_SOURCE: Mapping[str, tuple[str, ...]] = {
    "gunicorn": ("gunicorn-log",),
    "app": ("gunicorn-log",),
    "gunicorn.access": ("gunicorn-times",),
    "nginx.error": ("nginx-error",),
    "nginx.access": ("nginx-times",),
    "kernel": ("kernel",),
    "systemd": ("systemd",),
    "stack": ("stack",),
    "derived": ("readings", "nginx-times"),
}
"""Checks that open what signals of a source would say."""

OF_FACT: Mapping[str, tuple[str, ...]] = {
    "load.": ("readings",),
    "percent.": ("readings",),
    "load.service_": ("gunicorn-times",),
    "load.upstream_": ("nginx-times",),
    "load.queue_": ("nginx-times", "gunicorn-times"),
    "load.utilisation": ("gunicorn-times",),
    "load.cpu_": ("gunicorn-times", "readings"),
    "load.faults_per_request": ("readings",),
    "load.throttled": ("accounting", "readings"),
    "load.waits": ("gunicorn-times", "readings"),
    "load.computes": ("gunicorn-times", "readings"),
    "load.slots": ("gunicorn-settings",),
    "load.slots_needed": ("gunicorn-times",),
    "load.connections_unlimited": ("gunicorn-settings",),
    "interpreter.": ("readings",),
    "worker_class.": ("gunicorn-times", "readings"),
    "cores.": ("readings",),
    "cores.throttled": ("accounting", "readings"),
    "cores.limited": ("accounting", "readings"),
    "service.": ("history",),
    "workers.": ("readings",),
    "logs.gunicorn_tells": ("gunicorn-log",),
    "logs.nginx_tells": ("nginx-error",),
    "death.": ("gunicorn-log", "kernel"),
    "death.library": ("kernel",),
    "worker.lifetime": ("starts",),
    "worker.": ("readings",),
    "worker.connections": ("open-files",),
    "boot.": ("gunicorn-log",),
    "boot.unexplained": ("starts",),
    "boot.beyond_wanted": ("gunicorn-settings",),
    "master.": ("systemd",),
    "growth.": ("readings",),
    "memory.": ("readings",),
    "memory.limit_hits": ("accounting", "readings"),
    "fds.": ("open-files",),
    "database.": ("open-files",),
    "pool.in_use": ("open-files",),
    "pool.taken": ("open-files",),
    "oom.": ("kernel",),
    "oom.counter_rose": ("accounting",),
    "oom.host_counter_rose": ("readings",),
    "recycling.": ("gunicorn-log",),
    "recycle.": ("gunicorn-log",),
    "gunicorn.version_major": ("starts",),
    "gunicorn.": ("gunicorn-settings",),
    "gunicorn.alive": ("readings",),
    "gunicorn.silent": ("gunicorn-log",),
    "pool.": ("gunicorn-log",),
    "errors.": ("gunicorn-log",),
    "unit.": ("systemd",),
    "exception.": ("gunicorn-log",),
    "spawn.": ("systemd",),
    "bind.": ("gunicorn-log",),
    "disk.": ("disks",),
    "nginx.": ("nginx-conf",),
    "stack.": ("stack",),
    "dump.": ("stack",),
    "endpoint": ("gunicorn-times",),
    "timeout.": ("gunicorn-log",),
    "binds": ("gunicorn-settings",),
    "deploy.": ("gunicorn-log", "systemd"),
    "upstream.": ("gunicorn-settings",),
    "upstream.ours_is_configured": ("nginx-conf",),
    "listener.": ("open-files",),
    "listen.": ("readings",),
    "mismatch.": ("gunicorn-times",),
    "requests.": ("nginx-times",),
    "requests.fit": ("history",),
    "timeout.excess": ("gunicorn-times", "history"),
    "slots.": ("open-files", "readings"),
    "frozen.": ("readings", "accounting"),
    "tail.": ("gunicorn-times", "history"),
}
"""Checks that open a fact, by its name or the longest beginning of it."""


def checks_for(condition: Condition, rules: RuleSet) -> tuple[str, ...]:
    """Ids of the checks that would make a condition known; () where none is known to."""
    name = condition.signal or condition.absent
    if name:
        sources = rules.signals[name].sources if name in rules.signals else ()
        return tuple(dict.fromkeys(check for source in sources for check in OF_SOURCE.get(source, ())))
    if condition.setting:
        return ("nginx-conf",) if condition.setting.startswith("nginx.") else ("gunicorn-settings",)
    known = [prefix for prefix in OF_FACT if condition.fact.startswith(prefix)]
    return OF_FACT[max(known, key=len)] if known else ()


def next_checks(incident: Incident, rules: RuleSet) -> list[Next]:
    """What is worth collecting for an incident, the best worth for its cost first; [] when nothing would help."""
    opened: dict[str, list[tuple[Hypothesis, Evidence]]] = {}
    for guess, evidence, checks in _missing(incident, rules):
        for check in checks:
            opened.setdefault(check, []).append((guess, evidence))
    found = [_next(CHECKS[check], pairs, incident, rules) for check, pairs in opened.items()]
    worth = [one for one in found if one.decides > 0]
    return sorted(worth, key=lambda one: (-one.decides / one.check.cost, one.check.cost, one.check.id))


def _missing(incident: Incident, rules: RuleSet) -> Iterator[tuple[Hypothesis, Evidence, tuple[str, ...]]]:
    for guess in incident.hypotheses:
        rule = rules.causes.get(guess.cause)
        if rule is None or guess.verdict is Verdict.RULED_OUT:
            continue
        by_id = {condition.id: condition for condition in (*rule.evidence, *rule.against)}
        for evidence in guess.evidence:
            if evidence.truth is Truth.UNKNOWN and evidence.id in by_id:
                yield guess, evidence, checks_for(by_id[evidence.id], rules)


def _next(check: Check, pairs: Sequence[tuple[Hypothesis, Evidence]], incident: Incident, rules: RuleSet) -> Next:
    by_cause: dict[str, list[Evidence]] = {}
    for guess, evidence in pairs:
        by_cause.setdefault(guess.cause, []).append(evidence)
    decides = 0.0
    for guess in incident.hypotheses:
        if guess.cause in by_cause:
            share = 1.0 if guess.cause == incident.cause else RIVAL_SHARE
            decides += share * _swing(rules.causes[guess.cause], guess, by_cause[guess.cause])
    opens = dict.fromkeys((guess.cause, evidence.says) for guess, evidence in pairs)
    return Next(check, tuple(opens), round(decides, 3))


def _swing(rule: CauseRule, guess: Hypothesis, opened: Sequence[Evidence]) -> float:
    """How far apart the confidences lie when all that is opened speaks for the cause, and when all speaks against."""
    ids = {evidence.id for evidence in opened}
    ends = []
    for speaks_for in (True, False):
        told = [_told(e, speaks_for=speaks_for) if e.id in ids else e for e in guess.evidence]
        verdict, confidence = weigh(rule, [e for e in told if e.supports], [e for e in told if not e.supports])
        ends.append(confidence if verdict in (Verdict.CONFIRMED, Verdict.LIKELY) else confidence / 2)
    return abs(ends[0] - ends[1])


def _told(evidence: Evidence, *, speaks_for: bool) -> Evidence:
    return replace(evidence, truth=Truth.TRUE if evidence.supports == speaks_for else Truth.FALSE)
