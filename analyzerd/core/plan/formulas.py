"""The formula sheet: one function for each setting, from measured numbers to a number. Bounds are constraints.py's.

Times in seconds, rates per second, memory in bytes. No function is asked without its inputs.
"""

from __future__ import annotations

import math

TARGET_USE = 0.70
WIDE_USE = 0.60
NARROW, WIDE = 5.0, 10.0
"""The slowest percent over the usual time: from the second on slots are planned less busy, and less so between."""
FED_SHARE = 0.85
FED_THREADS = 0.8
WORKERS_PER_CORE = 1.25
TIGHT_SHARE = 0.90
MOST_THREADS = 8
MOST_THREADS_EVER = 16
RAISED, LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 1.3, 10, 120
LOWERED = 1.5
GRACE = 1.2
QUEUE_MARGIN_S = 2
STOP_MARGIN_S = 5
KEEPALIVE_MARGIN_S = 5
LONGEST_POOL_WAIT_S = 10
KEPT_FOR_OTHERS = 3 + 5
"""Database connections the server keeps for its superuser, and room for a person and a job."""
BOOTS_APART = 60.0
USUAL_FILES, BESIDE_CONNECTIONS = 65536, 50
PEAK = 1.5
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def target_use(p50_s: float | None, p99_s: float | None) -> float:
    """How busy slots should be: less where the slowest percent of requests takes ten times what is usual."""
    spread = p99_s / p50_s if p50_s and p99_s else 0.0
    wide = min(1.0, max(0.0, (spread - NARROW) / (WIDE - NARROW)))
    return TARGET_USE - wide * (TARGET_USE - WIDE_USE)


def slots(rate: float, service_s: float, use: float = TARGET_USE) -> int:
    """Requests that have to run at once."""
    return math.ceil(_clean(rate * service_s / use))


def workers_for_cpu(rate: float, cpu_s: float, cores: float) -> int:
    """Workers that compute 70 % of the time; at least 2, at most 1.25 for each core."""
    return max(2, min(math.ceil(_clean(rate * cpu_s / TARGET_USE)), most_workers(cores)))


def most_workers(cores: float) -> int:
    """More processes that compute only wait for each other."""
    return math.ceil(_clean(WORKERS_PER_CORE * cores))


def fed_slots(cores: float, service_s: float, cpu_s: float) -> int:
    """Slots the CPUs can feed: more of them would wait for a CPU."""
    return math.floor(FED_SHARE * cores * service_s / cpu_s + 1e-9)


def fed_threads(cpu_share: float) -> int:
    """Threads one interpreter can feed."""
    return max(1, math.floor(FED_THREADS / cpu_share + 1e-9))


def threads(slots_needed: int, workers: int) -> int:
    """Threads for each worker, as a power of two: a little noise does not move it, and one is easily compared."""
    each = math.ceil(slots_needed / workers)
    return 1 << max(0, each - 1).bit_length()


def workers_for_memory(limit: float, reserve: float, worker: float, master: float = 0.0) -> int:
    """Workers that fit beside the reserve."""
    return math.floor((limit - reserve - master) / worker + 1e-9)


def fit(limit: float, reserve: float, master: float, worker: float, boot: float = 0.0) -> int:
    """Workers that fill no more than nine tenths of the limit; with ``boot`` also while a reload doubles them."""
    plain = workers_for_memory(TIGHT_SHARE * limit, reserve, worker, master)
    return min(plain, workers_for_memory(limit, reserve, worker + boot, master)) if boot else plain


def timeout(need_s: float, binds: int = 1) -> int:
    """For what nearly all valid requests need; doubled with several binds, which halve it at worst."""
    return min(MOST_TIMEOUT_S, max(LEAST_TIMEOUT_S, math.ceil(_clean(RAISED * need_s)))) * (2 if binds > 1 else 1)


