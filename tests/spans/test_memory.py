"""What a flood of requests leaves in memory: as much after the first half of it as after the second."""

from __future__ import annotations

import gc
import tracemalloc

from analyzerd.model import Lines, Tick
from benchmarks.memory import blocks, ready_engine, streams

LINES, ADDRESSES = 100_000, 100_000
SPAN_S = 6 * 3600
"""Half of it fills the table of tallies."""
LOOK_EVERY = 6


def test_a_hundred_thousand_lines_of_hostile_addresses_leave_memory_flat() -> None:
    """Nobody can fold half of 100,000 addresses; the second half of the lines needs no more than the first did."""
    engine, held = ready_engine(), list[int]()
    steps = SPAN_S // 10
    tracemalloc.start()
    for number, (time_s, *texts) in enumerate(blocks(LINES, ADDRESSES, SPAN_S), 1):
        for stream, text in zip(streams(), texts, strict=True):
            engine.step(Lines(stream, text))
        if number % LOOK_EVERY == 0:
            engine.step(Tick(time_s))
        if number % (steps // 10) == 0:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(held[5:]) < 1.02 * max(held[:5]), held
