"""Looks at the last minute of an app's readings and request clocks, and says when something is materially wrong.

Raises derived events: that requests are slow, that workers leave in waves, that memory grows. Never says why.
Quiet beats noisy: it wants enough requests, a stretch of time, the same answer in both halves of it, and patience.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzerd.core import crowding, growth, patience
from analyzerd.core.baselines import WHOLE, Baseline, usual
from analyzerd.core.boots import Crew, recycling
from analyzerd.core.estimators import percentile, queue_wait, waves
from analyzerd.core.footprint import Seen
from analyzerd.core.ledger import AppLedger
from analyzerd.core.measure import BUCKET_S, Load, Ours, clocks_of, measure, take_turns
from analyzerd.core.past import HISTORY_S, compare, slower
from analyzerd.formats.clock import NOTHING
from analyzerd.model import AccessTally, Event, Fields, Sample, Setting

EVERY_S = 10.0
LATE_S = 5.0
"""What arrives later than this is not waited for."""
WINDOW_S = 60.0
AGAIN_S = 60.0
GROWTH_EVERY_S = 300.0
LEAST_REQUESTS = 50
LEAST_IN_BUCKET = 5
SLOW_QUEUE_S = 0.5
WAVE_QUEUE_S = 0.3
WAVE_WITHIN_S = 3.0
CHURN_S, CHURN_EVERY_S = 300.0, 60.0
CHURN_AGAIN_S = 600.0
CHURN_SHARE = 0.05
SWAP_PAGES_PER_S = 100.0
SLOW_BUCKETS, SLOW_BUCKETS_AT_END = 3, 2
SETTLED_AFTER_DEPLOY_S = 15.0
DISTURBING = ("signal:", "stopping", "reloading")


@dataclass(slots=True)
class Watched:
    """When an app was last looked at, and when each kind of trouble was last told."""

    looked_s: float = 0.0
    slow_s: float = 0.0
    grown_s: float = 0.0
    wave_s: float = 0.0
    churn_looked_s: float = 0.0
    churn_s: float = 0.0
    spell: patience.Spell = field(default_factory=patience.Spell)
    crowding: crowding.Patience = field(default_factory=crowding.Patience)


@dataclass(frozen=True, slots=True)
class View:
    """What the watch may look at: one app's inputs up to a moment, and its past. ``ended``: nothing more will come."""

    app: str
    samples: Sequence[Sample]
    tallies: Sequence[AccessTally]
    curves: Mapping[int, growth.Curve]
    ledger: AppLedger
    ours: Ours
    threads: int | None
    now_s: float
    ended: bool
    baseline: Baseline | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)


def look(view: View, known: Watched) -> list[Event]:
    """Everything worth a question now. Called at most every EVERY_S seconds of event time, and at the end."""
    found: list[Event] = []
    span = calm_span(view)
    if span is not None:
        found += _slowness(view, known, *span)
    found += _waves(view, known)
    found += _churn(view, known)
    found += _growth(view, known)
    found += _crowding(view, known)
    return found


def calm_span(view: View) -> tuple[float, float] | None:
    """The last minute, without a stop, restart or reload and what follows it; None while there is no such time."""
    from_s, to_s = view.now_s - WINDOW_S, view.now_s
    for mark in sorted(view.ledger.marks, key=lambda m: m.time_s):
        if mark.kind.startswith(DISTURBING) and from_s <= mark.time_s <= to_s:
            if view.ended and mark.time_s > view.now_s - SETTLED_AFTER_DEPLOY_S:
                to_s = mark.time_s
            else:
                from_s = mark.time_s + SETTLED_AFTER_DEPLOY_S
    return (from_s, to_s) if to_s - from_s >= BUCKET_S else None


def _slowness(view: View, known: Watched, from_s: float, to_s: float) -> list[Event]:
    if view.now_s - known.slow_s < AGAIN_S and not view.ended:
        return []
    stretch = slow_stretch(view, from_s, to_s)
    load = window(view, *(stretch or (from_s, to_s)))
    reason = "queue" if stretch else why_slow(view, load, from_s, to_s)
    if reason == "service":
        load = window(view, _slower_since(view, from_s), to_s)  # what was before would hide why
    if not reason and patience.is_held(known.spell, view.now_s) and slow_stretch(view, from_s, to_s, patience.NEAR):
        known.spell.near_s = view.now_s
    if load.requests < LEAST_REQUESTS or not reason or not _worth_telling(view, known.spell, load, reason):
        return []
    known.slow_s = view.now_s
    patience.tell(known.spell, view.now_s)
    fields: Fields = {"event": "latency", "reason": reason, "from_s": load.from_s, "to_s": load.to_s}
    return [Event(view.now_s, "derived", _sentence(load, reason), view.app, fields=fields)]


def _worth_telling(view: View, spell: patience.Spell, load: Load, reason: str) -> bool:
    """Whether this slowness is not what every week brings, and has lasted. At the end of input nobody can wait."""
    hour = usual(view.baseline, WHOLE, view.now_s)
    if reason != "service" and patience.is_usual(load, hour) and not patience.is_severe(load, hour):
        return False
    patience.note(spell, load.from_s, view.now_s)
    mine = [t for t in view.tallies if view.ours.log(t)]
    return view.ended or patience.is_ripe(spell, load, mine, hour, view.now_s)


