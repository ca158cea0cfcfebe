"""Audit of the signs of over-tuning: what too many workers or threads, or too few, show in measurements."""

from __future__ import annotations

from analyzerd.core.audit.item import (
    GUNICORN,
    LEAST_FOR_SIZE,
    LEAST_REQUESTS,
    SUSTAINED_S,
    Answer,
    Item,
    Subject,
    failed,
    log_upstream,
    passed,
    setting_page,
    unknown,
)
from analyzerd.core.estimators import percentile
from analyzerd.core.facts import FACTS
from analyzerd.core.measure import take_turns
from analyzerd.core.plan import Want, solve
from analyzerd.core.plan.reading import given
from analyzerd.core.solvers import SOLVERS

NOT_WATCHED = "the workers were not watched for long enough"
WATCH = "audit with --for 60s, or give a recording"
FULL = 0.15


def saturated(s: Subject) -> Answer:
    """The CPUs are not full all the time."""
    idle = s.load.idle
    if not s.watched or idle is None:
        return unknown(NOT_WATCHED, WATCH)
    own = f", {100 * s.load.our_cpu:.0f} % of what is used by these workers" if s.load.our_cpu is not None else ""
    shown = f"the CPUs were idle {100 * idle:.0f} % of {s.watched_s:.0f} s{own}"
    if idle >= FULL:
        return passed(shown)
    if s.watched_s < SUSTAINED_S:
        return unknown(f"{shown}: watch for a minute to tell a moment from a state", "--for 60s")
    if (s.load.our_cpu or 0.0) < 0.5:
        return failed(f"{shown}: others use the CPUs", "find what else runs; fewer workers would not help")
    return failed(shown, "fewer workers or threads, or more cores")


def run_queue(s: Subject) -> Answer:
    """Workers that are ready to run do run."""
    share = s.load.run_queue
    if not s.watched or share is None:
        return unknown(NOT_WATCHED, WATCH)
    shown = f"workers waited for a CPU {100 * share:.0f} % of {s.watched_s:.0f} s"
    if share <= 0.25:
        return passed(shown)
    if FACTS["cores.limited"](s.case):
        return failed(f"{shown}, stopped by a CPU limit of their own", "raise CPUQuota, or fewer workers")
    if FACTS["workers.starved_by_others"](s.case):
        return failed(f"{shown}, because others use the CPUs", "find what else runs; fewer workers would not help")
    return failed(shown, "fewer workers")


def switching(s: Subject) -> Answer:
    """The threads of a worker do not take turns in one busy interpreter."""
    rate, busiest = s.load.switches, s.load.busiest
    if not s.watched or rate is None or busiest is None:
        return unknown(NOT_WATCHED, WATCH)
    shown = f"{rate:.0f} context switches/s in the busiest worker, which used {busiest:.2f} of a core"
    if s.worker_class == "gthread" and take_turns(s.load, s.load) and busiest > 0.75 and (s.load.threads or 1) > 1:
        return failed(f"{shown}: its threads wait for one interpreter", "fewer threads, more workers")
    return passed(shown)


def throttled(s: Subject) -> Answer:
    """The unit's CPU quota does not stop it."""
    groups = [c for sample in s.case.samples for c in sample.cgroups if s.case.ours.unit(c.unit)]
    counted = [c for c in groups if c.cpu_periods is not None]
    share = s.load.throttled
    if share is not None:
        shown = f"the CPU quota ran out in {100 * share:.0f} % of its periods"
        return failed(shown, "raise CPUQuota, or fewer workers") if share > 0.25 else passed(shown)
    if len(counted) >= 2:
        return passed("the unit has no CPU quota, or never met it")
    return unknown("the unit's CPU accounting was not read", "audit on the machine itself; CPUAccounting=yes")


