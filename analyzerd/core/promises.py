"""Recommendations as promises: registered when made, tried when their setting is changed, told once when decided.

Bounded: MOST of them, those under trial kept first. What is measured stands in meter.py, what it means in verify.py.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzerd.core.buckets import GRID_S, KEPT, Bucket, figures
from analyzerd.core.changes import TOGETHER_S, shown, values_of
from analyzerd.core.rare import silence_needed_s
from analyzerd.core.verify import LEAST, Judgement, Promise, Rare, Trial, judge_change
from analyzerd.model import (
    Advised,
    Change,
    Effect,
    Incident,
    Outcome,
    Recommendation,
    SaveAdvised,
    SaveVerified,
    Severity,
    Verified,
)
from analyzerd.rules.schema import CauseRule, SignalRule

MOST = 64
ARM_S = KEPT * GRID_S / 2
LONGEST_S = 7 * 86400.0
APPLICATION = "application"
NO_SETTING = ("host", "analyzerd", "gunicorn", "")
EFFECTIVE_BY_RELOAD = "gunicorn."
_STATES = {
    Outcome.BETTER: "verified better",
    Outcome.NO_EFFECT: "verified no effect",
    Outcome.WORSE: "verified worse",
    Outcome.UNDECIDED: "not decidable",
    Outcome.UNEXPLAINED: "improved, not explained",
}


@dataclass(slots=True)
class Promised:
    """One recommendation. ``change`` is under trial, since its ``number``th change; None: nothing to decide.

    ``settled``: the change is in effect. ``since_s`` to ``to_s``: what counts as before; ``from_s``: as after.
    ``seen``: moments with one of the promise's events; ``counted_s``: up to where. ``also``: what else was changed.
    """

    advised: Advised
    promise: Promise
    rollback: str
    number: int = 0
    change: Change | None = None
    settled: bool = False
    since_s: float = 0.0
    to_s: float = 0.0
    from_s: float = 0.0
    until_s: float = 0.0
    counted_s: float = 0.0
    seen: Rare = field(default_factory=Rare)
    looks: int = 0
    also: list[str] = field(default_factory=list)


Promises = dict[str, Promised]


def recommendation_id(incident: str, setting: str) -> str:
    """The ledger's key: the same advice of the same incident has the same one."""
    return "REC-" + b32encode(hashlib.sha256(f"{incident}|{setting}".encode()).digest())[:8].decode()


# ---- made ------------------------------------------------------------------------------------------------


def register(
    promises: Promises,
    incident: Incident,
    causes: Mapping[str, CauseRule],
    signals: Mapping[str, SignalRule],
    now_s: float,
) -> Iterator[Effect]:
    """Remember what an incident recommends; while nobody acted on it, with its newest values."""
    promise = promise_of(incident, causes.get(incident.cause), signals)
    for advice in incident.recommendations:
        name = recommendation_id(incident.id, advice.setting)
        known = promises.get(name)
        if advice.setting in NO_SETTING or (known is not None and known.advised.state != "proposed"):
            continue
        advised = Advised(
            name, incident.id, incident.app, incident.cause, advice.setting, advice.current, advice.proposed,
            promise_text(promise, advice), "proposed", known.advised.made_s if known else now_s,
        )  # fmt: skip
        if known is None or known.advised != advised:
            promises[name] = Promised(advised, promise, advice.rollback)
            yield SaveAdvised(now_s, advised)
    _bound(promises)


def promise_of(incident: Incident, cause: CauseRule | None, signals: Mapping[str, SignalRule]) -> Promise:
    """What has to become better: what the cause names, else the lines that raised the question, else request times."""
    moves, _, rises = (cause.moves if cause else "").partition(" ")
    opening = [rule for rule in incident.counts if rule in signals and signals[rule].opens]
    events = tuple(sorted(rule for rule in opening if "derived" not in signals[rule].sources))
    metric = (cause.promise if cause else "") or ("events" if events else "p95")
    return Promise(metric, LEAST.get(metric, 0.20), moves, rises == "up", events)


