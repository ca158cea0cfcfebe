"""From what a cause asks for to one value for each setting, clamped where another bounds it, tied changes along.

A value that cannot be without breaking something is refused with the reason. Never proposes what stands already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analyzerd.core.plan import formulas
from analyzerd.core.plan.constraints import Given, broken
from analyzerd.core.plan.ties import Followed, complete
from analyzerd.core.plan.values import SETTINGS, Held, Plan, changed, held

PARTS = 8
"""In how many steps a possible value is looked for between what stands and what is wanted."""
BEYOND = 4
"""How many times the wanted value may be exceeded where only more is possible."""
ORDER = tuple(SETTINGS)
TAKING = frozenset(("workers", "threads", "worker_connections", "pool_size", "max_overflow"))
"""What more of takes memory, CPU or database connections."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a cause asks for: a field of the Plan, its value, and the arithmetic.

    ``most``: the value is the most that helps, going beyond it does not. ``by``: the incident that asks, '' the own.
    """

    field: str
    value: int | str
    why: str
    most: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """No value, and why."""

    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """One setting's new value. ``tied_to``: the field it follows from and has to ship with, '' for what was asked."""

    field: str
    before: Held
    after: Held
    why: str
    tied_to: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Solution:
    """One answer for each setting; ``after`` is the plan with all of them."""

    after: Plan
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()


@dataclass(slots=True)
class _Work:
    """A solution in the making."""

    given: Given
    plan: Plan
    changes: dict[str, Change]
    refusals: list[Refusal]

    @property
    def decided(self) -> set[str]:
        """Fields that were asked for; what merely followed may follow anew."""
        return {name for name, change in self.changes.items() if not change.tied_to}

    def try_value(self, name: str, value: Held) -> tuple[Plan, dict[str, Followed]] | None:
        """The plan with this value and what is tied to it; None where it breaks something."""
        plan, ties = self._with(name, value)
        touched = changed(self.given.before, plan)
        return None if any(broken(self.given, plan, touched)) else (plan, ties)

    def _with(self, name: str, value: Held) -> tuple[Plan, dict[str, Followed]]:
        values: dict[str, Any] = {name: value}
        return complete(self.given, replace(self.plan, **values), pinned={*self.decided, name})

    def why_not(self, name: str, value: Held) -> str:
        """What the value would break."""
        plan, _ = self._with(name, value)
        return "; ".join(dict.fromkeys(broken(self.given, plan, changed(self.given.before, plan))))


def solve(given: Given, wants: Sequence[Want]) -> Solution:
    """Decide all wants together. Of two for one setting the further one wins; of opposite ones what is safer."""
    work = _Work(given, given.before, {}, [])
    for want in sorted(_merged(given.before, wants), key=lambda w: ORDER.index(w.field)):
        _decide(work, want)
        if want.field == "workers":
            _keep_slots(work)
    kept = {name: c for name, c in work.changes.items() if c.before != c.after}
    return Solution(work.plan, tuple(kept[name] for name in ORDER if name in kept), tuple(work.refusals))


def _merged(before: Plan, wants: Sequence[Want]) -> list[Want]:
    by_field: dict[str, Want] = {}
    for want in wants:
        other = by_field.get(want.field)
        by_field[want.field] = want if other is None else _stronger(held(before, want.field), other, want)
    return list(by_field.values())


def _stronger(now: Held, one: Want, other: Want) -> Want:
    """Of two values for one setting the one further from what stands; of opposite ones the safer.

    That is the smaller number of what takes memory, CPU and connections, and the longer time.
    """
    if not isinstance(one.value, int) or not isinstance(other.value, int):
        return min(one, other, key=lambda w: str(w.value))
    low, high = sorted((one, other), key=lambda w: int(w.value))
    if not isinstance(now, int) or int(low.value) < now < int(high.value):
        return low if one.field in TAKING else high
    return low if int(low.value) < now else high


