"""When to say that the workers will not fit their memory: after it has held for a while, once, and not again soon.

Patience and hysteresis around the need that footprint.py works out; measures nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyzerd.core.footprint import Need, Seen, boot_size, need
from analyzerd.core.ledger import AppLedger
from analyzerd.core.plan.formulas import TIGHT_SHARE
from analyzerd.model import Fields

EVERY_S = 60.0
PERSIST_S = 900.0
AGAIN_S = 600.0
"""How often a told one is confirmed, so that it is not taken to be over."""
DAY_S = 86400.0
RELIEVED = 0.9
WORSE = 0.05
RELEASES = ("start", "reloading", "signal:hup", "signal:usr2")
RELOADS = ("reloading", "signal:hup")


@dataclass(slots=True)
class Patience:
    """What is remembered of one app between two looks. ``pressure``: the plain need over what is allowed, when told.

    ``since_s``: since when the need has been too high, 0: it is not; ``told_since_s``: the ``since_s`` that was told.
    """

    looked_s: float = 0.0
    since_s: float = 0.0
    told_since_s: float = 0.0
    told_s: float = 0.0
    pressure: float = 0.0
    reloaded_s: float = 0.0
    boot_bytes: float = 0.0


def released_s(ledger: AppLedger) -> float:
    """When the app's workers were last replaced all together, as far as is known."""
    return max((mark.time_s for mark in ledger.marks if mark.kind in RELEASES), default=0.0)


def look(seen: Seen, ledger: AppLedger, known: Patience) -> Fields | None:
    """Fields of the event to raise now; None where there is nothing to say, or not yet, or not again."""
    if seen.now_s - known.looked_s < EVERY_S:
        return None
    known.looked_s = seen.now_s
    _learn_reload(seen, ledger, known)
    found = need(seen)
    if found is None:
        known.since_s = 0.0
        return None
    pressure = pressure_of(found, known.boot_bytes)
    told = known.since_s > 0 and known.told_since_s == known.since_s
    if pressure <= (RELIEVED if told else 1.0):
        known.since_s = 0.0
        return None
    known.since_s = known.since_s or seen.now_s
    plain = pressure_of(found, 0.0)
    if not _is_due(seen.now_s, plain, known, told=told):
        return None
    known.told_since_s, known.told_s = known.since_s, seen.now_s
    known.pressure = max(plain, known.pressure if told else 0.0)
    return {"event": "memory-overcommit", "boot_bytes": known.boot_bytes}


def pressure_of(found: Need, boot: float) -> float:
    """The need over what is allowed: above 1 is too much. With ``boot``, the size of a new worker, reloads count."""
    plain = found.total / (TIGHT_SHARE * found.limit)
    return max(plain, found.at_reload(boot) / found.limit) if boot else plain


def _learn_reload(seen: Seen, ledger: AppLedger, known: Patience) -> None:
    """Remember that this app is reloaded, and what a worker then starts with: reloads are forgotten by the hour."""
    known.reloaded_s = max([known.reloaded_s, *(m.time_s for m in ledger.marks if m.kind in RELOADS)])
    if known.reloaded_s:
        known.boot_bytes = boot_size(seen, known.reloaded_s) or known.boot_bytes


def _is_due(now_s: float, pressure: float, known: Patience, *, told: bool) -> bool:
    if told:
        return now_s - known.told_s >= AGAIN_S
    lasting = now_s - known.since_s >= PERSIST_S
    return lasting and (now_s - known.told_s >= DAY_S or pressure > known.pressure + WORSE)
