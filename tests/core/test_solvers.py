"""Every proposed number, worked out by hand beside the one the program proposes."""

from __future__ import annotations

import pytest

from analyzerd.core.case import Case, Witnesses
from analyzerd.core.ledger import AppLedger
from analyzerd.core.plan import Demand, Given, Machine, Plan, Refusal, Want
from analyzerd.core.signals import AppSignals
from analyzerd.core.solvers import SOLVERS
from analyzerd.core.state import Focus
from analyzerd.model import Health, ProcessReading, Sample, Setting, Signal, Value

T0 = 1_800_000_000.0
MIB = 1 << 20


def case(settings: dict[str, Value], *signals: Signal, workers_bytes: tuple[int, ...] = ()) -> Case:
    """A question about worker 12 with settings, signals and one reading before it."""
    kept: dict[str, list[Signal]] = {}
    for signal in signals:
        kept.setdefault(signal.rule, []).append(signal)
    reading = Sample(
        T0 - 5, processes=tuple(ProcessReading(20 + n, "worker", rss_bytes=b) for n, b in enumerate(workers_bytes))
    )
    sources = ("gunicorn", "gunicorn.access", "nginx.error", "kernel")
    return Case(
        app="shop",
        focus=Focus("worker", "12", "shop", T0, T0, T0, {signals[0].rule: 1} if signals else {}),
        now_s=T0,
        view=AppSignals(kept, "shop", {}).refresh(),
        ledger=AppLedger("shop"),
        settings={name: Setting(T0, "", name, value, "test") for name, value in settings.items()},
        witnesses=Witnesses({source: Health(T0, source, "reading") for source in sources}),
        samples=(reading,) if workers_bytes else (),
    )


def seen(rule: str, source: str, **fields: Value) -> Signal:
    """One signal at the moment of the question."""
    return Signal(T0, rule, "shop", source, None, fields, rule)


SYNC: dict[str, Value] = {
    "nginx.proxy_read_timeout": 2,
    "gunicorn.timeout": 10,
    "gunicorn.worker_class": "sync",
}
GAVE_UP = seen("nginx.read-timeout", "nginx.error", endpoint="/report")
FINISHED = seen("gunicorn.request-slow", "gunicorn.access", endpoint="/report", duration_s=4.0, status=200)
GTHREAD16: dict[str, Value] = {"gunicorn.worker_class": "gthread", "gunicorn.threads": 16, "gunicorn.workers": 4}
POOL = seen("app.pool-timeout", "app", size=2, overflow=3, timeout=3.0)
OOM = seen("kernel.oom-kill", "kernel", pid=12, worker=12, limit_bytes=1024 * MIB, anon_rss_bytes=300 * MIB)