def promise_text(promise: Promise, advice: Recommendation) -> str:
    """The promise in one sentence, as it is registered."""
    if promise.metric == "events":
        what = f"fewer of {', '.join(promise.events)}: silence for three times the usual interval"
    elif promise.metric == "growth":
        what = "memory grows less than half as fast, over several recyclings"
    elif promise.metric == "memory":
        what = f"memory down by at least {promise.least:.0%}, with workers as old as before"
    else:
        what = f"{promise.metric} of request times down by {promise.least:.0%} within {ARM_S / 60:.0f} min"
    moved = f", and {promise.mechanism} moves" if promise.mechanism else ""
    return f"{what}{moved}" + (f" ({advice.verify})" if advice.verify else "")


def _bound(promises: Promises) -> None:
    order = sorted(promises, key=lambda name: (promises[name].change is not None, promises[name].advised.made_s))
    for name in order[: max(0, len(order) - MOST)]:
        del promises[name]


# ---- tried -----------------------------------------------------------------------------------------------


def on_change(promises: Promises, changes: Sequence[Change], change: Change) -> Iterator[Effect]:
    """Begin a trial of what the change is about; for others of the app that run it is something beside."""
    for promised in promises.values():
        if change.app not in ("", promised.advised.app):
            continue
        if _is_about(promised.advised.setting, change):
            yield _begin(promised, changes, change)
        elif promised.change is not None:
            _beside(promised, promises.values(), change)


def _is_about(setting: str, change: Change) -> bool:
    if change.kind == "release":
        return setting == APPLICATION
    return change.kind == "setting" and _plain(setting) == _plain(change.what)


def _plain(setting: str) -> str:
    return setting.replace(" ", ".").casefold()


def _begin(promised: Promised, changes: Sequence[Change], change: Change) -> Effect:
    """A reload just before, which made it effective, already belongs to the time after."""
    mine = [c for c in changes if c.app in (promised.advised.app, "")]
    events = [c.time_s for c in mine if c.kind in ("restart", "reload")]
    near = [t for t in events if change.time_s - TOGETHER_S <= t <= change.time_s + 1.0]
    effective_s = min(near, default=change.time_s)
    others = [c.time_s for c in mine if c.kind in ("setting", "release") and c.time_s < effective_s - TOGETHER_S]
    promised.number += 1
    promised.change, promised.also, promised.looks, promised.seen = change, [], 0, Rare()
    promised.since_s = max([effective_s - ARM_S, *others])
    # Settings are read now and then: what was measured while it may have been changed already is neither.
    promised.to_s = effective_s if near else effective_s - GRID_S
    by_file = change.what.startswith(EFFECTIVE_BY_RELOAD) and change.where.startswith("/")
    promised.settled = bool(near) or not by_file
    promised.from_s = promised.counted_s = effective_s
    promised.until_s = effective_s + ARM_S
    said = values_of(change) + ("" if promised.settled else "; not reloaded yet")
    state = replace(promised.advised, state="applied", changed_s=change.time_s, because=said)
    promised.advised = state
    return SaveAdvised(change.time_s, state)


def _beside(promised: Promised, others: Iterable[Promised], change: Change) -> None:
    """Note what may explain the result as well; a reload makes an edited file effective."""
    assert promised.change is not None  # noqa: S101 - only trials are asked
    if change.kind in ("restart", "reload"):
        if not promised.settled and change.time_s >= promised.change.time_s - TOGETHER_S:
            promised.settled = True
            promised.from_s = promised.counted_s = change.time_s
            promised.until_s = change.time_s + ARM_S
        return
    incident, tied = promised.advised.incident, abs(change.time_s - promised.change.time_s) <= TOGETHER_S
    advised_too = any(p.advised.incident == incident and _is_about(p.advised.setting, change) for p in others)
    if change.kind != "workers" and not (tied and advised_too) and len(promised.also) < 5:
        promised.also.append(values_of(change) or change.kind)


def dismiss(promises: Promises, name: str, actor: str, now_s: float) -> Iterator[Effect]:
    """Take a recommendation off the list because a person says so."""
    promised = promises.get(name)
    if promised is not None and promised.advised.state == "proposed":
        promised.advised = replace(promised.advised, state="dismissed", because=f"by {actor or 'the operator'}")
        yield SaveAdvised(now_s, promised.advised)


# ---- decided ---------------------------------------------------------------------------------------------