def _sentence(load: Load, reason: str) -> str:
    times = [
        f"{what} p95 {value:.2f} s"
        for what, value in (("upstream", load.upstream_p95), ("service", load.service_p95), ("queue", load.queue_p95))
        if value is not None
    ]
    return f"slow ({reason}): {load.requests} requests in {load.window_s:.0f} s, {', '.join(times)}"


def window(view: View, from_s: float, to_s: float) -> Load:
    """Measure the buckets that lie in a span, and the samples beside them."""
    tallies = complete(view, from_s, to_s)
    if tallies:
        from_s = max(from_s, min(t.first_s for t in tallies))
        to_s = min(to_s, max(t.last_s for t in tallies) + 1.0)
    samples = [s for s in view.samples if from_s - 0.5 <= s.time_s <= to_s + 0.5]
    return measure(samples, tallies, view.ours, view.threads)


def complete(view: View, from_s: float, to_s: float) -> list[AccessTally]:
    """Buckets of the app that lie in the span and will not grow any more."""
    limit_s = to_s if view.ended else min(to_s, view.now_s - BUCKET_S)
    early_s = from_s - BUCKET_S / 2
    return [t for t in view.tallies if early_s <= t.time_s <= limit_s and view.ours.log(t)]


def slow_stretch(view: View, from_s: float, to_s: float, share: float = 1.0) -> tuple[float, float] | None:
    """The span in which requests queued, bucket after bucket; None when they did not, or not lastingly.

    ``share`` of the limit that counts as queued already.
    """
    buckets = _queues(complete(view, from_s, to_s))
    slow = [start for start, queue_s in buckets.items() if queue_s >= share * SLOW_QUEUE_S]
    if len(slow) < (SLOW_BUCKETS_AT_END if view.ended else SLOW_BUCKETS):
        return None
    inside = [start for start in buckets if slow[0] <= start <= slow[-1]]
    recent = view.ended or slow[-1] >= view.now_s - 3 * BUCKET_S
    return (slow[0], slow[-1] + BUCKET_S) if recent and len(slow) >= 0.6 * len(inside) else None


def _queues(tallies: Sequence[AccessTally]) -> dict[float, float]:
    """By bucket: queue wait (p95) where it exceeds the usual service time, else 0."""
    found: dict[float, float] = {}
    by_start: dict[float, list[AccessTally]] = {}
    for tally in tallies:
        by_start.setdefault(tally.time_s, []).append(tally)
    for start, here in sorted(by_start.items()):
        upstream, service = clocks_of(here, "nginx.access"), clocks_of(here, "gunicorn.access")
        if upstream.n < LEAST_IN_BUCKET or service.n < LEAST_IN_BUCKET:
            continue
        queue_s = queue_wait(percentile(upstream, 0.95), percentile(service, 0.95)) or 0.0
        beyond = queue_s >= (percentile(service, 0.5) or 0.0)
        found[start] = queue_s if beyond else 0.0
    return found


def why_slow(view: View, load: Load, from_s: float, to_s: float) -> str:
    """A kind of slowness that holds in the window and in both halves of it; '' when there is none."""
    if load.requests < LEAST_REQUESTS:
        return ""
    if slower(compare(view.tallies, view.ours, view.baseline, view.now_s)) is not None:
        return "service"
    start_s, end_s = max(from_s, load.from_s), min(to_s, load.to_s)
    middle_s = (start_s + end_s) / 2
    halves = [
        measure([s for s in view.samples if a <= s.time_s <= b], (), view.ours, view.threads)
        for a, b in ((start_s, middle_s), (middle_s, end_s))
    ]
    if not view.ended and end_s - start_s < 3 * BUCKET_S:
        return ""
    for reason, holds in KINDS.items():
        if holds(load, load) and all(holds(load, half) for half in halves):
            return reason
    return ""


def _slower_since(view: View, from_s: float) -> float:
    """When the endpoint that slowed down most did so, if that was after ``from_s``."""
    found = slower(compare(view.tallies, view.ours, view.baseline, view.now_s))
    rows = [t for t in complete(view, from_s, view.now_s) if t.source == "gunicorn.access"]
    if found is None:
        return from_s
    since_s = from_s
    for row in rows:
        usual_s = percentile(row.clocks.get(found.endpoint, NOTHING), 0.5)
        if usual_s is not None and usual_s < (found.before_s * found.after_s) ** 0.5:
            since_s = max(since_s, row.time_s + BUCKET_S)
    return since_s


def contended(whole: Load, part: Load) -> bool:
    """Workers that could run did not, for a material part of the service time."""
    waits = (whole.wait_in_service or 0.0) > 0.25 and (whole.service_p95 or 0.0) >= 0.1
    return waits and (part.run_queue or 0.0) > 0.25


