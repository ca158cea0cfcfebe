"""One value for each setting: clamped, tied, refused, said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzerd.core.plan import Demand, Given, Machine, Plan, Want, solve
from analyzerd.core.plan.values import parsed, shown

MIB = 1 << 20
MACHINE = Machine(
    cores=4.0, processors=4, memory_bytes=2048.0 * MIB, reserve_bytes=256.0 * MIB, worker_bytes=310.0 * MIB,
    max_connections=100, behind_nginx=True,
)  # fmt: skip
WAITING = Demand(5000, 40.0, 0.3, 0.3, 0.3, 0.5, cpu_per_request=0.006, cpu_share=0.02)
"""12 slots of work, 18 with room."""
THREADED = Plan("gthread", 2, 2, 1000, 4, 0, 10, 30, 30, 90, 60)
SYNC = replace(THREADED, worker_class="sync", threads=1)


def solved(plan: Plan, *wants: Want, machine: Machine = MACHINE, demand: Demand = WAITING) -> dict[str, object]:
    """Return values by field."""
    return {c.field: c.after for c in solve(Given(machine, demand, plan), wants).changes}


def refused(plan: Plan, want: Want, machine: Machine = MACHINE, demand: Demand = WAITING) -> str:
    """Return why a value cannot be."""
    found = solve(Given(machine, demand, plan), [want])
    assert found.changes == ()
    (refusal,) = found.refusals
    return refusal.why


def test_memory_bounds_the_workers_and_threads_stand_in() -> None:
    """Nine are wanted, five fit, four threads each serve the same load; a worker then takes five connections."""
    solution = solve(Given(MACHINE, WAITING, THREADED), [Want("workers", 9, "by load")])
    workers, threads, connections = solution.changes
    assert (workers.field, workers.after) == ("workers", 5)
    assert workers.why == "by load; 5, not 9: 5 workers of 310.0 MiB fit 2.0 GiB less 256.0 MiB for reserve and master"
    assert (threads.field, threads.after, threads.tied_to) == ("threads", 4, "workers")
    assert (connections.field, connections.after, connections.tied_to) == ("worker_connections", 5, "threads")


def test_threads_bring_the_pool_along() -> None:
    """One pooled connection for each, with the overflow in it; the class too where it was sync."""
    plan = replace(SYNC, pool_size=2, max_overflow=3)
    found = solved(plan, Want("threads", 8, "by load"))
    assert found == {
        "worker_class": "gthread",
        "threads": 8,
        "worker_connections": 9,
        "pool_size": 8,
        "max_overflow": 0,
    }


def test_the_database_bounds_the_threads() -> None:
    """(40 - 8) / 8 workers: four each; eight threads would share them."""
    plan = replace(THREADED, workers=8, threads=1, worker_connections=2)
    found = solved(plan, Want("threads", 8, "by load"), machine=replace(MACHINE, max_connections=40))
    assert found == {"threads": 4, "worker_connections": 5}


def test_a_pool_grows_into_no_unknown_limit() -> None:
    """Without max_connections no number is given, but the reason is."""
    machine = replace(MACHINE, max_connections=None)
    assert "max_connections of the database is not known" in refused(THREADED, Want("pool_size", 16, "x"), machine)


def test_fewer_pooled_connections_want_fewer_threads() -> None:
    """(32 - 8) / 8 workers: three each, and no more threads, for they would share them."""
    plan, machine = replace(THREADED, workers=8, threads=8, pool_size=15), replace(MACHINE, max_connections=32)
    found = solved(plan, Want("pool_size", 3, "x", most=True), machine=machine)
    assert found == {"pool_size": 3, "threads": 3, "worker_connections": 4}


def test_a_longer_timeout_brings_the_ladder_along() -> None:
    """Requests up to 57 s: gunicorn 75, nginx two and the queue more, a stop 69 and systemd five more."""
    demand = replace(WAITING, longest_s=57.0, queue_s=2.0)
    plan = replace(SYNC, stop_timeout=35)
    found = solved(plan, Want("timeout", 75, "p99.9"), demand=demand)
    assert found == {"timeout": 75, "read_timeout": 79, "graceful_timeout": 69, "stop_timeout": 74}


def test_a_lower_timeout_stays_above_what_the_app_waits() -> None:
    """A pool_timeout of 30 s would never be seen under a timeout of 10 s."""
    plan = replace(SYNC, timeout=120, pool_timeout=30, read_timeout=180)
    assert solved(plan, Want("timeout", 10, "x")) == {"timeout": 10, "pool_timeout": 3}


@pytest.mark.parametrize(("wanted", "given"), [(8, 10), (200, 120)])
def test_a_timeout_is_ten_to_a_hundred_and_twenty_seconds(wanted: int, given: int) -> None:
    """Doubled with several binds."""
    plan = replace(SYNC, timeout=5, read_timeout=300, pool_timeout=None)
    assert solved(plan, Want("timeout", wanted, "x")) == {"timeout": given}
    assert solved(plan, Want("timeout", 200, "x"), machine=replace(MACHINE, binds=2)) == {"timeout": 200}


def test_the_cpu_bounds_the_slots() -> None:
    """Requests that compute: one and a quarter for each core, however many would queue."""
    computing = replace(WAITING, service_running=0.3, cpu_per_request=0.29, cpu_share=0.97)
    plan = replace(SYNC, workers=4)
    machine = replace(MACHINE, memory_bytes=64_000.0 * MIB)
    assert solved(plan, Want("workers", 18, "x"), machine=machine, demand=computing) == {"workers": 5}
    assert "scale the CPU" in refused(replace(plan, workers=5), Want("workers", 18, "x"), machine, computing)


def test_idle_clients_are_not_let_in_without_a_proxy() -> None:
    """As many silent connections as threads, and one, would block a worker."""
    plan = replace(THREADED, threads=4)
    assert solved(plan, Want("worker_connections", 5, "x")) == {"worker_connections": 5}
    machine = replace(MACHINE, behind_nginx=False)
    assert "without a buffering proxy" in refused(plan, Want("worker_connections", 5, "x"), machine)


def test_computing_threads_become_processes() -> None:
    """0.8 / 0.4: two threads, and as many processes as the CPU wants, up to one for each core."""
    demand = replace(WAITING, rate=60.0, service_mean=0.05, service_running=0.05, cpu_per_request=0.02, cpu_share=0.4)
    plan = replace(THREADED, workers=1, threads=8, worker_connections=9, pool_size=8)
    found = solved(plan, Want("threads", 2, "x"), demand=demand)
    assert found == {"threads": 2, "workers": 2, "worker_connections": 3}


def test_the_kernel_bounds_the_backlog() -> None:
    """And the unit's files what a worker may accept."""
    machine = replace(MACHINE, somaxconn=128)
    assert solved(replace(SYNC, backlog=16), Want("backlog", 400, "x"), machine=machine) == {"backlog": 128}
    plan = replace(THREADED, worker_connections=2, threads=1, files=256)
    assert solved(plan, Want("threads", 2, "x")) == {"threads": 2, "worker_connections": 3}
    assert solved(replace(plan, files=64), Want("threads", 2, "x"))["files"] == 65536


