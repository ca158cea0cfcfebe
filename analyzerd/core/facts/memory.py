"""Facts of out-of-memory kills, from the kernel's own report, systemd and the unit's cgroup."""

from __future__ import annotations

from statistics import median

from analyzerd.core.case import Case
from analyzerd.core.facts.crowded import needed
from analyzerd.core.facts.growing import grown
from analyzerd.core.facts.registry import fact
from analyzerd.model import Signal, Value
from analyzerd.units import format_bytes

LEAP = 1.5
"""A victim so many times its own last reading, or twice the others, took its memory in one request."""
OUTLIER = 2.0
FULL_SHARE = 0.7
JUST_BEFORE_S = 30.0


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


@fact("oom.host_counter_rose")
def oom_host_counter_rose(case: Case) -> Value:
    """Whether the kernel counted an OOM kill anywhere on the host around the question."""
    kills = [
        s.host.vmstat["oom_kill"]
        for s in case.samples
        if case.distance_s(s.time_s) <= 30.0 and "oom_kill" in s.host.vmstat
    ]
    return kills[-1] > kills[0] if len(kills) >= 2 else None


@fact("oom.witnessed")
def oom_witnessed(case: Case) -> Value:
    """Whether anybody who would know reports an out-of-memory kill; None where nobody of them is read."""
    if _oom(case) or case.find("systemd.oom-kill") or case.find("systemd.oomd-kill") or oom_counter_rose(case):
        return True
    return False if case.witnesses.reads("kernel") or oom_host_counter_rose(case) is False else None


@fact("workers.memory_median_bytes")
def workers_memory(case: Case) -> Value:
    """Median resident memory of the workers in the last reading before the question."""
    before = [s for s in case.samples if s.time_s <= case.focus.t0_s]
    if not before:
        return None
    sizes = [r.rss_bytes for r in before[-1].processes if r.role == "worker" and r.rss_bytes]
    return median(sizes) if sizes else None


@fact("oom.victim_leap")
def victim_leap(case: Case) -> Value:
    """The victim's memory over its own in the last reading before, half a minute at most; None without one."""
    report = _oom(case)
    size = report.fields.get("anon_rss_bytes") if report else None
    if report is None or case.worker is None or not isinstance(size, int | float):
        return None
    before = [
        r.anon_bytes or r.rss_bytes
        for _, r in case.readings(case.worker, report.time_s - JUST_BEFORE_S, report.time_s)
        if r.anon_bytes or r.rss_bytes
    ]
    return round(size / before[-1], 2) if before and before[-1] else None


@fact("oom.spiked")
def oom_spiked(case: Case) -> Value:
    """Whether the victim took its memory at once: many times its own last reading, else twice the other workers."""
    leap, outlier = victim_leap(case), oom_victim_to_median(case)
    if isinstance(leap, int | float):
        return leap >= LEAP
    return outlier >= OUTLIER if isinstance(outlier, int | float) else None


@fact("oom.grew")
def oom_grew(case: Case) -> Value:
    """Whether the workers' memory had grown steadily with their requests before the kill; None: not measured."""
    if grown(case) is not None:
        return True
    measured = any(t.by_worker and case.ours.log(t) for t in case.tallies) and bool(case.curves)
    return False if measured else None


@fact("oom.crowded")
def oom_crowded(case: Case) -> Value:
    """Whether all workers together fill the limit although each is of the usual size."""
    if oom_spiked(case) or oom_grew(case):
        return False
    found, together, limit = needed(case), _oom_field(case, "sum_same_name_rss_bytes"), oom_limit(case)
    if isinstance(together, int | float) and isinstance(limit, int | float) and limit:
        return together >= FULL_SHARE * limit
    if found is not None:
        return found.total - found.reserve >= FULL_SHARE * found.limit
    outlier = oom_victim_to_median(case)
    return outlier <= LEAP if isinstance(outlier, int | float) else None


@fact("oom.whose_limit")
def oom_whose(case: Case) -> Value:
    """Whose memory was used up: the unit's own limit, or the whole machine's."""
    whose, limit = oom_constraint(case), oom_limit(case)
    if whose is None:
        return None
    if whose != "memcg":
        return "the memory of the whole machine"
    size = f" of {format_bytes(limit)}" if isinstance(limit, int | float) else ""
    return f"the unit's own limit{size}"
