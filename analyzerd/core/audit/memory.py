"""Audit of memory: what the workers take beside what there is, how it grows, and whether it was ever too much."""

from __future__ import annotations

from dataclasses import dataclass

from analyzerd.core.audit.item import (
    SYSTEMD,
    Answer,
    Item,
    Subject,
    failed,
    passed,
    setting_page,
    unknown,
)
from analyzerd.core.audit.service import GIVE_UNIT, NO_UNIT
from analyzerd.core.footprint import MATURE_S, reserve_of
from analyzerd.core.growth import LEAST_POINTS, leak
from analyzerd.core.measure import swap_rate
from analyzerd.core.plan import Want
from analyzerd.core.plan.formulas import TIGHT_SHARE
from analyzerd.core.watch import SWAP_PAGES_PER_S
from analyzerd.model import ProcessReading, Sample
from analyzerd.units import format_bytes

NO_READINGS = "the memory of the processes was not read"
ON_THE_MACHINE = "audit on the machine itself, or give a recording with readings"


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Bytes: of the largest and the smallest worker, of the master, and what there is, less the reserve."""

    worker: int
    fresh: int
    master: int
    limit: float
    reserve: float
    whose: str

    def fit(self) -> int:
        """How many workers nine tenths of the limit hold beside master and reserve."""
        return max(0, int((TIGHT_SHARE * self.limit - self.reserve - self.master) // self.worker))

    def fit_through_reload(self) -> int:
        """How many the limit holds while each has a freshly booted one beside it."""
        return max(0, int((self.limit - self.reserve - self.master) // (self.worker + self.fresh)))


def _sizes(s: Subject) -> _Sizes | None:
    """Read from the newest readings; proportional size where it was read, else resident."""
    last = s.last
    if last is None:
        return None
    pss = {p.pid: p.pss_bytes for sample in s.case.samples for p in sample.processes if p.pss_bytes}
    ours = [p for p in last.processes if s.case.ours.unit(p.unit)]
    workers = [_size(p, pss) for p in ours if p.role == "worker" and _size(p, pss)]
    master = sum(_size(p, pss) for p in ours if p.role == "master")
    room = _room(s, last, sum(workers) + master)
    if not workers or room is None:
        return None
    limit, whose = room
    return _Sizes(max(workers), min(workers), master, limit, reserve_of(limit), whose)


def _size(p: ProcessReading, pss: dict[int, int]) -> int:
    return pss.get(p.pid) or p.rss_bytes or 0


def _room(s: Subject, last: Sample, used: int) -> tuple[float, str] | None:
    """The unit's own limit, else what the host has left for these processes: free now, and what they hold."""
    for group in last.cgroups:
        if s.case.ours.unit(group.unit) and group.memory_limit_bytes:
            return float(group.memory_limit_bytes), "the unit's limit"
    limit = s.value("unit.MemoryMax")
    if isinstance(limit, int):
        return float(limit), "MemoryMax"
    free = last.host.memory_available_bytes
    return None if free is None else (float(free + used), "the machine, less what others use")


def fits(s: Subject) -> Answer:
    """All workers fit into memory, with a reserve."""
    sizes, count = _sizes(s), s.workers
    if sizes is None or count is None:
        return unknown(NO_READINGS, ON_THE_MACHINE)
    most, places = sizes.fit(), s.places("gunicorn.workers", "unit.MemoryMax")
    shown = _shown(sizes, count)
    if count > most:
        want = Want("workers", max(1, most), "see memory")
        return failed(f"{shown}: {most} fit", f"workers = {max(1, most)}", places, want)
    return _if_mature(s, f"{shown}: {most} would fit")


def _if_mature(s: Subject, shown: str) -> Answer:
    """Young workers are still warming up: that they fit now does not say that they will."""
    now_s = s.last.time_s if s.last else 0.0
    booted = [w.booted_s for w in s.case.ledger.workers.values() if w.booted_s > 0 and w.gone_s > now_s]
    ages = [now_s - born_s for born_s in (*s.ground.started_s.values(), *booted)]
    if ages and max(ages) < MATURE_S:
        young = f"but the workers are known for {max(ages):.0f} s only and may still be warming up"
        return unknown(f"{shown}, {young}", "audit again when they have worked for ten minutes")
    return passed(shown)


def _shown(sizes: _Sizes, count: float) -> str:
    have = f"{format_bytes(sizes.limit)} ({sizes.whose}, {format_bytes(sizes.reserve)} of it in reserve)"
    return f"{count:g} workers of up to {format_bytes(sizes.worker)} in {have}"


def reload_fits(s: Subject) -> Answer:
    """A reload boots the new workers before the old ones leave."""
    sizes, count = _sizes(s), s.workers
    if sizes is None or count is None:
        return unknown(NO_READINGS, ON_THE_MACHINE)
    most = sizes.fit_through_reload()
    shown = f"{_shown(sizes, count)}; while reloading there are twice as many"
    if count > most:
        want = Want("workers", max(1, most), "see memory-reload")
        return failed(f"{shown}, {most} fit so", f"workers = {max(1, most)}  # or restart instead of reload", (), want)
    return _if_mature(s, f"{shown}, {most} would fit so")