def test_recycling_brings_its_jitter_and_pays_for_its_boots() -> None:
    """5 x 4 workers x 2 s x 10 requests/s = 400; below 1200 requests booting takes too much."""
    demand = replace(WAITING, boot_s=2.0)
    plan = replace(SYNC, workers=4, max_requests=0, max_requests_jitter=0)
    assert solved(plan, Want("max_requests", 1300, "x", most=True), demand=demand) == {
        "max_requests": 1300,
        "max_requests_jitter": 400,
    }
    assert "below 1200 requests" in refused(plan, Want("max_requests", 764, "x", most=True), demand=demand)


def test_opposite_wants_get_the_safer_value() -> None:
    """Fewer workers, a longer timeout; of two that agree the further one."""
    plan = replace(SYNC, workers=4, read_timeout=300)
    assert solved(plan, Want("workers", 9, "load"), Want("workers", 2, "memory")) == {"workers": 2}
    assert solved(plan, Want("timeout", 60, "valid"), Want("timeout", 10, "stuck")) == {"timeout": 60}
    assert solved(plan, Want("timeout", 60, "/a"), Want("timeout", 90, "/b")) == {"timeout": 90}


def test_what_stands_is_not_proposed() -> None:
    """No change, no recommendation."""
    assert solved(SYNC, Want("workers", 2, "x")) == {}


def test_values_are_written_as_their_files_write_them() -> None:
    """And read back."""
    assert shown("read_timeout", 32) == "32s"
    assert parsed("read_timeout", "32s") == 32
    assert parsed("cpu_quota", shown("cpu_quota", 150)) == 150
    assert shown("workers", 5) == 5
    assert parsed("workers", "many") is None
