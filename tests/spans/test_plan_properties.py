"""Random machines, loads and settings: whatever a cause asks for, no recommendation breaks a limit or flickers."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations
from typing import Any

from hypothesis import given as for_all
from hypothesis import settings as configured
from hypothesis import strategies as st

from analyzerd.core.case import Case, Witnesses
from analyzerd.core.facts.growing import Room
from analyzerd.core.footprint import Need, reserve_of
from analyzerd.core.ledger import AppLedger
from analyzerd.core.plan import Demand, Given, Machine, Plan, Solution, Want, broken, formulas, solve
from analyzerd.core.plan.values import FIELDS, changed, held
from analyzerd.core.signals import AppSignals
from analyzerd.core.solvers import SOLVERS
from analyzerd.core.state import Focus

MIB = 1 << 20
T0 = 1_800_000_000.0
FROM_OTHER_EVIDENCE = {
    "memory_for_spike", "workers_for_memory", "max_requests_for_growth", "timeout_for_valid_requests",
    "timeout_for_stuck_requests", "proxy_read_timeout_over_gunicorn", "read_timeout_behind_new_timeout",
}  # fmt: skip
"""Solvers that read more of a case than the machine, its load and its settings; their wants are drawn at random."""
FROM_LOAD = tuple(sorted(set(SOLVERS) - FROM_OTHER_EVIDENCE))
PROFILE = configured(max_examples=100, deadline=None)


Numbers = st.SearchStrategy[int] | st.SearchStrategy[float]


def maybe(strategy: Numbers, *, known: bool) -> Numbers:
    """Something that may not have been measured."""
    return strategy if known else st.one_of(st.none(), strategy)


@st.composite
def machines(draw: st.DrawFn, known: bool) -> Machine:
    """From a quarter of a core and 512 MiB to 32 cores and 64 GiB."""
    memory = draw(maybe(st.integers(512, 65536), known=known))
    worker = draw(maybe(st.integers(20, 900), known=known))
    bytes_ = None if memory is None else float(memory * MIB)
    return Machine(
        cores=draw(maybe(st.floats(0.25, 32), known=known)),
        processors=draw(maybe(st.sampled_from([1, 2, 4, 8, 32]), known=known)),
        memory_bytes=bytes_,
        reserve_bytes=0.0 if bytes_ is None else reserve_of(bytes_),
        master_bytes=draw(st.integers(0, 60)) * float(MIB),
        worker_bytes=None if worker is None else float(worker * MIB),
        boot_bytes=draw(st.sampled_from([0.0, 0.4])) * float((worker or 0) * MIB),
        max_connections=draw(maybe(st.integers(10, 500), known=known)),
        other_connections=draw(st.integers(0, 20)),
        instances=draw(st.integers(1, 4)),
        somaxconn=draw(maybe(st.sampled_from([128, 4096]), known=known)),
        behind_nginx=True if known else draw(st.sampled_from([None, True, False])),
        nginx_processes=draw(maybe(st.integers(1, 8), known=known)),
        nginx_keepalive_s=draw(maybe(st.floats(5, 120), known=known)),
        binds=draw(st.integers(1, 2)),
    )


@st.composite
def demands(draw: st.DrawFn, known: bool) -> Demand:
    """From one request a second to two hundred, of a millisecond to twenty seconds."""
    service, share = draw(st.floats(0.001, 20)), draw(st.floats(0.005, 1))
    waits = draw(st.floats(0, 0.6))
    return Demand(
        requests=5000 if known else draw(st.sampled_from([0, 299, 300])),
        rate=draw(maybe(st.floats(1, 200), known=known)),
        service_mean=draw(maybe(st.just(service), known=known)),
        service_running=draw(maybe(st.just(service * (1 - waits)), known=known)),
        service_p50=service * draw(st.floats(0.2, 1)),
        service_p99=service * draw(st.floats(1, 8)),
        longest_s=draw(maybe(st.floats(0.1, 90), known=known)),
        upstream_p99=draw(maybe(st.floats(0.01, 60), known=known)),
        queue_s=draw(maybe(st.floats(0, 20), known=known)),
        cpu_per_request=draw(maybe(st.just(service * (1 - waits) * share), known=known)),
        cpu_share=draw(maybe(st.just(share), known=known)),
        stall_s=draw(maybe(st.floats(0, 60), known=known)),
        boot_s=draw(st.floats(0.1, 30)),
        boot_seen=draw(st.booleans()),
    )


@st.composite
def plans(draw: st.DrawFn, known: bool) -> Plan:
    """Sensible and senseless settings alike."""
    kind = draw(st.sampled_from(["sync", "gthread"] if known else [None, "sync", "gthread", "gevent"]))
    return Plan(
        worker_class=kind,
        workers=draw(maybe(st.integers(1, 40), known=known)),
        threads=1 if kind == "sync" else draw(maybe(st.integers(1, 32), known=known)),
        worker_connections=draw(maybe(st.sampled_from([1, 5, 100, 1000]), known=known)),
        pool_size=draw(maybe(st.integers(1, 20), known=known)),
        max_overflow=draw(maybe(st.integers(0, 10), known=known)),
        pool_timeout=draw(maybe(st.integers(1, 60), known=known)),
        timeout=draw(maybe(st.integers(1, 600), known=known)),
        graceful_timeout=draw(maybe(st.integers(1, 120), known=known)),
        stop_timeout=draw(maybe(st.integers(5, 120), known=known)),
        read_timeout=draw(maybe(st.integers(1, 300), known=known)),
        keepalive=draw(maybe(st.integers(0, 75), known=known)),
        max_requests=draw(maybe(st.sampled_from([0, 50, 1000, 20_000]), known=known)),
        max_requests_jitter=draw(maybe(st.sampled_from([0, 10, 100]), known=known)),
        backlog=draw(maybe(st.sampled_from([16, 128, 2048, 8192]), known=known)),
        nginx_connections=draw(maybe(st.sampled_from([512, 768, 1024]), known=known)),
        nginx_files=draw(maybe(st.sampled_from([1024, 65535]), known=known)),
        files=draw(maybe(st.sampled_from([64, 1024, 65536, 524_288]), known=known)),
        cpu_quota=draw(maybe(st.sampled_from([25, 100, 150]), known=known)),
    )


@st.composite
def givens(draw: st.DrawFn) -> Given:
    """All three: everything known, or anything not."""
    known = draw(st.booleans())
    return Given(draw(machines(known)), draw(demands(known)), draw(plans(known)))


OTHER_WANTS = st.one_of(
    st.builds(Want, st.just("workers"), st.integers(1, 60), st.just("memory")),
    st.builds(Want, st.just("max_requests"), st.integers(1, 50_000), st.just("growth"), st.just(True)),
    st.builds(Want, st.just("timeout"), st.integers(1, 240), st.just("requests")),
    st.builds(Want, st.just("read_timeout"), st.integers(1, 300), st.just("gunicorn")),
    st.builds(Want, st.just("graceful_timeout"), st.integers(1, 150), st.just("requests")),
)


def case_of(given: Given) -> Case:
    """A case in which exactly this is known."""
    m = given.machine
    need = None
    if m.memory_bytes and m.worker_bytes and given.before.workers:
        size = m.worker_bytes
        need = Need(given.before.workers, 2, size, False, m.master_bytes, m.reserve_bytes, m.memory_bytes, True)
    focus, view = Focus("app", "x", "shop", T0, T0, T0), AppSignals({}, "shop", {}).refresh()
    known: dict[str, object] = {"given": given, "need": need}
    return Case("shop", focus, T0, view, AppLedger("shop"), {}, Witnesses({}), (), remembered=known)


def wants_of(given: Given, names: tuple[str, ...] = FROM_LOAD) -> dict[str, Want]:
    """What each cause asks for there, by solver."""
    answers = {name: SOLVERS[name](case_of(given)) for name in names}
    return {name: answer for name, answer in answers.items() if isinstance(answer, Want)}


def leader(solution: Solution, field: str) -> str:
    """Return the change that others follow from, '' where there is none or they run in a circle."""
    tied = {change.field: change.tied_to for change in solution.changes}
    for _ in tied:
        if not tied.get(field, ""):
            break
        field = tied[field]
    return field if tied.get(field) == "" else ""


def check(given: Given, solution: Solution) -> None:
    """Every promise the solver makes, with memory and database counted here once more."""
    touched = changed(given.before, solution.after)
    names = [change.field for change in solution.changes]
    assert sorted(names) == sorted(touched), "one value for each setting that differs, and no other"
    assert all(c.before != c.after and c.before == held(given.before, c.field) for c in solution.changes)
    assert all(c.why for c in solution.changes)
    assert all(r.why for r in solution.refusals)
    assert list(broken(given, solution.after, touched)) == []
    for change in solution.changes:
        assert leader(solution, change.field), "what follows, follows from a change"
    m, after = given.machine, solution.after
    if "workers" in touched and m.memory_bytes and m.worker_bytes:
        assert after.workers * m.worker_bytes + m.master_bytes + m.reserve_bytes <= 0.9 * m.memory_bytes + 1
        assert after.workers * (m.worker_bytes + m.boot_bytes) <= m.memory_bytes - m.master_bytes - m.reserve_bytes + 1
    if {"workers", "pool_size"} & set(touched) and after.pool and after.workers and m.max_connections:
        assert m.instances * after.workers * after.pool + m.other_connections + 8 <= m.max_connections
    if "threads" in touched and after.worker_class == "gthread":
        assert after.threads <= 16
        assert after.pool is None or after.threads <= after.pool
        assert after.worker_connections is None or after.threads < after.worker_connections


@for_all(givens())
@PROFILE
def test_no_cause_gets_what_breaks_a_limit(given: Given) -> None:
    """Each cause by itself."""
    for want in wants_of(given).values():
        check(given, solve(given, [want]))


@for_all(givens(), st.lists(OTHER_WANTS, max_size=3))
@configured(max_examples=40, deadline=None)
def test_causes_together_get_one_value_for_each_setting(given: Given, others: list[Want]) -> None:
    """Two causes at once, opposite ones too; the order in which they ask does not matter."""
    own = list(wants_of(given).values())
    for pair in [*combinations(own, 2), tuple(own)]:
        wants = [*pair, *others]
        solution = solve(given, wants)
        check(given, solution)
        values = {c.field: c.after for c in solution.changes}
        assert {c.field: c.after for c in solve(given, wants[::-1]).changes} == values


@for_all(givens(), st.lists(OTHER_WANTS, min_size=1, max_size=2))
@PROFILE
def test_what_was_done_is_not_asked_for_again(given: Given, others: list[Want]) -> None:
    """With the new settings in effect the same wants change nothing more."""
    own = wants_of(given)
    for want in [*own.values(), *others]:
        after = replace(given, before=solve(given, [want]).after)
        if want is own.get("pool_for_threads"):  # what it takes follows from the threads, which may have become fewer
            assert wants_of(after, ("pool_for_threads",)) == {} or after.before == given.before
        else:
            assert solve(after, [want]).changes == (), f"{want} once more"


MEASURED = {
    Machine: ("cores", "memory_bytes", "master_bytes", "worker_bytes", "boot_bytes"),
    Demand: tuple(f.name for f in fields(Demand) if f.name not in ("requests", "boot_seen")),
}


@st.composite
def noisy(draw: st.DrawFn) -> tuple[Given, Given]:
    """The same machine and load measured twice, each number up to 3 % apart."""
    given = draw(givens())
    given = replace(given, demand=replace(given.demand, requests=5000))
    machine, demand = (_shaken(draw, value) for value in (given.machine, given.demand))
    if machine.memory_bytes is not None:
        machine = replace(machine, reserve_bytes=reserve_of(machine.memory_bytes))
    return given, Given(machine, demand, given.before)


def _shaken(draw: st.DrawFn, value: Any) -> Any:
    names = [name for name in MEASURED[type(value)] if getattr(value, name) is not None]
    return replace(value, **{name: getattr(value, name) * draw(st.floats(0.97, 1.03)) for name in names})


STEP = {"cpu_quota": 10}
"""Percent; everything else goes by one."""


def is_near(field: str, one: object, other: object) -> bool:
    """Apart by a step at most, or by a tenth; threads come in powers of two."""
    if not isinstance(one, int) or not isinstance(other, int):
        return one == other
    low, high = sorted((one, other))
    return high - low <= max(STEP.get(field, 1), 0.1 * high + 1e-9) or (field == "threads" and high <= 2 * low)


@for_all(noisy())
@configured(max_examples=250, deadline=None)
def test_a_little_noise_moves_a_value_by_a_step_at_most(pair: tuple[Given, Given]) -> None:
    """±3 % on everything measured; whether there is a recommendation at all may still turn over at its limit."""
    first, second = pair
    ours, theirs = wants_of(first), wants_of(second)
    for name in ours.keys() & theirs.keys():
        field = ours[name].field
        values = [{c.field: c.after for c in solve(g, [w[name]]).changes} for g, w in ((first, ours), (second, theirs))]
        if field in values[0] and field in values[1]:
            assert is_near(field, values[0][field], values[1][field]), f"{name}: {values}"


def test_every_setting_has_one_name() -> None:
    """What a rule names is found again."""
    assert len(FIELDS) == len(fields(Plan))


NOISE = st.floats(0.97, 1.03)


@for_all(st.floats(1.5, 6), NOISE, NOISE, NOISE, st.floats(1, 400), st.integers(1, 16))
@configured(max_examples=500, deadline=None)
def test_a_limit_of_recycling_is_stable(
    times: float, memory: float, size: float, growth: float, kept_kib: float, workers: int
) -> None:
    """Room is a difference: 3 % of noise on its parts move the number by one of its steps, 1, 1.5, 2, 3, 5, 7."""
    base, kept = 60.0 * MIB, kept_kib * 1024

    def limit(memory: float, size: float, growth: float) -> int:
        room = Room(left=0.0, limit=0.0, held=memory * times * base * workers, workers=workers)
        return formulas.step_down(formulas.max_requests(room.each(size * base), growth * kept))

    low, high = sorted((limit(1, 1, 1), limit(memory, size, growth)))
    assert high <= 1.7 * low + 1