def _decide(work: _Work, want: Want) -> None:
    name, now = want.field, held(work.plan, want.field)
    if want.value == now or _is_met(work, want, now):
        return
    value = _possible(work, name, want.value, now, beyond=not want.most)
    found = None if value is None else work.try_value(name, value)
    if found is None:
        work.refusals.append(Refusal(name, work.why_not(name, want.value) or "it would break another limit"))
        return
    clamped = "" if value == want.value else f"; {value}, not {want.value}: {work.why_not(name, want.value)}"
    why = want.why + clamped + _unchecked(work, name, value)
    _accept(work, Change(name, held(work.given.before, name), value, why, by=want.by), *found)


def _is_met(work: _Work, want: Want, now: Held) -> bool:
    """Whether a tied change already goes at least as far in the same direction."""
    before = held(work.given.before, want.field)
    if want.field not in work.changes or not all(isinstance(v, int) for v in (before, now, want.value)):
        return False
    start, reached, wanted = int(before or 0), int(now or 0), int(want.value)
    return start < wanted <= reached or start > wanted >= reached


def _accept(work: _Work, change: Change, plan: Plan, ties: dict[str, Followed]) -> None:
    before = work.plan
    work.plan = plan
    work.changes[change.field] = change
    for name in changed(before, plan):
        if name != change.field:
            follows = ties.get(name, Followed("", change.field))
            by = change.field if follows.by == name else follows.by
            work.changes[name] = Change(name, held(work.given.before, name), held(plan, name), follows.why, by)


def _possible(work: _Work, name: str, wanted: Held, now: Held, *, beyond: bool = True) -> Held:
    """The wanted value or the nearest possible: on the way there from what stands, else beyond it; None: none is."""

    def can(value: int) -> bool:
        return work.try_value(name, value) is not None

    if work.try_value(name, wanted) is not None:
        return wanted
    if not isinstance(wanted, int) or not isinstance(now, int):
        return None
    step, span = (1 if wanted > now else -1), wanted - now
    on_the_way = (wanted - span * part // PARTS for part in range(1, PARTS))
    far = wanted * BEYOND if step > 0 else 1
    for value in (*on_the_way, now + step, *([far] if beyond else [])):
        if value not in (now, wanted) and can(value):
            return _last_possible(can, value, wanted)
    return None


def _last_possible(can: Callable[[int], bool], good: int, bad: int) -> int:
    """Between a possible and an impossible value, the possible one next to the impossible."""
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if can(middle) else (good, middle)
    return good


def _unchecked(work: _Work, name: str, value: Held) -> str:
    """What could not be held against the machine, where more of something is asked for."""
    now, m = held(work.plan, name), work.given.machine
    if name not in ("workers", "threads") or not isinstance(now, int) or not isinstance(value, int) or value <= now:
        return ""
    missing = []
    if name == "workers" and (m.memory_bytes is None or not m.worker_bytes):
        missing.append("memory (not read)")
    if work.plan.pool is None or m.max_connections is None:
        missing.append("database connections (pool or max_connections not known)")
    return f"; not checked: {', '.join(missing)}" if missing else ""


def _keep_slots(work: _Work) -> None:
    """Fewer workers than the load wants: threads stand in, as far as they can."""
    d, plan, workers = work.given.demand, work.plan, work.changes.get("workers")
    refused = any(r.field == "workers" for r in work.refusals)
    if (workers is None and not refused) or plan.worker_class != "gthread" or not plan.workers or not plan.threads:
        return
    if d.rate is None or d.service_mean is None:
        return
    needed = formulas.slots(d.rate, d.service_mean, formulas.target_use(d.service_p50, d.service_p99))
    threads = min(formulas.MOST_THREADS, formulas.threads(needed, plan.workers))
    if plan.workers * plan.threads < needed and threads > plan.threads:
        value = _possible(work, "threads", threads, plan.threads)
        found = None if value is None else work.try_value("threads", value)
        if found is not None:
            why = f"{needed} requests at once on {plan.workers} workers"
            tied_to = "workers" if workers else ""
            _accept(work, Change("threads", held(work.given.before, "threads"), value, why, tied_to), *found)
