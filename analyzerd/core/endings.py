"""How the requests of each endpoint ended over the last hours: finished, and after how long, or cut off.

What was cut off comes from single lines (gunicorn's abort names the endpoint, nginx's access log the time it waited)
and is counted beside the clocks of the access logs, in the same shape. Concludes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzerd.core.measure import Ours
from analyzerd.formats.clock import NOTHING, OTHERS, added, bin_of, clock_of, merge, middle_of
from analyzerd.model import AccessTally, Clock, Event, Setting

BUCKET_S = 10.0
SLOT_S = 43200.0
KEPT_SLOTS = 2
WORTH_S = 1.0
"""nginx fails fast in many ways; only a request that had waited this long says something about durations."""
ABORTED, ANSWERED, LOST = "gunicorn.cut", "nginx.cut", "nginx.lost"
"""Cut off: aborted by gunicorn; answered 500 or 504, which nginx's clocks count as well; lost with a 502."""
SOURCES = {"gunicorn.request-error": ABORTED, "nginx.request-failed": ANSWERED}
NEAR = 0.95


@dataclass(frozen=True, slots=True)
class Ends:
    """``finished``: durations in seconds; ``cut_off``: how long the others had lasted at least.

    ``own``: gunicorn's own time; else what nginx waited, which holds the wait for a free worker too.
    """

    finished: Clock
    cut_off: Clock
    own: bool


@dataclass(frozen=True, slots=True)
class Tail:
    """Requests near a limit: finished in its second half, and those that reached it."""

    below: int
    reached: int

    @property
    def requests(self) -> int:
        """All that came near."""
        return self.below + self.reached


def cut_short(rule: str, event: Event, settings: Mapping[str, Setting]) -> AccessTally | None:
    """A request that an event shows to be cut off, as a tally of one; None for all others.

    gunicorn's abort tells no duration: it is ``timeout``; 0 where that is not known yet.
    """
    source, endpoint = SOURCES.get(rule, ""), str(event.fields.get("endpoint") or "")
    if not source or not endpoint or (source == ABORTED and not event.fields.get("aborted")):
        return None
    waited = event.fields.get("upstream_s") if source == ANSWERED else _timeout_s(settings)
    if not isinstance(waited, int | float) or (source == ANSWERED and waited < WORTH_S):
        return None
    if event.fields.get("status") in (502, 503):
        source = LOST
    start = event.time_s // BUCKET_S * BUCKET_S
    whole_s = float(int(event.time_s))
    clocks = {endpoint: clock_of([(waited, 1)])}
    upstream = str(event.fields.get("upstream_address") or "").replace(",", " ").split()[-1:]
    return AccessTally(start, source, event.unit, 1, {}, whole_s, whole_s, clocks, upstream="".join(upstream))


def _timeout_s(settings: Mapping[str, Setting]) -> float:
    found = settings.get("gunicorn.timeout")
    return float(found.value) if found is not None and isinstance(found.value, int | float) else 0.0


def add_ending(kept: list[AccessTally], tally: AccessTally) -> None:
    """Count the clocks of a tally into their half-day; what is older than the last two is forgotten."""
    if not tally.clocks:
        return
    slot_s = tally.time_s // SLOT_S * SLOT_S
    for number, known in enumerate(kept):
        same = (known.source, known.unit, known.upstream) == (tally.source, tally.unit, tally.upstream)
        if same and known.time_s == slot_s:
            kept[number] = replace(known, clocks=added(known.clocks, tally.clocks))
            return
    kept.append(AccessTally(slot_s, tally.source, tally.unit, 0, {}, clocks=tally.clocks, upstream=tally.upstream))
    oldest_s = max(row.time_s for row in kept) - (KEPT_SLOTS - 1) * SLOT_S
    kept[:] = [row for row in kept if row.time_s >= oldest_s]


def ends_of(rows: Sequence[AccessTally], ours: Ours, endpoint: str, limit_s: float) -> Ends | None:
    """How the requests of one endpoint ended; None where no clock of it is kept.

    ``limit_s``: when gunicorn aborts. The same request is cut off in both logs: the one that shows more is believed.
    """
    mine = [row for row in rows if ours.log(row)]
    service, upstream = (_clock(mine, source, endpoint) for source in ("gunicorn.access", "nginx.access"))
    aborted = _at_limit(_clock(mine, ABORTED, endpoint) or NOTHING, limit_s)
    answered, lost = (_clock(mine, source, endpoint) or NOTHING for source in (ANSWERED, LOST))
    seen = merge((answered, lost))
    if service is not None and service.n:
        reached = clock_of([(limit_s, sum(n for number, n in seen.bins.items() if number >= bin_of(NEAR * limit_s)))])
        return Ends(_without_fastest(service, aborted.n), max(aborted, reached, key=lambda c: c.n), own=True)
    if upstream is not None and upstream.n:
        return Ends(_minus(upstream, answered), max(seen, aborted, key=lambda c: c.n), own=False)
    return None


def _clock(rows: Sequence[AccessTally], source: str, endpoint: str) -> Clock | None:
    """All clocks of an endpoint; None when it may be among those counted together."""
    found = [row.clocks for row in rows if row.source == source]
    if any(endpoint not in clocks and OTHERS in clocks for clocks in found):
        return None
    return merge(clocks[endpoint] for clocks in found if endpoint in clocks)


def _at_limit(clock: Clock, limit_s: float) -> Clock:
    """Give those without a duration the limit."""
    return clock_of((middle_of(number) if number else limit_s, n) for number, n in clock.bins.items())


def _without_fastest(clock: Clock, times: int) -> Clock:
    """Take out what gunicorn's access log says of aborted requests: it gives them some milliseconds."""
    bins, left = dict(clock.bins), min(times, clock.n)
    for number in sorted(bins):
        taken = min(left, bins[number])
        bins[number] -= taken
        left -= taken
    return Clock(clock.n - min(times, clock.n), clock.sum_s, {number: n for number, n in bins.items() if n})


def _minus(clock: Clock, other: Clock) -> Clock:
    bins = {number: max(0, n - other.bins.get(number, 0)) for number, n in clock.bins.items()}
    return Clock(
        sum(bins.values()), max(0.0, clock.sum_s - other.sum_s), {number: n for number, n in bins.items() if n}
    )


def tail_of(ends: Ends, limit_s: float) -> Tail:
    """Count what came near the limit; to the width of a bin, 10 %."""
    half, whole = bin_of(limit_s / 2), bin_of(limit_s)
    below = sum(n for number, n in ends.finished.bins.items() if half < number < whole)
    over = sum(n for number, n in ends.finished.bins.items() if number >= whole)
    reached = sum(n for number, n in ends.cut_off.bins.items() if number >= bin_of(NEAR * limit_s))
    return Tail(below, over + reached)


def endpoints(rows: Sequence[AccessTally], ours: Ours) -> Iterator[str]:
    """Names of all endpoints with a clock, sorted."""
    names = {name for row in rows if ours.log(row) for name in row.clocks}
    yield from sorted(names - {OTHERS})
