"""How long slowness has to last before it is told: the worse it is, the sooner. Measures nothing, knows no causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analyzerd.core.baselines import Hour
from analyzerd.core.measure import Load
from analyzerd.model import AccessTally

WINDOWS = 3
WINDOW_S, WINDOW_REQUESTS = 60.0, 300
"""A window is a minute, or as many requests; never less than LEAST_WINDOW_S."""
LEAST_WINDOW_S = 13.0
PAUSE_S = 30.0
"""So long it may look well in between and still be the same spell."""
HELD_S = 900.0
"""What was told, and was near to slow so recently, needs no more patience: it is the same incident."""
NEAR = 0.6
"""Above this share of the limit it is not well yet."""
RECENT_S = 6 * 3600.0
MOST_DOUBLINGS = 4
SEVERE_S = 1.0
SEVERE_TIMES, USUAL_TIMES = 3.0, 1.5
FAILING_SHARE = 0.05
LEAST_REQUESTS = 50


@dataclass(slots=True)
class Spell:
    """A stretch of time in which every look was slow. Zeros: there is none, nobody was told.

    ``told_s``: when it was told last, 0 when that is over; ``near_s``: when it was last near to slow since;
    ``tellings``: how often something was told in the last hours, ``telling_s``: when first told the last time.
    """

    since_s: float = 0.0
    last_s: float = 0.0
    told_s: float = 0.0
    near_s: float = 0.0
    tellings: int = 0
    telling_s: float = 0.0


def is_held(spell: Spell, now_s: float) -> bool:
    """Whether what was told goes on."""
    return bool(spell.told_s) and 0 <= now_s - max(spell.told_s, spell.near_s) <= HELD_S


def note(spell: Spell, from_s: float, now_s: float) -> None:
    """A look was slow, with slow requests from ``from_s`` on."""
    if not spell.since_s or not 0 <= now_s - spell.last_s <= PAUSE_S:
        spell.since_s = from_s
    spell.last_s = spell.near_s = now_s


def tell(spell: Spell, now_s: float) -> None:
    """It is told."""
    if not is_held(spell, now_s):
        spell.tellings = 1 + (spell.tellings if 0 <= now_s - spell.telling_s <= RECENT_S else 0)
        spell.telling_s = now_s
    spell.told_s = now_s


def end(spell: Spell) -> None:
    """What was told is over: the next time it needs patience again."""
    spell.told_s = 0.0


def is_ripe(spell: Spell, load: Load, tallies: Sequence[AccessTally], usual: Hour | None, now_s: float) -> bool:
    """Whether to tell: at once what is severe or fails, else after some windows; what was told goes on.

    ``tallies`` are the app's, of the last minutes at least.
    """
    if is_held(spell, now_s) or is_severe(load, usual):
        return True
    mine = [t for t in tallies if t.time_s < load.to_s]
    if is_failing([t for t in mine if t.time_s >= load.from_s]):
        return True
    lasted_s, needed = load.to_s - spell.since_s, windows_needed(spell, now_s)
    if lasted_s >= needed * WINDOW_S:
        return True
    requests, _ = _answers([t for t in mine if t.time_s >= spell.since_s])
    return lasted_s >= needed * LEAST_WINDOW_S and requests >= needed * WINDOW_REQUESTS


def windows_needed(spell: Spell, now_s: float) -> int:
    """Three; twice as many for each time it was told in the last hours: whoever was told knows."""
    recent = spell.tellings if 0 <= now_s - spell.telling_s <= RECENT_S else 0
    return WINDOWS << min(recent, MOST_DOUBLINGS)


def slowest_s(load: Load) -> float:
    """What the slowest of twenty requests take, as nginx sees it, else as gunicorn does; 0 where neither is known."""
    return load.upstream_p95 or load.service_p95 or 0.0


def is_severe(load: Load, usual: Hour | None) -> bool:
    """Whether people wait for a second, and three times as long as they are used to at this hour."""
    before_s = _usual_s(load, usual)
    return slowest_s(load) >= max(SEVERE_S, SEVERE_TIMES * (before_s or 0.0))


def is_usual(load: Load, usual: Hour | None) -> bool:
    """Whether requests take what they do in this hour of every week."""
    before_s = _usual_s(load, usual)
    return before_s is not None and slowest_s(load) < USUAL_TIMES * before_s


def is_failing(tallies: Sequence[AccessTally]) -> bool:
    """Whether one request of twenty is answered with a failure of the app."""
    requests, failed = _answers(tallies)
    return requests >= LEAST_REQUESTS and failed > FAILING_SHARE * requests


def _usual_s(load: Load, usual: Hour | None) -> float | None:
    return usual.upstream_p95_s if usual is not None and load.upstream_p95 is not None else None


def _answers(tallies: Sequence[AccessTally]) -> tuple[int, int]:
    """Requests and failures as the log counts them that saw most; what clients did wrong is left out."""
    found: dict[str, tuple[int, int]] = {}
    for tally in tallies:
        n, failed = found.get(tally.source, (0, 0))
        n += sum(times for status, times in tally.by_status.items() if not status.startswith("4"))
        failed += sum(times for status, times in tally.by_status.items() if status.startswith("5"))
        found[tally.source] = n, failed
    return max(found.values(), default=(0, 0))
