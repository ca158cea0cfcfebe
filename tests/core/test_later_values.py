"""Advice that had no value when a problem was told gets one while it lasts."""

from __future__ import annotations

from dataclasses import replace

from analyzerd.core.replay import run_until
from analyzerd.model import Recommendation, Setting
from tests.core.loads import UNIT, bucket, reading, ready, started

BEGAN_S = 1_801_000_000.0


def test_slowness_that_goes_on_brings_the_requests_that_were_missing() -> None:
    """Told at once because it is severe, after fewer requests than a number takes; a minute later there is one."""
    engine, seen = started(BEGAN_S), list[Recommendation]()
    ready(engine, BEGAN_S)
    engine.step(Setting(BEGAN_S, UNIT, "gunicorn.workers", 2, "/srv/g.py:1"))
    for number in range(30):
        now_s = BEGAN_S + 10.0 * number
        for item in (*bucket(now_s, 95, 0.2, 2.2), reading(now_s + 2, 17), reading(now_s + 7, 17)):
            engine.step(item)
        list(run_until(engine, now_s + 10.0))
        for entry in engine.state.incidents.values():
            seen += [r for r in entry.incident.recommendations if r.setting == "gunicorn.workers"]
    first, last = seen[0], seen[-1]
    assert first.proposed is None
    assert "it takes 300" in first.arithmetic
    assert last == replace(first, proposed=last.proposed, arithmetic=last.arithmetic)
    assert isinstance(last.proposed, int)
    assert last.proposed > 2
    assert len(engine.state.incidents) == 1