def idle_but_slow(s: Subject) -> Answer:
    """Requests do not queue while CPUs are idle."""
    queue, usual, idle = s.load.queue_p95, s.load.service_p50, s.load.idle
    if s.load.requests < LEAST_REQUESTS or queue is None or usual is None:
        reason = "how long requests wait before the app takes them was not measured"
        return unknown(reason, log_upstream(s))
    shown = f"requests wait {queue:.2f} s (p95) for {usual:.2f} s of work"
    if queue <= max(0.3, usual):
        return passed(shown)
    if idle is None or not s.watched:
        return unknown(f"{shown}; whether CPUs were idle meanwhile was not read", WATCH)
    if idle <= FULL:
        return passed(f"{shown}, but the CPUs are full: that is another item")
    if s.load.imbalance is not None and s.load.imbalance >= 0.08:
        change = f"worker_connections = {(s.load.threads or 1) + 1}"
        return failed(f"{shown} while CPUs are {100 * idle:.0f} % idle and some workers have free threads", change)
    return failed(f"{shown} while CPUs are {100 * idle:.0f} % idle", _for_a_queue(s))


def _for_a_queue(s: Subject) -> str:
    """What to do about it: first whatever else makes requests queue, then more slots."""
    if s.heard.get("app.pool-timeout"):
        return "first the database pool, see database-pool"
    if FACTS["service.slower"](s.case):
        return "first what the app waits for: it has become slower, more slots would only wait with it"
    if s.heard.get("gunicorn.autorestart", 0) >= (s.workers or 1):
        return "first the recycling, see max-requests-jitter and recycling-cost"
    answer = SOLVERS["workers_for_load"](s.case)
    solution = solve(given(s.case), [answer]) if isinstance(answer, Want) else None
    found = [f"{c.field} = {c.after}  # {c.why}" for c in solution.changes] if solution else []
    return "\n".join(found) or "more workers or threads, carefully"


def database(s: Subject) -> Answer:
    """The database refuses no connection, and no request waits for the pool in vain."""
    refused, waited = s.heard.get("app.db-connection-limit", 0), s.heard.get("app.pool-timeout", 0)
    if refused:
        return failed(f"the database refused connections {refused} times", "workers x pool below max_connections")
    if waited:
        return failed(
            f"{waited} requests waited for a pooled connection in vain", "a pool of at least as many as threads"
        )
    if s.case.witnesses.reads("gunicorn") or s.case.witnesses.reads("app"):
        return passed("the logs that were read name no refused connection and no full pool")
    return unknown("neither gunicorn's nor the app's log was read", "give the journal of the unit")


def pool(s: Subject) -> Answer:
    """The pool holds a connection for each request a worker runs at once, and all pools fit the database."""
    size, at_once = FACTS["pool.size"](s.case), s.load.threads
    if not isinstance(size, int):
        reason = "the size of the pool stands in the app's code, max_connections in the database: neither is read"
        return unknown(reason, "pool_size + max_overflow >= threads; workers x that < max_connections - 8")
    if at_once is not None and at_once > size:
        return failed(f"{at_once} requests at once share {size} pooled connections", f"pool_size={at_once}")
    total = f"{s.workers:g} workers open up to {size * s.workers:g} connections" if s.workers else "workers unknown"
    return unknown(f"the pool holds {size}, {total}; the database's max_connections is not read")


def effects(s: Subject) -> Answer:
    """CPU, memory, latency and errors are measured, so that a change can be judged."""
    took = percentile(s.upstream, 0.95) or percentile(s.service, 0.95)
    memory = max((p.rss_bytes or 0 for p in (s.last.processes if s.last else ()) if p.role == "worker"), default=0)
    known = {
        "CPU": s.load.idle is not None,
        "memory": memory > 0,
        "latency": took is not None and s.requests >= LEAST_REQUESTS,
        "error rate": s.requests >= LEAST_REQUESTS,
    }
    missing = [name for name, there in known.items() if not there]
    if missing:
        return unknown(f"not measured: {', '.join(missing)}", "audit under load on the machine, or give a recording")
    share = _failed_share(s)
    shown = f"CPUs {100 - 100 * (s.load.idle or 0):.0f} % busy, workers up to {memory >> 20} MiB, p95 {took or 0:.2f} s"
    return passed(f"{shown}, {100 * share:.1f} % of {s.requests} requests failed: compare after each change")


