"""What can be seen: the last word of every source, and when that is a change worth telling. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Mapping

from analyzerd.model import Blind, Effect, Health

BLIND = ("blind", "gap")
WHOLE = ("samples", "control socket")
"""Sources with one reader for all units: when it says it reads, it reads everywhere."""


def hear(heard: dict[str, Health], health: Health) -> list[Effect]:
    """Remember a source's word; return one effect when a blind spot appeared, changed or closed."""
    key = f"{health.source}|{health.unit}"
    before = heard.get(key)
    heard[key] = health
    if health.state in BLIND:
        same = before is not None and (before.state, before.why) == (health.state, health.why)
        return [] if same else [Blind(health, True)]
    closed = [before] if before is not None and before.state in BLIND else []
    if health.source in WHOLE and not health.unit:
        closed += [heard.pop(name) for name in list(heard) if _is_blind_unit(heard[name], health.source)]
    return [Blind(spot, False) for spot in closed]


def _is_blind_unit(health: Health, source: str) -> bool:
    return health.source == source and health.unit != "" and health.state in BLIND


def of_source(heard: Mapping[str, Health], source: str) -> Health:
    """The most hopeful word about a kind of source: one file that is read suffices for it to be a witness."""
    words = [h for h in heard.values() if h.source == source]
    return min(words, key=lambda h: (h.state == "blind", h.state == "closed", -h.time_s))