def limits(s: Subject) -> Answer:
    """A limit that kills has one below it that slows down first."""
    if not s.unit_read:
        return unknown(NO_UNIT, GIVE_UNIT)
    most, high = s.value("unit.MemoryMax"), s.value("unit.MemoryHigh")
    places = s.places("unit.MemoryMax", "unit.MemoryHigh")
    if most in (None, "infinity"):
        return passed("the unit has no memory limit of its own: the machine's memory counts", places)
    if high in (None, "infinity"):
        proposed = f"MemoryHigh={int(0.85 * most) >> 20}M" if isinstance(most, int) else "MemoryHigh=..."
        shown = format_bytes(most) if isinstance(most, int) else str(most)
        return failed(f"MemoryMax={shown} without MemoryHigh: the first sign is a kill", proposed, places)
    return passed("MemoryHigh stands below MemoryMax", places)


def growth(s: Subject) -> Answer:
    """Memory does not grow with the requests served."""
    found = leak(s.case.curves, s.case.tallies, s.case.ours)
    if found is not None:
        each = f"{found.per_request_bytes / 1024:.0f} KiB with every request"
        reason = f"{found.workers} workers grow by {each}, steadily"
        return failed(reason, "find the leak; until then max_requests with jitter", s.places("gunicorn.max_requests"))
    curves = [c for c in s.case.curves.values() if s.case.ours.unit(c.unit)]
    longest = max((len(c.points) for c in curves), default=0)
    served = any(t.by_worker for t in s.tallies)
    if longest < LEAST_POINTS or not served:
        why = f"{longest} readings of a worker (it takes {LEAST_POINTS})"
        also = "" if served else ", and the access log does not name the worker, %(p)s"
        return unknown(f"too little was seen of the memory over time: {why}{also}", "record for longer")
    return passed(f"no worker grows steadily with its requests, over {longest} readings")


def kills(s: Subject) -> Answer:
    """The kernel killed nobody for memory."""
    counted = [
        c.oom_kills for c in (s.last.cgroups if s.last else ()) if s.case.ours.unit(c.unit) and c.oom_kills is not None
    ]
    logged = sum(s.heard.get(rule, 0) for rule in ("kernel.oom-kill", "systemd.oom-kill", "systemd.oomd-kill"))
    change = "fewer workers or threads, or more memory; see also max_requests"
    if logged or any(counted):
        how = f"the logs name {logged}" if logged else f"the unit's cgroup counts {max(counted)}"
        return failed(f"processes were killed for memory: {how}", change)
    if counted:
        return passed("the unit's cgroup counts no kill for memory")
    if s.case.witnesses.reads("kernel"):
        return passed("the kernel's log names no kill for memory")
    return unknown("neither the kernel's log nor the unit's cgroup was read", "journalctl -k -o json; audit as root")


def swapping(s: Subject) -> Answer:
    """No pages go to swap and back."""
    rate = swap_rate(s.case.samples)
    if not s.watched or rate is None:
        return unknown("swap traffic was not watched", "audit with --for 60s, or give a recording")
    shown = f"{rate:.0f} pages/s over {s.watched_s:.0f} s"
    if rate <= SWAP_PAGES_PER_S:
        return passed(f"swap traffic is {shown}")
    if s.watched_s < 55:
        return unknown(f"swap traffic is {shown}: watch for a minute to tell a moment from a state", "--for 60s")
    return failed(f"swap traffic is {shown}", "fewer workers or threads, or more memory")


def thrashing(s: Subject) -> Answer:
    """Pages are not read back from disk all the time."""
    rate, each = s.load.major_faults, s.load.faults_per_request
    if not s.watched or rate is None:
        return unknown("page faults were not watched", "audit with --for 60s, or give a recording")
    if rate > 200 and (each is None or each > 20):
        return failed(f"{rate:.0f} pages/s are read back from disk", "fewer workers or threads, or more memory")
    return passed(f"{rate:.0f} pages/s are read back from disk")


_SECTION = "Watch for signs of over-tuning: memory grows until the kernel kills processes"
_CONTROL = f"{SYSTEMD}systemd.resource-control.html"
ITEMS = (
    Item(
        "memory",
        "Do all workers fit into memory, with a reserve?",
        "Checklist: worker count is based on CPU and RAM, not guesswork",
        ("memory-overcommit", "out-of-memory"),
        (f"{_CONTROL}#MemoryMax=bytes",),
        fits,
    ),
    Item(
        "memory-reload",
        "Do they fit while a reload runs old and new workers side by side?",
        "",
        ("memory-overcommit",),
        ("https://docs.gunicorn.org/en/stable/signals.html#reload-the-configuration",),
        reload_fits,
    ),
    Item(
        "memory-limits",
        "Does a memory limit slow down before it kills?",
        "",
        ("out-of-memory",),
        (f"{_CONTROL}#MemoryHigh=bytes",),
        limits,
    ),
    Item(
        "memory-growth",
        "Does the workers' memory stay level?",
        _SECTION,
        ("no-worker-recycling",),
        (setting_page("max_requests"),),
        growth,
    ),
    Item(
        "memory-kills",
        "Was nobody killed for memory?",
        _SECTION,
        ("out-of-memory",),
        ("https://docs.kernel.org/admin-guide/cgroup-v2.html#memory",),
        kills,
    ),
    Item(
        "swap-traffic",
        "Is there no traffic to swap?",
        "Common causes: small VPS RAM limits, swap thrashing",
        ("memory-thrash",),
        ("https://man7.org/linux/man-pages/man5/proc_vmstat.5.html",),
        swapping,
    ),
    Item(
        "thrashing",
        "Does the memory hold what the workers read?",
        "Common causes: small VPS RAM limits, swap thrashing",
        ("memory-thrash",),
        ("https://docs.kernel.org/admin-guide/cgroup-v2.html#memory",),
        thrashing,
    ),
)