def _failed_share(s: Subject) -> float:
    """Failed requests over all, by nginx where its log is read: it also counts those gunicorn never saw."""
    by_source = {source: [t for t in s.tallies if t.source == source] for source in ("nginx.access", "gunicorn.access")}
    tallies = by_source["nginx.access"] or by_source["gunicorn.access"]
    total = sum(t.requests for t in tallies)
    bad = sum(n for t in tallies for status, n in t.by_status.items() if status.startswith("5"))
    return bad / total if total else 0.0


def backlog(s: Subject) -> Answer:
    """The accept queue is as long as gunicorn asks, and no request is turned away from it."""
    asked, allowed = s.number("gunicorn.backlog"), s.ground.somaxconn
    places = s.places("gunicorn.backlog")
    full = sum(s.heard.get(rule, 0) for rule in ("nginx.connect-queue-full", "kernel.syn-flood"))
    if full:
        return failed(f"the accept queue was full {full} times", "more workers first; then backlog = 2048", places)
    if asked is None:
        return unknown("gunicorn's backlog is not known")
    if allowed is not None and asked > allowed:
        reason = f"backlog = {asked:g}, of which the kernel grants {allowed}"
        return failed(reason, f"sysctl net.core.somaxconn={int(asked)}", places)
    rate = s.peak_rate
    if rate is not None and s.requests >= LEAST_FOR_SIZE and asked < 3 * rate:
        reason = f"backlog = {asked:g} is full after a stall of {asked / rate:.1f} s at {rate:.1f} requests/s"
        return failed(reason, "backlog = 2048", places)
    if allowed is None:
        return unknown(f"backlog = {asked:g}; what the kernel grants (net.core.somaxconn) was not read", "", places)
    return passed(f"backlog = {asked:g}, all of which the kernel grants", places)


_SECTION = "Watch for signs of over-tuning"
ITEMS = (
    Item(
        "cpu-saturated",
        "Is there CPU to spare?",
        f"{_SECTION}: CPU is saturated continuously",
        ("cpu-saturated", "noisy-neighbour"),
        (f"{GUNICORN}design.html#how-many-workers",),
        saturated,
    ),
    Item(
        "run-queue",
        "Do workers that are ready to run get a CPU?",
        "Common causes: too many workers, excessive context switching, CPU thrash",
        ("too-many-workers", "noisy-neighbour", "cpu-quota"),
        (f"{GUNICORN}design.html#how-many-workers",),
        run_queue,
    ),
    Item(
        "context-switches",
        "Do threads work rather than take turns?",
        "Common causes: too many threads per worker, increased contention",
        ("too-many-threads",),
        (setting_page("threads"),),
        switching,
    ),
    Item(
        "throttling",
        "Does the unit's CPU quota leave it alone?",
        "",
        ("cpu-quota",),
        ("https://www.kernel.org/doc/html/latest/admin-guide/cgroup-v2.html",),
        throttled,
    ),
    Item(
        "slow-while-idle",
        "Do requests start at once while CPUs are idle?",
        f"{_SECTION}: latency is high but CPU stays low",
        ("too-few-workers", "gthread-hoarding"),
        (f"{GUNICORN}design.html#how-many-workers",),
        idle_but_slow,
    ),
    Item(
        "database-refusals",
        "Does the database take every connection?",
        "Common causes: database pool too small",
        ("db-connection-limit", "db-pool-too-small"),
        ("https://docs.sqlalchemy.org/en/20/errors.html#error-3o7r",),
        database,
    ),
    Item(
        "database-pool",
        "Does the pool match what workers run at once, and the database?",
        "Common causes: database pool too small",
        ("db-pool-too-small", "db-connection-limit"),
        ("https://www.postgresql.org/docs/current/runtime-config-connection.html",),
        pool,
    ),
    Item(
        "backlog",
        "Does the accept queue hold what a short stall brings?",
        "",
        ("backlog-overflow",),
        (setting_page("backlog"),),
        backlog,
    ),
    Item(
        "effects-measured",
        "Are CPU, memory, latency and error rate there to compare after a change?",
        "Checklist: CPU, memory, latency, and error rate were checked after each change",
        (),
        (f"{GUNICORN}design.html",),
        effects,
    ),
)