def switching(whole: Load, part: Load) -> bool:
    """Threads of one busy interpreter take turns, and each request pays for the others."""
    cost, slowest = whole.cpu_per_request, whole.service_p95
    if cost is None or slowest is None or whole.cpu_ratio is None or (whole.threads or 1) < 2:
        return False
    wider = slowest > 2 * cost and slowest - cost >= 0.05 and whole.cpu_ratio < 0.6
    return wider and (part.busiest or 0.0) >= 0.75 and bool(take_turns(whole, part))


def thrashing(whole: Load, part: Load) -> bool:
    """Pages are read back from disk all the time."""
    return (whole.faults_per_request or 0.0) > 20 and (part.major_faults or 0.0) > 200


def swapping(whole: Load, part: Load) -> bool:
    """Memory goes to swap and back all the time, and requests wait for theirs. Swap that is only full does no harm."""
    return (whole.faults_per_request or 0.0) >= 1 and (part.swapped or 0.0) > SWAP_PAGES_PER_S


def short_of_memory(whole: Load, part: Load) -> bool:
    """Requests wait for pages, wherever from. A few from a fast swap cost nothing to speak of."""
    slow = (whole.service_p95 or whole.upstream_p95 or 0.0) >= 0.1
    return thrashing(whole, part) or (slow and swapping(whole, part))


def backed_up(whole: Load, part: Load) -> bool:
    """Connections wait to be accepted, where the queue cannot be seen in the clocks."""
    seen = whole.queue_p95 is not None
    slow = (whole.upstream_p95 or 0.0) >= 1.0 or (whole.utilisation or 0.0) > 0.85
    return not seen and slow and (part.accept_queue or 0.0) > 0.5


KINDS = {"contention": contended, "interpreter": switching, "faults": short_of_memory, "backlog": backed_up}


# ---- recycling and growth ------------------------------------------------------------------------------


def felt_waves(view: View) -> list[tuple[float, int]]:
    """Moments in which half of the workers recycled together and requests queued: (start, how many workers)."""
    left = [w.autorestart_s for w in view.ledger.workers.values() if w.autorestart_s is not None]
    crews = [sum(p.role == "worker" and view.ours.unit(p.unit) for p in s.processes) for s in view.samples[-60:]]
    groups = waves(left, max(crews, default=2), WAVE_WITHIN_S)
    if not groups:
        return []
    queues = _queues(complete(view, view.now_s - HISTORY_S, view.now_s))
    return [(at_s, n) for at_s, n in groups if _felt(queues, at_s)]


def _felt(queues: dict[float, float], at_s: float) -> bool:
    moments = (at_s, at_s + WAVE_WITHIN_S)
    felt = [start for start, queue_s in queues.items() if queue_s >= WAVE_QUEUE_S]
    return any(start <= moment < start + BUCKET_S for start in felt for moment in moments)


def _waves(view: View, known: Watched) -> list[Event]:
    found = felt_waves(view)
    if len(found) < 2 or found[-1][0] <= known.wave_s:
        return []
    known.wave_s = found[-1][0]
    text = f"{len(found)} times at least half of the workers recycled together while requests queued"
    return [Event(view.now_s, "derived", text, view.app, fields={"event": "recycle-wave", "waves": len(found)})]


def _churn(view: View, known: Watched) -> list[Event]:
    """Recycling that costs more than a twentieth of the workers' time, in either half of five calm minutes."""
    if view.now_s - known.churn_looked_s < CHURN_EVERY_S:
        return []
    known.churn_looked_s = view.now_s
    from_s, middle_s = view.now_s - CHURN_S, view.now_s - CHURN_S / 2
    disturbed = any(m.kind.startswith((*DISTURBING, "start")) and m.time_s >= from_s for m in view.ledger.marks)
    if disturbed or view.now_s - known.churn_s < CHURN_AGAIN_S:
        return []
    crew = Crew(view.ledger, view.samples, view.tallies, view.ours, view.now_s)
    halves = [recycling(crew, a, b) for a, b in ((from_s, middle_s), (middle_s, view.now_s))]
    if any(half is None or half.lost <= CHURN_SHARE for half in halves):
        return []
    known.churn_s = view.now_s
    text = "workers are recycled so often that booting takes more than a twentieth of their time"
    return [Event(view.now_s, "derived", text, view.app, fields={"event": "recycle-churn"})]


def _growth(view: View, known: Watched) -> list[Event]:
    if view.now_s - known.grown_s < GROWTH_EVERY_S and not view.ended:
        return []
    known.grown_s = view.now_s
    grown = growth.leak(view.curves, view.tallies, view.ours)
    if grown is None:
        return []
    text = f"memory of {grown.workers} workers grows by {grown.per_request_bytes / 1024:.0f} KiB with every request"
    return [Event(view.now_s, "derived", text, view.app, fields={"event": "memory-growth"})]


def _crowding(view: View, known: Watched) -> list[Event]:
    released_s = crowding.released_s(view.ledger)
    seen = Seen(view.samples, view.curves, view.ours, view.settings, released_s, view.now_s)
    fields = crowding.look(seen, view.ledger, known.crowding)
    text = "the workers, once grown up, do not fit their memory"
    return [Event(view.now_s, "derived", text, view.app, fields=fields)] if fields else []
