"""One window of readings and request clocks of one app as the numbers the science speaks of. Judges nothing.

Every number is None where it was not measured; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from analyzerd.core import estimators as estimate
from analyzerd.formats.clock import merge
from analyzerd.model import AccessTally, Clock, ProcessReading, Sample, Setting

BUCKET_S = 10.0
LEAST_SEEN = 4
"""Readings that make an average of the requests in the system."""
IDLE_STATES = ("idle", "iowait", "steal")
Pair = tuple[ProcessReading, ProcessReading, float]
"""First and last reading of one worker, and the seconds between them."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a window shows. Durations in seconds, shares from 0 to 1, rates per second.

    ``service``: gunicorn's own time of a request; ``upstream``: what nginx waited; ``queue``: the difference.
    ``cpu_ratio``: estimators.cpu_ratio. ``run_queue``: share of time a worker was ready to run and did not.
    ``in_system``: requests seen in the workers and their queue; ``in_system_expected``: how many there must have been.
    ``switches``: voluntary switches of the worker with most, its threads together where they are read. ``turns``: those
    of all threads per second of the requests' time that is not computing, see ``take_turns``.
    ``swapped``: pages the whole machine moves to swap and back.
    ``wait_in_service``: that wait as a share of the service time. ``busiest``: CPU of the busiest worker, in cores.
    """

    from_s: float
    to_s: float
    requests: int = 0
    window_s: float = 0.0
    rate: float | None = None
    service_mean: float | None = None
    service_p50: float | None = None
    service_p95: float | None = None
    upstream_p50: float | None = None
    upstream_p95: float | None = None
    queue_p50: float | None = None
    queue_p95: float | None = None
    workers: float | None = None
    threads: int | None = None
    utilisation: float | None = None
    cpu_per_request: float | None = None
    cpu_ratio: float | None = None
    run_queue: float | None = None
    wait_in_service: float | None = None
    idle: float | None = None
    steal: float | None = None
    cores: int | None = None
    our_cpu: float | None = None
    busiest: float | None = None
    switches: float | None = None
    turns: float | None = None
    accept_queue: float | None = None
    imbalance: float | None = None
    in_system: float | None = None
    in_system_expected: float | None = None
    major_faults: float | None = None
    faults_per_request: float | None = None
    swapped: float | None = None
    throttled: float | None = None


TURNS, SWITCHES = 100.0, 500.0
"""A thread that waits for the interpreter wakes every 5 ms (sys.getswitchinterval), 200 times a second; one that waits
for a network or a disk once. Of the main thread alone: what only a busy interpreter brings about."""


def take_turns(whole: Load, part: Load) -> bool | None:
    """Whether threads wake as often as only waiting for one interpreter makes them; None: not measured."""
    if whole.turns is not None:
        return whole.turns >= TURNS
    return None if part.switches is None else part.switches > SWITCHES


def measure(samples: Sequence[Sample], tallies: Iterable[AccessTally], ours: Ours, threads: int | None) -> Load:
    """Reduce a window. ``ours`` says which readings and access logs are the app's."""
    mine = [t for t in tallies if ours.log(t)]
    service, upstream = clocks_of(mine, "gunicorn.access"), clocks_of(mine, "nginx.access")
    aborted = clocks_of(mine, "gunicorn.cut")
    from_s, to_s = _span(samples, mine)
    requests, window_s = max(service.n, upstream.n), to_s - from_s
    crew = [sum(p.role == "worker" and ours.unit(p.unit) for p in s.processes) for s in samples]
    load = Load(
        from_s=from_s,
        to_s=to_s,
        requests=requests,
        window_s=window_s,
        rate=requests / window_s if window_s > 0 and requests else None,
        workers=median(n for n in crew if n) if any(crew) else None,
        threads=threads,
        accept_queue=_accept_queue(samples, ours),
        imbalance=_imbalance(samples, ours, threads or 1),
        throttled=_throttled(samples, ours),
        swapped=swap_rate(samples),
    )
    load = _with_clocks(load, service, upstream, aborted)
    load = _with_little(load, _in_system(samples, ours), upstream)
    return _with_cpu(load, list(_pairs(samples, ours)), _host(samples), service.sum_s if service.n else None)


def _with_clocks(load: Load, service: Clock, upstream: Clock, aborted: Clock) -> Load:
    """Aborted requests held their slots to the end, whatever gunicorn's log says they took."""
    d50, d95 = estimate.percentile(service, 0.5), estimate.percentile(service, 0.95)
    u50, u95 = estimate.percentile(upstream, 0.5), estimate.percentile(upstream, 0.95)
    slots = (load.workers or 0) * (load.threads or 1)
    busy_s = service.sum_s + aborted.sum_s
    return replace(
        load,
        service_mean=estimate.mean(service),
        service_p50=d50,
        service_p95=d95,
        upstream_p50=u50,
        upstream_p95=u95,
        queue_p50=estimate.queue_wait(u50, d50),
        queue_p95=estimate.queue_wait(u95, d95),
        utilisation=estimate.utilisation(busy_s, slots, load.window_s) if service.n and slots else None,
    )


