"""Facts of memory that will not suffice: what the workers need once grown up, and what they may use."""

from __future__ import annotations

from collections.abc import Callable

from analyzerd.core import crowding, footprint
from analyzerd.core.case import Case
from analyzerd.core.facts.growing import grown
from analyzerd.core.facts.registry import FACTS, fact
from analyzerd.core.footprint import Need, Seen
from analyzerd.model import Value


def seen(case: Case) -> Seen:
    """What the need is worked out from."""
    since_s = crowding.released_s(case.ledger)
    return Seen(case.samples, case.curves, case.ours, case.settings, since_s, case.focus.t1_s)


def needed(case: Case) -> Need | None:
    """The need of the app's workers; None where it or the limit is not measured."""
    if "need" not in case.remembered:
        case.remembered["need"] = footprint.need(seen(case))
    return case.remembered["need"]  # type: ignore[return-value]


def boot_bytes(case: Case) -> float:
    """What a worker starts with when the app is reloaded, 0 where it is not."""
    for signal in case.find("derived.memory-overcommit", within_s=0.0):
        return float(signal.fields.get("boot_bytes") or 0.0)
    return 0.0


NUMBERS: dict[str, tuple[str, Callable[[Need], Value]]] = {
    "memory.workers": ("Workers that have to fit, as configured or as seen.", lambda n: n.workers),
    "memory.mature_workers": ("Workers older than ten minutes that were measured.", lambda n: n.mature),
    "memory.per_worker_bytes": ("What 95 of 100 readings of mature workers do not exceed.", lambda n: n.per_worker),
    "memory.master_bytes": ("The master's own memory.", lambda n: n.master),
    "memory.reserve_bytes": ("Memory that should stay free.", lambda n: n.reserve),
    "memory.needed_bytes": ("All workers, the master and the reserve together.", lambda n: n.total),
    "memory.limit_bytes": ("The unit's limit, or what the machine's other programs leave.", lambda n: n.limit),
    "memory.needed_percent": ("The need over the limit, in percent.", lambda n: round(100 * n.total / n.limit)),
    "memory.fair_shares": ("True where shared pages were counted once (PSS).", lambda n: n.fair or None),
}


def _register(name: str, doc: str, read: Callable[[Need], Value]) -> None:
    def number(case: Case) -> Value:
        found = needed(case)
        return None if found is None else read(found)

    number.__doc__ = doc
    FACTS[name] = number


for _name, (_doc, _read) in NUMBERS.items():
    _register(_name, _doc, _read)


@fact("memory.overcommitted")
def overcommitted(case: Case) -> Value:
    """When the need exceeds what is allowed: ``now`` that the workers are grown up, at a ``reload``, or ``never``."""
    found, boot = needed(case), boot_bytes(case)
    if found is None:
        return None
    if crowding.pressure_of(found, 0.0) > crowding.RELIEVED:  # what was told stays told until there is some relief
        return "now"
    return "reload" if boot and crowding.pressure_of(found, boot) > crowding.RELIEVED else "never"


@fact("memory.boot_bytes")
def memory_boot_bytes(case: Case) -> Value:
    """What a worker takes just after its boot at a reload; None where no reload was seen."""
    return boot_bytes(case) or None


@fact("memory.at_reload_bytes")
def memory_at_reload(case: Case) -> Value:
    """The need while a reload boots a second set of workers."""
    found, boot = needed(case), boot_bytes(case)
    return found.at_reload(boot) if found and boot else None


@fact("memory.whose_limit")
def whose_limit(case: Case) -> Value:
    """Whose limit it is: the unit's own, or what the machine leaves."""
    found = needed(case)
    if found is None:
        return None
    return "the unit's own limit" if found.own_limit else "the memory other programs leave"


@fact("memory.full_at")
def full_at(case: Case) -> Value:
    """When the memory is used up if mature workers go on growing like this (Unix seconds); None: not within weeks."""
    found = needed(case)
    return None if found is None else footprint.full_at(seen(case), found)


@fact("memory.fits")
def fits(case: Case) -> Value:
    """How many workers would fit."""
    found = needed(case)
    return None if found is None else max(0, found.fits(boot_bytes(case)))


@fact("memory.leaks")
def leaks(case: Case) -> Value:
    """Whether memory grows with every request and no recycling bounds it: then no number of workers fits."""
    return grown(case) is not None and not case.number("gunicorn.max_requests")
