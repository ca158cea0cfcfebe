"""How requests ended: what counts as cut off, what a long memory keeps, what comes near a limit, what to propose."""

from __future__ import annotations

import pytest

from analyzerd.core.endings import SLOT_S, Ends, add_ending, cut_short, ends_of, tail_of
from analyzerd.core.measure import EVERYTHING, measure
from analyzerd.formats.clock import MAX_ENDPOINTS, NOTHING, OTHERS, clock_of
from analyzerd.model import AccessTally, Clock, Event, Incident, Setting, Value
from tests.core.stage import play

TIMEOUT = {"gunicorn.timeout": Setting(0.0, "app.service", "gunicorn.timeout", 30, "test")}
LOADED = """
+0s reads gunicorn, gunicorn.access, nginx.access, nginx.error, kernel
+0s setting gunicorn.timeout 30
+0s setting nginx.proxy_read_timeout 40
+0s start 27.0.1 sync master=8 workers=12,13
+60s load {n} /report service=0.4 over=50s
+80s load 20 /report service={slow} over=70s
"""
KILLED = """
+130s gunicorn [8] [CRITICAL] WORKER TIMEOUT (pid:12)
+130s gunicorn [12] [ERROR] Error handling request GET /report?year=7
  | Traceback (most recent call last):
  |   File "/srv/app/views.py", line 60, in report
  |     time.sleep(60)
  |   File "/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 204, in handle_abort
  |     sys.exit(1)
  | SystemExit: 1
+130s gunicorn.access GET /report?year=7 500 0.004
"""


def tally(source: str, clocks: dict[str, Clock], time_s: float = 0.0) -> AccessTally:
    """Return a tally that holds clocks only."""
    return AccessTally(time_s, source, "", 1, {}, clocks=clocks)


def event(**fields: Value) -> Event:
    """Return an event at second 17."""
    return Event(17.5, "gunicorn", "", "app.service", fields=fields)


def test_an_aborted_request_lasted_as_long_as_the_timeout() -> None:
    """Gunicorn's abort names the endpoint; the time is the timeout, whatever the access log says."""
    cut = cut_short("gunicorn.request-error", event(endpoint="/r", aborted=True), TIMEOUT)
    assert cut is not None
    assert (cut.time_s, cut.source, cut.unit, cut.clocks["/r"].sum_s) == (10.0, "gunicorn.cut", "app.service", 30.0)
    assert cut_short("gunicorn.request-error", event(endpoint="/r"), TIMEOUT) is None
    assert cut_short("gunicorn.worker-timeout", event(endpoint="/r", aborted=True), TIMEOUT) is None


def test_what_nginx_gave_up_lasted_as_long_as_nginx_waited() -> None:
    """A 500 or 504 is in nginx's clocks as well, a 502 is not; what failed at once says nothing."""
    sources = [
        cut and cut.source
        for cut in (
            cut_short("nginx.request-failed", event(endpoint="/r", status=status, upstream_s=waited), {})
            for status, waited in ((500, 30.5), (504, 40.0), (502, 31.2), (502, 0.0), (504, None))
        )
    ]
    assert sources == ["nginx.cut", "nginx.cut", "nginx.lost", None, None]


