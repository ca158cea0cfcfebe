"""Rate x time must be what is seen in the system; where it is not, no answer rests on the queue or the connections."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzerd.core.replay import finish, run_until
from analyzerd.model import Effect, Incident, SaveIncident
from tests.core.loads import bucket, reading, ready, started

T0 = 1_801_000_000.0
EXPECTED = 9.5 * 2.2
"""Requests a second times what each is in the system."""


def told(connections: int, queue: int) -> list[Incident]:
    """Play minutes in which nginx waits 2.2 s for requests of 0.2 s; so many are seen in each worker and queue."""
    engine, effects = started(T0), list[Effect]()
    ready(engine, T0)
    for number in range(24):
        at_s = T0 + 10.0 * number
        for moment in (2, 7):
            sample = reading(at_s + moment)
            workers = tuple(replace(p, connections=connections) for p in sample.processes)
            listeners = tuple(replace(x, queue=queue) for x in sample.listeners)
            effects += engine.step(replace(sample, processes=workers, listeners=listeners))
        for tally in bucket(at_s, 95, 0.2, 2.2 if number >= 10 else 0.2):
            effects += engine.step(tally)
        effects += run_until(engine, at_s + 10.0)
    effects += finish(engine)
    return [e.incident for e in effects if isinstance(e, SaveIncident) and e.reason == "opened"]


def test_a_whole_measurement_says_so() -> None:
    """Twenty-one must be there and nineteen are."""
    (incident,) = told(1, 17)
    assert incident.cause == "too-few-workers"
    says = [e.says for h in incident.hypotheses for e in h.evidence if (h.cause, e.id) == ("too-few-workers", "seen")]
    assert says[0].startswith("as many requests are seen")


def test_a_wait_that_is_not_before_the_workers_is_no_lack_of_workers() -> None:
    """Twenty-one must be there and three are: the others wait where nothing is measured, and nothing is claimed."""
    assert EXPECTED > 20
    assert told(1, 1) == []


@pytest.mark.parametrize(("connections", "queue"), [(1, 11), (1, 38)])
def test_within_a_factor_of_two_it_is_whole(connections: int, queue: int) -> None:
    """Readings every five seconds are no exact average."""
    assert [i.cause for i in told(connections, queue)] == ["too-few-workers"]


def test_more_connections_than_requests_leave_the_queue_as_it_is() -> None:
    """Kept connections make no request wait: the clocks still tell that workers are too few."""
    assert [i.cause for i in told(40, 17)] == ["too-few-workers"]
