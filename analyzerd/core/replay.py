"""Drives the engine through recorded input in event time, as fast as the CPU allows.

The clock jumps from deadline to deadline, so settling and patience work as they do live.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from analyzerd.core.engine import Engine
from analyzerd.core.intake import Intake
from analyzerd.model import AccessTally, Effect, Entries, Event, Input, Lines, Sample, Setting, Tick

Timed = Event | AccessTally | Sample | Setting


def merged(parts: Iterable[Iterable[Lines | Entries | Sample]], intake: Intake) -> Iterator[Timed]:
    """All events, tallies and samples of several streams, merged by their time."""
    return heapq.merge(*(_timed(part, intake) for part in parts), key=lambda item: item.time_s)


def _timed(part: Iterable[Lines | Entries | Sample], intake: Intake) -> Iterator[Timed]:
    streams: set[str] = set()
    for piece in part:
        if isinstance(piece, Sample):
            yield piece
            continue
        streams.add(piece.stream.name)
        yield from sorted(intake.feed(piece, 0.0), key=lambda item: item.time_s)
    for name in sorted(streams):
        yield from intake.flush_stream(name)


def replay(engine: Engine, items: Iterable[Input]) -> Iterator[Effect]:
    """Step the engine through items in order, ticking at every deadline between them; then settle the end."""
    for item in items:
        yield from advance(engine, item)
    yield from settle(engine)


def advance(engine: Engine, item: Input) -> Iterator[Effect]:
    """Step one input, after the deadlines before it; the engine's clock stands at each effect's moment."""
    if isinstance(item, Event | AccessTally | Sample):
        yield from run_until(engine, item.time_s)
    yield from engine.step(item)


def settle(engine: Engine) -> Iterator[Effect]:
    """End the input: finish half-read blocks and let every open question settle."""
    yield from engine.flush()
    yield from finish(engine)


def run_until(engine: Engine, time_s: float) -> Iterator[Effect]:
    """Tick at every deadline before a time, then at that time."""
    while (due := engine.next_deadline()) is not None and engine.state.now_s < due < time_s:
        yield from engine.step(Tick(due))
    if time_s > engine.state.now_s:
        yield from engine.step(Tick(time_s))


def finish(engine: Engine) -> Iterator[Effect]:
    """Let every open question settle and be sealed, without letting incidents grow old."""
    yield from run_until(engine, engine.state.now_s + engine.options.timing.seal_s + 1.0)