def lower_timeout(need_s: float, binds: int = 1) -> int:
    """For what finished requests need, where stuck ones hold workers."""
    return max(LEAST_TIMEOUT_S, math.ceil(_clean(LOWERED * need_s))) * (2 if binds > 1 else 1)


def graceful_timeout(longest_s: float) -> int:
    """So that a stop or a reload leaves requests their time."""
    return math.ceil(_clean(GRACE * longest_s))


def read_timeout(limit_s: float, queue_s: float) -> int:
    """Nginx waits longer than the app's own limit: its clock starts before the queue."""
    return math.ceil(_clean(limit_s + queue_s)) + QUEUE_MARGIN_S


def pool_for_database(max_connections: int, others: int, instances: int, workers: int) -> int:
    """Connections each worker may open; below 1 not all workers can have one."""
    return (max_connections - KEPT_FOR_OTHERS - others) // (instances * workers)


def pool_timeout(timeout_s: int) -> int:
    """Well below gunicorn's timeout, so that the pool's own error names it."""
    return max(1, min(LONGEST_POOL_WAIT_S, timeout_s // 3))


def max_requests(room_bytes: float, growth_bytes: float) -> int:
    """Requests after which a worker has used half of its room."""
    return math.floor(0.5 * room_bytes / growth_bytes)


def least_requests(boot_s: float, rate_of_worker: float) -> int:
    """Requests between two boots, so that booting takes no more than a sixtieth of the time."""
    return math.ceil(_clean(BOOTS_APART * boot_s * rate_of_worker))


def jitter(limit: int, workers: int, boot_s: float, rate_of_worker: float) -> int:
    """Spread, so that workers boot one after the other."""
    return math.ceil(_clean(max(0.2 * limit, 5 * workers * boot_s * rate_of_worker)))


def keepalive(nginx_s: float) -> int:
    """Nginx has to be the one that closes."""
    return math.ceil(nginx_s) + KEEPALIVE_MARGIN_S


def backlog(rate: float, stall_s: float) -> int:
    """Requests that come while nobody accepts."""
    return math.ceil(_clean(PEAK * rate * stall_s))


def useful_backlog(slots_now: int, service_s: float, read_timeout_s: float) -> int:
    """More of them would be given up before they are served."""
    return math.floor(slots_now / service_s * read_timeout_s)


def nginx_connections(rate: float, longest_s: float, processes: int) -> int:
    """Two for every request that is passed on, and half as many again."""
    return math.ceil(_clean(2 * rate * longest_s / processes * PEAK))


def files(connections: int, pool: int) -> int:
    """Open files of a process: its connections, its pool, what it logs to and loads, and as many again."""
    return max(USUAL_FILES, least_files(connections, pool))


def least_files(connections: int, pool: int) -> int:
    """With fewer a process may fail to accept."""
    return 2 * (connections + pool + BESIDE_CONNECTIONS)


def cpu_quota(rate: float, cpu_s: float) -> int:
    """Percent of a core, in steps of ten, that would be 70 % busy."""
    return 10 * math.ceil(_clean(10 * rate * cpu_s / TARGET_USE))


def starting_workers(cores: float) -> int:
    """Where nothing was measured: a number to start from, not an answer."""
    return math.floor(2 * cores) + 1


def tidy(number: float) -> int:
    """A large number with two figures and a half: the rest would be noise. Rounded up."""
    step = _step(number)
    return math.ceil(_clean(number / step)) * step


def step_down(number: float) -> int:
    """Of a difference, which a little noise moves far: rounded down to 1, 1.5, 2, 3, 5 or 7 times a power of ten."""
    if number < STEPS[-1]:
        return math.floor(number)
    power = 10 ** math.floor(math.log10(number))
    return next(int(step * power) for step in reversed(STEPS) if step * power <= number + 1e-9)


def _step(number: float) -> int:
    return 1 if number < 100 else 5 * int(10 ** (math.floor(math.log10(number)) - 2))


def _clean(number: float) -> float:
    """Without what binary fractions add: ``ceil`` would take it for a whole one more."""
    return round(number, 9)