@pytest.mark.parametrize(
    ("name", "given", "field", "value"),
    [
        # the sync worker's own limit, and two seconds for the queue: 10 + 2
        ("proxy_read_timeout_over_gunicorn", case(SYNC, GAVE_UP, FINISHED), "read_timeout", 12),
        # threads have no limit of their own: 1.3 x 4.0 = 5.2, and 2
        (
            "proxy_read_timeout_over_gunicorn",
            case({"nginx.proxy_read_timeout": 2, "gunicorn.worker_class": "gthread"}, GAVE_UP, FINISHED),
            "read_timeout",
            8,
        ),
        # sixteen threads, 2 + 3 connections
        ("pool_for_threads", case(GTHREAD16, POOL), "pool_size", 16),
        # (100 - 8) / 4 workers = 23
        (
            "pool_for_database",
            case(
                {**GTHREAD16, "database.max_connections": 100},
            ),
            "pool_size",
            23,
        ),
        # a third of 12 s
        (
            "pool_timeout_below_gunicorn",
            case({"gunicorn.worker_class": "sync", "gunicorn.timeout": 12}),
            "pool_timeout",
            4,
        ),
        # (0.9 x 1024 - 256) / 150 = 4.4
        ("workers_for_memory", case({"gunicorn.workers": 9}, OOM, workers_bytes=(150 * MIB,) * 3), "workers", 4),
        ("single_bind_timeout", case({"gunicorn.timeout": 6}), "timeout", 12),
        # nothing was measured: gunicorn's own
        ("backlog_for_stall", case({"gunicorn.backlog": 16}), "backlog", 2048),
        ("nginx_connections", case({"nginx.worker_connections": 512}), "nginx_connections", 1024),
        ("files_for_connections", case({"unit.LimitNOFILE": 1024}), "files", 65536),
        ("requests_for_recycling", case({"gunicorn.max_requests": 100}), "max_requests", 1000),
        # five seconds longer than nginx
        (
            "keepalive_over_nginx",
            case({"gunicorn.keepalive": 2, "nginx.upstream_keepalive_timeout": 60.0}),
            "keepalive",
            65,
        ),
    ],
)
def test_a_solver_asks_for_what_the_formula_gives(name: str, given: Case, field: str, value: int) -> None:
    """The setting, the value, and the arithmetic in words."""
    answer = SOLVERS[name](given)
    assert isinstance(answer, Want)
    assert (answer.field, answer.value) == (field, value)
    assert answer.why


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("proxy_read_timeout_over_gunicorn", case({}, GAVE_UP, FINISHED), "nginx's proxy_read_timeout is not known"),
        (
            "proxy_read_timeout_over_gunicorn",
            case({"nginx.proxy_read_timeout": 90, "gunicorn.timeout": 30}, GAVE_UP),
            "90 s suffice",
        ),
        ("pool_for_threads", case({"gunicorn.worker_class": "sync"}, POOL), "there are enough"),
        ("pool_for_threads", case({}, POOL), "how many requests a worker runs at once is not known"),
        ("pool_for_threads", case(GTHREAD16), "it takes 16"),
        ("pool_for_database", case(GTHREAD16), "the database's max_connections is not known"),
        ("pool_for_database", case({**GTHREAD16, "database.max_connections": 10}), "PgBouncer"),
        ("workers_for_memory", case({"gunicorn.workers": 9}, OOM), "the memory of the workers was not read"),
        ("workers_for_memory", case({"gunicorn.workers": 3}, OOM, workers_bytes=(150 * MIB,)), "3 workers should fit"),
        ("workers_for_cpu", case({"gunicorn.workers": 9}), "no CPU per request measured"),
        ("workers_for_load", case({"gunicorn.workers": 9}), "no requests with gunicorn's own time"),
        ("workers_for_footprint", case({"gunicorn.workers": 9}), "older than ten minutes"),
        ("backlog_for_stall", case({"gunicorn.backlog": 2048}), "was not measured"),
        ("files_for_connections", case({"unit.LimitNOFILE": 65536}), "something is opened and not closed"),
        ("requests_for_recycling", case({"gunicorn.max_requests": 0}), "recycling is off"),
        (
            "keepalive_over_nginx",
            case({"gunicorn.keepalive": 75, "nginx.upstream_keepalive_timeout": 60.0}),
            "in order",
        ),
        ("keepalive_over_nginx", case({"gunicorn.keepalive": 2}), "not known"),
    ],
)
def test_a_solver_says_why_there_is_no_number(name: str, given: Case, why: str) -> None:
    """An input is missing, or what stands is what it takes."""
    answer = SOLVERS[name](given)
    assert isinstance(answer, Refusal)
    assert why in answer.why


def test_two_cores_and_one_is_a_place_to_start_from() -> None:
    """Where nothing was measured, and said to be that."""
    given = case({"gunicorn.workers": 3})
    given.remembered["given"] = Given(Machine(cores=4), Demand(), Plan("sync", 3, 1))
    answer = SOLVERS["workers_for_load"](given)
    assert isinstance(answer, Refusal)
    assert "unmeasured, (2 x 4 cores) + 1 = 9 workers are a place to start, no more" in answer.why
    given.remembered["given"] = Given(Machine(cores=4), Demand(200, 5.0, 0.1), Plan("sync", 3, 1))
    few = SOLVERS["workers_for_load"](given)
    assert isinstance(few, Refusal)
    assert few.why == "200 requests with a duration were read, it takes 300"
