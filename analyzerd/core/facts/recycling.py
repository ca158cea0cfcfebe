"""Facts of workers that end at max_requests: whether they do it together, and whether anybody felt it."""

from __future__ import annotations

from analyzerd.core import watch
from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.model import Value


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