def _with_little(load: Load, seen: float | None, upstream: Clock) -> Load:
    """Set beside each other what was seen in the system and rate x time, which must be the same (Little's law)."""
    if seen is None or not upstream.n or load.window_s <= 0:
        return load
    return replace(load, in_system=seen, in_system_expected=upstream.sum_s / load.window_s)


def _in_system(samples: Sequence[Sample], ours: Ours) -> float | None:
    """Connections in the workers and before them, on average; None with too few readings."""
    seen: list[int] = []
    for sample in samples:
        workers = [p for p in sample.processes if p.role == "worker" and ours.unit(p.unit)]
        queues = [x.queue for x in sample.listeners if ours.unit(x.unit) and x.queue is not None]
        if workers and queues and all(p.connections is not None for p in workers):
            seen.append(sum(p.connections or 0 for p in workers) + sum(queues))
    return fmean(seen) if len(seen) >= LEAST_SEEN else None


def _ratio(cpu_s: float | None, service_s: float | None, wait_s: float | None) -> float | None:
    if cpu_s is None or service_s is None or wait_s is None:
        return None
    return estimate.cpu_ratio(cpu_s, service_s, min(wait_s, service_s))


def _with_cpu(load: Load, pairs: Sequence[Pair], host: _Host, service_s: float | None) -> Load:
    cpu_s, wait_s, faults = _cpu(pairs), _waited(pairs), _faults(pairs)
    return replace(
        load,
        cpu_per_request=cpu_s / load.requests if cpu_s is not None and load.requests else None,
        cpu_ratio=_ratio(cpu_s, service_s, wait_s),
        run_queue=fmean(shares) if (shares := _run_queue_shares(pairs)) else None,
        wait_in_service=min(1.0, wait_s / service_s) if wait_s is not None and service_s else None,
        our_cpu=cpu_s / host.busy_s if cpu_s is not None and host.busy_s else None,
        idle=host.idle,
        steal=host.steal,
        cores=host.cores,
        busiest=max((_cpu_of(a, b) or 0.0) / gap for a, b, gap in pairs) if cpu_s is not None else None,
        switches=_switches(pairs),
        turns=_turns(pairs, cpu_s, service_s),
        major_faults=faults / load.window_s if faults is not None and load.window_s > 0 else None,
        faults_per_request=faults / load.requests if faults is not None and load.requests else None,
    )


@dataclass(frozen=True, slots=True)
class Ours:
    """Which readings and access logs belong to one app."""

    unit: Callable[[str], bool]
    log: Callable[[AccessTally], bool]


EVERYTHING = Ours(lambda _: True, lambda _: True)
"""For where there is just one app."""


def threads_of(worker_class: str, settings: Mapping[str, Setting]) -> int | None:
    """Threads of a worker as configured, 1 for sync; None for event loops and where nothing is known."""
    found = settings.get("gunicorn.threads")
    configured = settings.get("gunicorn.worker_class")
    kind = worker_class or (str(configured.value) if configured else "")
    if kind == "sync":
        return 1
    if kind not in ("", "gthread"):
        return None
    if found is not None and isinstance(found.value, int):
        return found.value
    return 1 if any(name.startswith("gunicorn.") for name in settings) else None


def clocks_of(tallies: Iterable[AccessTally], source: str) -> Clock:
    """All requests of one kind of log, whatever their endpoint."""
    found = [t.whole for t in tallies if t.source == source]
    return found[0] if len(found) == 1 else merge(found)


def _span(samples: Sequence[Sample], tallies: Sequence[AccessTally]) -> tuple[float, float]:
    """From the first to the last second that was measured; of requests where there are any."""
    ends = [(t.first_s, t.last_s + 1.0) for t in tallies if t.requests]
    if not ends:
        return (samples[0].time_s, samples[-1].time_s) if samples else (0.0, 0.0)
    return min(a for a, _ in ends), max(b for _, b in ends)


def _pairs(samples: Sequence[Sample], ours: Ours) -> Iterator[Pair]:
    """Workers seen at least twice."""
    seen: dict[int, list[tuple[float, ProcessReading]]] = {}
    for sample in samples:
        for reading in sample.processes:
            if reading.role == "worker" and ours.unit(reading.unit):
                seen.setdefault(reading.pid, []).append((sample.time_s, reading))
    for found in seen.values():
        (t0, first), (t1, last) = found[0], found[-1]
        if t1 - t0 >= 1.0:
            yield first, last, t1 - t0


def _cpu_of(first: ProcessReading, last: ProcessReading) -> float | None:
    values = (first.cpu_user_s, first.cpu_system_s, last.cpu_user_s, last.cpu_system_s)
    if any(v is None for v in values):
        return None
    a, b, c, d = (v or 0.0 for v in values)
    return c + d - a - b