def advance(
    promises: Promises, app: str, buckets: Sequence[Bucket], incidents: Sequence[Incident], now_s: float
) -> Iterator[Effect]:
    """Ask every trial of the app again, now that another half-minute was measured."""
    for promised in promises.values():
        if promised.advised.app == app and promised.change is not None and promised.settled:
            found = _judged(promised, buckets, incidents, now_s)
            promised.looks = found.looks
            if found.final:
                yield from _tell(promised, promised.change, found, now_s)


def _judged(promised: Promised, buckets: Sequence[Bucket], incidents: Sequence[Incident], now_s: float) -> Judgement:
    before = [b for b in buckets if promised.since_s <= b.time_s and b.time_s + b.seconds <= promised.to_s]
    after = [b for b in buckets if b.time_s >= promised.from_s]
    _count(promised, before, after, incidents)
    if promised.promise.metric == "events":
        needed_s = silence_needed_s(promised.seen.before, promised.seen.before_s)
        longest_s = promised.from_s + min(LONGEST_S, max(ARM_S, 1.5 * needed_s))
        promised.until_s = longest_s if promised.seen.before else promised.until_s
    # The last half-minute of the window has to have been measured before the window ends.
    ended = now_s >= promised.until_s + 2 * GRID_S
    trouble = _new_trouble(promised, incidents)
    if trouble is not None:
        said = f"since the change there is a critical problem: {trouble.title} ({trouble.id})"
        return Judgement(Outcome.WORSE, said, True, promised.looks, before=figures(before), after=figures(after))
    return judge_change(promised.promise, Trial(before, after, promised.seen, promised.looks, ended))


def _count(
    promised: Promised, before: Sequence[Bucket], after: Sequence[Bucket], incidents: Sequence[Incident]
) -> None:
    """Count the moments with an event; those before once, while they are still known."""
    seen, events = promised.seen, promised.promise.events
    if not seen.before_s:
        n, seconds = _moments(before, events), sum(b.seconds for b in before)
        mine = next((i for i in incidents if i.id == promised.advised.incident), None)
        if not n and mine is not None and events:
            n, seconds = mine.occurrences, max(seconds, promised.to_s - mine.first_seen_s)
        seen = replace(seen, before=n, before_s=seconds)
    fresh = [b for b in after if b.time_s >= promised.counted_s]
    if fresh:
        promised.counted_s = fresh[-1].time_s + GRID_S
    n, seconds = _moments(fresh, events), sum(b.seconds for b in fresh)
    promised.seen = replace(seen, after=seen.after + n, after_s=seen.after_s + seconds)


def _moments(buckets: Sequence[Bucket], events: Sequence[str]) -> int:
    """Half-minutes with an event: what happens to all workers at once happened once."""
    return sum(any(b.events.get(rule) for rule in events) for b in buckets)


def _new_trouble(promised: Promised, incidents: Sequence[Incident]) -> Incident | None:
    assert promised.change is not None  # noqa: S101 - only trials are asked
    mine = promised.advised
    for one in incidents:
        new = one.app == mine.app and one.first_seen_s > promised.from_s and one.cause != mine.cause
        if new and one.severity is Severity.CRITICAL:
            return one
    return None


def _tell(promised: Promised, change: Change, found: Judgement, now_s: float) -> Iterator[Effect]:
    mine, outcome, because = promised.advised, found.outcome, found.because
    if promised.also:
        because += f"; changed as well since then: {', '.join(promised.also)}"
        outcome = Outcome.UNEXPLAINED if outcome is Outcome.BETTER else outcome
    undo = promised.rollback or f"set {change.what} back to {shown(change.before)} ({change.where}) and reload"
    told = Verified(
        id=f"{mine.id}/{promised.number}",
        recommendation=mine.id,
        incident=mine.incident,
        app=mine.app,
        cause=mine.cause,
        setting=mine.setting,
        before=change.before,
        after=change.after,
        proposed=mine.proposed,
        changed_s=change.time_s,
        decided_s=now_s,
        outcome=outcome,
        because=because,
        was=found.before,
        now=found.after,
        rollback=undo if outcome is Outcome.WORSE else "",
    )
    yield SaveVerified(now_s, told)
    promised.advised = replace(mine, state=_STATES[outcome], because=because)
    promised.change = None
    yield SaveAdvised(now_s, promised.advised)
