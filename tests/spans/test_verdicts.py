"""How often verdicts on simulated changes are wrong, whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzerd.model import Outcome
from benchmarks.queue_sim import Queue
from benchmarks.verdicts import trial


@pytest.mark.parametrize("rho", [0.5, 0.7])
def test_no_change_is_no_alarm_and_a_large_one_is_seen(rho: float) -> None:
    """Twenty simulated changes that changed nothing: at most two alarms (5 % and chance); a better queue is seen."""
    queue = Queue.at(rho)
    found = [trial(queue, queue, seed)[0].outcome for seed in range(1, 21)]
    assert sum(outcome in (Outcome.BETTER, Outcome.WORSE) for outcome in found) <= 2
    faster = replace(queue, service_s=queue.service_s / 2)
    assert all(trial(queue, faster, seed)[0].outcome is Outcome.BETTER for seed in range(1, 4))