def _cpu(pairs: Sequence[Pair]) -> float | None:
    used = [_cpu_of(a, b) for a, b, _ in pairs]
    known = [v for v in used if v is not None]
    return sum(known) if known else None


def _waits(pairs: Sequence[Pair]) -> list[tuple[float, float]]:
    return [
        ((b.wait_ns - a.wait_ns) / 1e9, gap) for a, b, gap in pairs if a.wait_ns is not None and b.wait_ns is not None
    ]


def _waited(pairs: Sequence[Pair]) -> float | None:
    waits = _waits(pairs)
    return sum(w for w, _ in waits) if waits else None


def _run_queue_shares(pairs: Sequence[Pair]) -> list[float]:
    """The threads of a worker may wait together for longer than the time that passes: more than all of it is all."""
    return [min(1.0, w / gap) for w, gap in _waits(pairs)]


def _faults(pairs: Sequence[Pair]) -> float | None:
    known = [
        b.major_faults - a.major_faults
        for a, b, _ in pairs
        if a.major_faults is not None and b.major_faults is not None
    ]
    return float(sum(known)) if known else None


def _switches(pairs: Sequence[Pair]) -> float | None:
    """Voluntary context switches per second of the worker that has most."""
    known = [moved / gap for a, b, gap in pairs if (moved := _switched(a, b)) is not None]
    return max(known) if known else None


def _switched(a: ProcessReading, b: ProcessReading) -> int | None:
    if a.thread_switches is not None and b.thread_switches is not None:
        return b.thread_switches - a.thread_switches
    if a.voluntary_switches is None or b.voluntary_switches is None:
        return None
    return b.voluntary_switches - a.voluntary_switches


def _turns(pairs: Sequence[Pair], cpu_s: float | None, service_s: float | None) -> float | None:
    """Switches of all threads per second that requests did not compute; None without such time to speak of."""
    known = [
        b.thread_switches - a.thread_switches
        for a, b, _ in pairs
        if a.thread_switches is not None and b.thread_switches is not None
    ]
    waited_s = (service_s or 0.0) - (cpu_s or 0.0)
    return sum(known) / waited_s if known and waited_s > 1.0 else None


@dataclass(frozen=True, slots=True)
class _Host:
    idle: float | None = None
    steal: float | None = None
    busy_s: float | None = None
    cores: int | None = None


def _host(samples: Sequence[Sample]) -> _Host:
    if len(samples) < 2 or not samples[0].host.cpu_s or not samples[-1].host.cpu_s:
        return _Host(cores=samples[-1].host.cores if samples else None)
    first, last = samples[0].host.cpu_s, samples[-1].host.cpu_s
    moved = {name: last[name] - first.get(name, 0.0) for name in last}
    total = sum(moved.values())
    if total <= 0:
        return _Host(cores=samples[-1].host.cores)
    busy_s = sum(v for name, v in moved.items() if name not in IDLE_STATES)
    shares = [moved.get(name, 0.0) / total for name in ("idle", "steal")]
    return _Host(shares[0], shares[1], busy_s, samples[-1].host.cores)


def swap_rate(samples: Sequence[Sample]) -> float | None:
    """Pages per second that the machine moved to swap and back; None where that was not counted twice."""
    known = [s for s in samples if "pswpin" in s.host.vmstat and "pswpout" in s.host.vmstat]
    if len(known) < 2 or known[-1].time_s - known[0].time_s < 1.0:
        return None
    moved = [known[-1].host.vmstat[name] - known[0].host.vmstat[name] for name in ("pswpin", "pswpout")]
    return max(0, sum(moved)) / (known[-1].time_s - known[0].time_s)


def _accept_queue(samples: Sequence[Sample], ours: Ours) -> float | None:
    """Share of readings in which connections waited to be accepted."""
    waiting = [
        any((reading.queue or 0) > 0 for reading in found)
        for s in samples
        if (found := [x for x in s.listeners if x.queue is not None and ours.unit(x.unit)])
    ]
    return sum(waiting) / len(waiting) if waiting else None


def _imbalance(samples: Sequence[Sample], ours: Ours, threads: int) -> float | None:
    readings = [
        [p.connections for p in s.processes if p.role == "worker" and ours.unit(p.unit) and p.connections is not None]
        for s in samples
    ]
    return estimate.imbalance_share(readings, threads)


def _throttled(samples: Sequence[Sample], ours: Ours) -> float | None:
    """Share of the scheduler's periods in which the unit's CPU quota ran out."""
    known = [
        (c.cpu_periods, c.cpu_throttled)
        for s in samples
        for c in s.cgroups
        if ours.unit(c.unit) and c.cpu_periods is not None and c.cpu_throttled is not None
    ]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return None
    return (known[-1][1] - known[0][1]) / (known[-1][0] - known[0][0])
