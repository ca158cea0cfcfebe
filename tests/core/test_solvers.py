"""Every proposed number, worked out by hand beside the one the program proposes."""

from __future__ import annotations

import pytest

from analyzerd.core.case import Case, Witnesses
from analyzerd.core.ledger import AppLedger
from analyzerd.core.signals import AppSignals
from analyzerd.core.solvers import SOLVERS, Answer
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
POOL = seen("app.pool-timeout", "app", size=2, overflow=3, timeout=3.0)
OOM = seen("kernel.oom-kill", "kernel", pid=12, worker=12, limit_bytes=1024 * MIB, anon_rss_bytes=300 * MIB)


@pytest.mark.parametrize(
    ("name", "given", "current", "proposed"),
    [
        # the sync worker's own limit, and two seconds for the queue: 10 + 2
        (
            "proxy_read_timeout_over_gunicorn",
            case(
                {"nginx.proxy_read_timeout": 2, "gunicorn.timeout": 10, "gunicorn.worker_class": "sync"},
                GAVE_UP,
                FINISHED,
            ),
            "2s",
            "12s",
        ),
        # threads have no limit of their own: ceil(1.3 x 4.0) = 6, and 2
        (
            "proxy_read_timeout_over_gunicorn",
            case({"nginx.proxy_read_timeout": 2, "gunicorn.worker_class": "gthread"}, GAVE_UP, FINISHED),
            "2s",
            "8s",
        ),
        # sixteen threads, 2 + 3 connections
        ("pool_for_threads", case({"gunicorn.worker_class": "gthread", "gunicorn.threads": 16}, POOL), 5, 16),
        # (1024 - 256) / 150 = 5.12
        (
            "workers_for_memory",
            case({"gunicorn.workers": 9}, OOM, workers_bytes=(150 * MIB,) * 3),
            9,
            5,
        ),
        ("single_bind_timeout", case({"gunicorn.timeout": 6}), 6, 12),
        ("backlog_for_stall", case({"gunicorn.backlog": 16}), 16, 2048),
        ("nginx_connections", case({"nginx.worker_connections": 512}), 512, 2048),
        ("requests_for_recycling", case({"gunicorn.max_requests": 100}), 100, 1000),
        # five seconds longer than nginx
        (
            "keepalive_over_nginx",
            case({"gunicorn.keepalive": 2, "nginx.upstream_keepalive_timeout": 60.0}),
            2,
            65,
        ),
    ],
)
def test_a_solver_proposes_what_the_formula_gives(name: str, given: Case, current: Value, proposed: Value) -> None:
    """The value, the one in effect, and the arithmetic in words."""
    answer = SOLVERS[name](given)
    assert isinstance(answer, Answer)
    assert (answer.current, answer.proposed) == (current, proposed)
    assert answer.arithmetic


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("proxy_read_timeout_over_gunicorn", case({}, GAVE_UP, FINISHED)),
        ("proxy_read_timeout_over_gunicorn", case({"nginx.proxy_read_timeout": 90, "gunicorn.timeout": 30}, GAVE_UP)),
        ("pool_for_threads", case({"gunicorn.worker_class": "sync"}, POOL)),
        ("pool_for_threads", case({}, POOL)),
        ("workers_for_memory", case({"gunicorn.workers": 9}, OOM)),
        ("workers_for_memory", case({"gunicorn.workers": 3}, OOM, workers_bytes=(150 * MIB,))),
        ("backlog_for_stall", case({"gunicorn.backlog": 2048})),
        ("requests_for_recycling", case({"gunicorn.max_requests": 0})),
        ("keepalive_over_nginx", case({"gunicorn.keepalive": 75, "nginx.upstream_keepalive_timeout": 60.0})),
        ("keepalive_over_nginx", case({"gunicorn.keepalive": 2})),
    ],
)
def test_a_solver_is_silent_rather_than_wrong(name: str, given: Case) -> None:
    """No number where an input is missing, and never the value that stands already."""
    assert SOLVERS[name](given) is None
