"""Time limits far above what requests need, and what is proposed instead."""

from __future__ import annotations

import pytest

from analyzerd.model import Incident
from tests.core.stage import play

STORY = """
+0s reads gunicorn, gunicorn.access, nginx.error, kernel
+0s setting gunicorn.timeout {timeout}
+0s setting gunicorn.workers 2
+0s start 27.0.1 sync master=8 workers=12,13 at={at}
+100s load 1500 /ok service=0.2 over=90s
+100s load 300 /report service={slow} over=90s
+{early}s sample worker 12 connections={held} heartbeat_age_s=60; worker 13 connections=0 heartbeat_age_s=5
+{late}s sample worker 12 connections={held} heartbeat_age_s=80; worker 13 connections=0 heartbeat_age_s=40
+{end}s gunicorn [8] [CRITICAL] WORKER TIMEOUT (pid:12)
+{end}s gunicorn [12] [ERROR] Error handling request GET /report
  | Traceback (most recent call last):
  |   File "/srv/app/views.py", line 60, in report
  |     return urllib.request.urlopen(url)
  |   File "/usr/lib/python3.11/urllib/request.py", line 216, in urlopen
  |     return opener.open(url, data, timeout)
  |   File "/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 204, in handle_abort
  |     sys.exit(1)
  | SystemExit: 1
+{end}s gunicorn.access GET /report 500 0.004
"""


def told(timeout: int = 120, slow: float = 0.5, held: int = 1, at: str = "http://127.0.0.1:8000") -> Incident:
    """Return the incident of one stuck request: ``slow`` is what the other requests to its endpoint take."""
    end = 110 + timeout
    early, late = end - 40, end - 20
    story = STORY.format(timeout=timeout, slow=slow, held=held, at=at, early=early, late=late, end=end)
    (found,) = play(story)[0].values()
    return found


def test_the_lower_limit_has_its_arithmetic() -> None:
    """Nothing needs a second: 10 s do; what the requests wait for is named first."""
    found = told()
    deadline, limit = found.recommendations
    assert (found.cause, found.because) == ("timeout-too-high", "api")
    assert "/srv/app/views.py:60" in found.summary or "views.py:60" in found.summary
    assert deadline.setting == "application"
    assert (limit.current, limit.proposed) == (120, 10)
    assert limit.arithmetic.startswith("1.5 x 0.8 s, which nearly all of 1800 finished requests stay under")


@pytest.mark.parametrize(
    ("slow", "cause"), [(0.5, "timeout-too-high"), (11.0, "timeout-too-high"), (25.0, "app-waits-on-api")]
)
def test_the_slowest_endpoint_counts(slow: float, cause: str) -> None:
    """A few slow requests that finish need their time, however many quick ones there are beside them."""
    assert told(slow=slow).cause == cause


def test_a_worker_that_waits_for_work_is_not_held() -> None:
    """A heartbeat is old on an idle worker too: only with a connection does it tell a request."""
    assert told(held=0).cause == "app-waits-on-api"


def test_the_usual_limit_is_not_too_high() -> None:
    """30 s, gunicorn's default, is never called too high for quick requests."""
    assert told(timeout=30).cause == "app-waits-on-api"


def test_several_binds_double_the_proposal() -> None:
    """They halve a sync worker's limit."""
    assert told(at="http://127.0.0.1:8000,unix:/run/app.sock").recommendations[1].proposed == 20
