"""Facts of workers that end at max_requests: whether they do it together, and whether anybody felt it."""

from __future__ import annotations

from analyzerd.core import watch
from analyzerd.core.boots import Crew, Recycling, boot_time_s, recycling
from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.core.plan import formulas
from analyzerd.model import Value

ASSUMED_BOOT_S = 2.0
"""Where the boot time of a worker was not seen."""


def _felt(case: Case) -> list[tuple[float, int]]:
    tallies, now_s = case.tallies, case.now_s
    view = watch.View(case.app, case.samples, tallies, case.curves, case.ledger, case.ours, case.threads, now_s, True)
    return watch.felt_waves(view)


@fact("recycling.waves")
def recycling_waves(case: Case) -> Value:
    """How often at least half of the workers recycled within three seconds while requests queued."""
    if not case.witnesses.reads("gunicorn"):
        return None
    return len(_felt(case))


@fact("recycling.together")
def recycling_together(case: Case) -> Value:
    """Most workers that recycled together."""
    return max((n for _, n in _felt(case)), default=0)


def _crew(case: Case) -> Crew:
    return Crew(case.ledger, case.samples, case.tallies, case.ours, case.focus.t1_s)


@fact("boot.seconds")
def boot_seconds(case: Case) -> Value:
    """Seconds a worker takes from its boot to its first heartbeat or request, measured."""
    found = boot_time_s(_crew(case))
    return None if found is None else round(found, 2)


def boot_s(case: Case) -> float:
    """The same, or what is assumed where it was not seen."""
    found = boot_seconds(case)
    return float(found) if isinstance(found, int | float) else ASSUMED_BOOT_S


def churn(case: Case) -> Recycling | None:
    """What recycling cost in the minutes before the question."""
    to_s = case.focus.t1_s
    return recycling(_crew(case), to_s - watch.CHURN_S, to_s)


@fact("recycling.lost_percent")
def lost_percent(case: Case) -> Value:
    """Percent of the workers' time that goes into booting successors of recycled ones."""
    found = churn(case)
    return None if found is None else round(100 * found.lost, 1)


@fact("recycling.count")
def recycled(case: Case) -> Value:
    """Workers that reached max_requests in the last five minutes."""
    found = churn(case)
    return None if found is None else found.recycled


@fact("recycling.crew")
def crew(case: Case) -> Value:
    """Workers that serve side by side."""
    found = churn(case)
    return None if found is None else found.workers


@fact("recycling.life_s")
def life(case: Case) -> Value:
    """Seconds a worker lives from one recycling to the next."""
    found = churn(case)
    return None if found is None else found.span_s * found.workers / found.recycled


@fact("recycling.least_requests")
def least_requests(case: Case) -> Value:
    """Requests a worker has to serve between two boots, so that booting takes no more than a sixtieth of its time."""
    load = case.load
    if load.rate is None or not load.workers:
        return None
    return formulas.least_requests(boot_s(case), load.rate / load.workers)