def test_the_long_memory_is_bounded_and_order_leaves_no_trace() -> None:
    """Two half-days are kept, a dozen endpoints each; counting in another order gives the same."""
    rows = [tally("nginx.access", {f"/{n % 50}": clock_of([(0.1 * n, 1)])}, SLOT_S * (n // 100)) for n in range(1, 400)]
    kept: list[AccessTally] = []
    for row in rows:
        add_ending(kept, row)
    assert [row.time_s for row in kept] == [2 * SLOT_S, 3 * SLOT_S]
    assert all(len(row.clocks) <= MAX_ENDPOINTS for row in kept)
    assert sum(clock.n for row in kept for clock in row.clocks.values()) == 200
    few = [tally("nginx.access", {"/a": clock_of([(0.1 * n, 1)])}, 10.0 * n) for n in range(1, 40)]
    forward: list[AccessTally] = []
    backward: list[AccessTally] = []
    for row, other in zip(few, reversed(few), strict=True):
        add_ending(forward, row)
        add_ending(backward, other)
    assert forward[0].clocks["/a"].bins == backward[0].clocks["/a"].bins


def test_gunicorns_few_milliseconds_are_taken_out() -> None:
    """An aborted request stands in gunicorn's access log with some milliseconds: it is counted once, at the limit."""
    rows = [
        tally("gunicorn.access", {"/r": clock_of([(0.004, 3), (0.5, 97)])}),
        tally("gunicorn.cut", {"/r": clock_of([(30.0, 2), (0.0, 1)])}),
    ]
    found = ends_of(rows, EVERYTHING, "/r", 30.0)
    assert found is not None
    assert found.own
    assert (found.finished.n, found.cut_off.n) == (97, 3)
    assert tail_of(found, 30.0).reached == 3


def test_one_request_in_both_logs_is_one() -> None:
    """Three aborts that gunicorn names and five that nginx saw reach the limit are five requests, not eight."""
    rows = [
        tally("gunicorn.access", {"/r": clock_of([(0.5, 100)])}),
        tally("gunicorn.cut", {"/r": clock_of([(30.0, 3)])}),
        tally("nginx.cut", {"/r": clock_of([(30.4, 3), (4.0, 7)])}),
        tally("nginx.lost", {"/r": clock_of([(31.3, 2)])}),
    ]
    found = ends_of(rows, EVERYTHING, "/r", 30.0)
    assert found is not None
    assert found.cut_off.n == 5


def test_nginx_alone_counts_its_failures_once() -> None:
    """Failed requests are in nginx's clocks; they are cut off, not finished."""
    rows = [
        tally("nginx.access", {"/r": clock_of([(0.5, 100), (30.4, 6)])}),
        tally("nginx.cut", {"/r": clock_of([(30.4, 6)])}),
    ]
    found = ends_of(rows, EVERYTHING, "/r", 30.0)
    assert found is not None
    assert not found.own
    assert (found.finished.n, found.cut_off.n) == (100, 6)


def test_an_endpoint_counted_among_others_is_not_known() -> None:
    """Of an endpoint that is not among the dozen kept, nothing is claimed."""
    rows = [tally("gunicorn.access", {OTHERS: clock_of([(0.5, 100)])})]
    assert ends_of(rows, EVERYTHING, "/r", 30.0) is None
    assert ends_of([], EVERYTHING, "/r", 30.0) is None


@pytest.mark.parametrize(("seconds", "tail"), [(14.0, (0, 1)), (16.0, (1, 1)), (27.0, (1, 1)), (33.5, (0, 2))])
def test_near_the_limit(seconds: float, tail: tuple[int, int]) -> None:
    """The second half of the timeout is near; what took longer than it has reached it."""
    found = tail_of(Ends(clock_of([(seconds, 1), (0.1, 50)]), clock_of([(30.0, 1)]), own=True), 30.0)
    assert (found.below, found.reached) == tail


def test_aborted_requests_count_as_busy_time() -> None:
    """A slot that was held until the abort was busy, although gunicorn's access log gives it milliseconds."""
    rows = [
        AccessTally(0.0, "gunicorn.access", "", 10, {}, 0.0, 59.0, {}, {}, clock_of([(0.6, 10)])),
        AccessTally(0.0, "gunicorn.cut", "", 1, {}, 40.0, 40.0, {}, {}, clock_of([(30.0, 1)])),
    ]
    assert measure([], rows, EVERYTHING, 1).utilisation is None  # how many workers there are is not known
    assert measure([], rows[:1], EVERYTHING, 1).service_mean == measure([], rows, EVERYTHING, 1).service_mean


def _incident(n: int, slow: float) -> Incident:
    incidents, _ = play(LOADED.format(n=n, slow=slow) + KILLED)
    (found,) = incidents.values()
    assert found.cause == "timeout-too-low"
    return found


def test_the_proposed_timeout_has_its_arithmetic() -> None:
    """With requests enough the p99.9 counts, with few 1.5 times the longest; nginx follows behind."""
    few, grace, read_timeout = _incident(400, 17.0).recommendations
    assert (few.current, few.proposed) == (30, 61)
    assert few.arithmetic.startswith("1.3 x 1.5 x 31.0 s, the longest (421 requests, 1 of them cut off: too few")
    assert (read_timeout.current, read_timeout.proposed) == ("40s", "63s")
    # Requests that may now run for 46.5 s are not cut off by the next deploy either: 1.2 x 46.5.
    assert (grace.setting, grace.current, grace.proposed) == ("gunicorn.graceful_timeout", 30, 56)
    assert grace.tied_to == "gunicorn.timeout"
    (many,) = _incident(6000, 27.0).recommendations
    assert (many.current, many.proposed) == (30, 37)
    assert many.arithmetic == "1.3 x 28.2 s, which 99.9 % stay under (6021 requests, 1 of them cut off)"


def test_nothing_finished_is_nothing_measured() -> None:
    """No clock, no claim."""
    assert ends_of([tally("gunicorn.cut", {"/r": clock_of([(30.0, 3)])})], EVERYTHING, "/r", 30.0) is None
    assert NOTHING.n == 0
