"""One time-out is told as info; it becomes an alert when it is one of several, of many, or of all workers."""

from __future__ import annotations

import pytest

from analyzerd.model import Incident, Severity
from tests.core.stage import play

START = """
+0s reads gunicorn, gunicorn.access, nginx.error, kernel
+0s setting gunicorn.timeout 30
+0s setting gunicorn.workers 3
+0s start 27.0.1 sync master=8 workers=12,13,14
"""
ABORT = """
+{at}s gunicorn [{who}] [CRITICAL] WORKER TIMEOUT (pid:{pid})
+{at}s gunicorn [{pid}] [ERROR] Error handling request GET /report
  | Traceback (most recent call last):
  |   File "/srv/app/views.py", line 60, in report
  |     time.sleep(60)
  |   File "/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 204, in handle_abort
  |     sys.exit(1)
  | SystemExit: 1
+{at}s gunicorn [{pid}] [INFO] Worker exiting (pid: {pid})
+{at}s gunicorn [{new}] [INFO] Booting worker with pid: {new}
"""


def aborts(*moments: tuple[int, int], who: int = 8) -> str:
    """Return the lines of workers that are timed out: (second, pid)."""
    return "".join(ABORT.format(at=at, pid=pid, new=pid + 10, who=who) for at, pid in moments)


def last(text: str) -> Incident:
    """Play a story on a started gunicorn and return the newest of its incidents."""
    incidents, _ = play(START + text)
    assert {i.cause for i in incidents.values()} == {"app-waits"}
    return max(incidents.values(), key=lambda i: i.last_seen_s)


def test_one_is_info_and_says_what_would_make_it_more() -> None:
    """The cause is told all the same."""
    found = last(aborts((60, 12)))
    assert found.severity is Severity.INFO
    assert "the third in an hour" in found.summary


@pytest.mark.parametrize(
    ("moments", "severity"),
    [
        (((60, 12), (900, 13)), Severity.INFO),
        (((60, 12), (900, 13), (1800, 14)), Severity.WARNING),
        (((60, 12), (900, 13), (4700, 14)), Severity.INFO),
        (((60, 12), (62, 13), (63, 14)), Severity.WARNING),
    ],
)
def test_the_third_in_an_hour_is_an_alert(moments: tuple[tuple[int, int], ...], severity: Severity) -> None:
    """Two in an hour are few; what is older than an hour does not count."""
    found = last(aborts(*moments))
    assert found.severity is severity
    assert ("the third in an hour" in found.summary) is (severity is Severity.INFO)


def test_the_third_raises_an_incident_that_is_open() -> None:
    """Questions that are closed for good do not keep an incident small."""
    incidents, _ = play(START + aborts((60, 12), (180, 13), (300, 14)))
    (found,) = incidents.values()
    assert (found.severity, found.occurrences) == (Severity.WARNING, 3)
    assert "the third in an hour" not in found.summary


def test_all_workers_at_once_are_an_alert() -> None:
    """One time-out of the only worker stops everything."""
    assert last(aborts((60, 12))).severity is Severity.INFO
    incidents, _ = play(START.replace("workers 3", "workers 1").replace(",13,14", "") + aborts((60, 12)))
    assert [i.severity for i in incidents.values()] == [Severity.WARNING]


def test_two_percent_of_an_endpoint_are_an_alert() -> None:
    """One of fifty requests is many, one of hundreds is not; of too few nothing is concluded."""
    for n, severity in ((60, Severity.INFO), (49, Severity.WARNING), (9, Severity.INFO)):
        load = f"+50s load {n} /report service=0.4 over=40s\n+60s gunicorn.access GET /report 500 0.004\n"
        assert last(load + aborts((60, 12))).severity is severity, n


def test_lines_the_application_forges_do_not_count() -> None:
    """A worker that prints the arbiter's words cannot make an alert."""
    forged = (
        "+70s gunicorn [13] [CRITICAL] WORKER TIMEOUT (pid:13)\n+71s gunicorn [13] [CRITICAL] WORKER TIMEOUT (pid:14)\n"
    )
    assert last(aborts((60, 12)) + forged).severity is Severity.INFO
