"""Two open incidents of one app give one value for one setting."""

from __future__ import annotations

from dataclasses import replace

from analyzerd.core.agree import agreed, asked_by
from analyzerd.model import Incident, Recommendation, Severity, State, Verdict
from tests.core.stage import play

LOADED = """
+0s reads gunicorn, gunicorn.access, nginx.access, nginx.error, kernel
+0s setting gunicorn.timeout 30
+0s setting nginx.proxy_read_timeout 40
+0s start 27.0.1 sync master=8 workers=12,13
+60s load 6000 /report service=0.4 over=50s
+60s load 6000 /export service=0.4 over=50s
+80s load 20 /report service=25 over=70s
+80s load 20 /export service=28 over=70s
"""
KILLED = """
+{at}s gunicorn [8] [CRITICAL] WORKER TIMEOUT (pid:{pid})
+{at}s gunicorn [{pid}] [ERROR] Error handling request GET {path}
  | Traceback (most recent call last):
  |   File "/srv/app/views.py", line 60, in report
  |     time.sleep(60)
  |   File "/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 204, in handle_abort
  |     sys.exit(1)
  | SystemExit: 1
+{at}s gunicorn.access GET {path} 500 0.004
"""


def timeouts(*kills: tuple[int, int, str]) -> list[Recommendation]:
    """Return what the incidents of these kills propose for gunicorn's timeout, the oldest incident first."""
    story = LOADED + "".join(KILLED.format(at=at, pid=pid, path=path) for at, pid, path in kills)
    incidents = sorted(play(story)[0].values(), key=lambda i: i.first_seen_s)
    assert [i.cause for i in incidents] == ["timeout-too-low"] * len(kills)
    return [next(r for r in i.recommendations if r.setting == "gunicorn.timeout") for i in incidents]


def test_two_endpoints_get_the_longer_timeout() -> None:
    """One alone would get less; together both messages say the same, whichever came first."""
    (alone,) = timeouts((130, 12, "/report"))
    for kills in ((130, 12, "/report"), (131, 13, "/export")), ((130, 12, "/export"), (131, 13, "/report")):
        first, second = timeouts(*kills)
        assert first.proposed == second.proposed
        assert isinstance(first.proposed, int)
        assert isinstance(alone.proposed, int)
        assert first.proposed > alone.proposed
        assert sum(bool(r.agreed_with) for r in (first, second)) == 1


def incident(name: str, *advice: Recommendation) -> Incident:
    """Return an open incident."""
    return Incident(
        name, "shop", "x", "x", Severity.WARNING, Verdict.LIKELY, 0.9, State.OPEN, 1.0, 1.0, recommendations=advice
    )


WORKERS = Recommendation("gunicorn.workers", "more", 4, 9, "by load")
THREADS = Recommendation("gunicorn.threads", "goes with it", 2, 4, "by load", tied_to="gunicorn.workers")
CONNECTIONS = Recommendation("gunicorn.worker_connections", "goes with it", 3, 5, "x", tied_to="gunicorn.threads")


def test_the_opposite_is_taken_back_with_what_was_tied_to_it() -> None:
    """Memory allows two workers: nobody advises nine any more, nor the threads that went with them."""
    fewer = incident("INC-B", replace(WORKERS, proposed=2, arithmetic="memory"))
    (only,) = agreed(incident("INC-A", WORKERS, THREADS, CONNECTIONS), fewer).recommendations
    assert only.proposed is None
    assert only.arithmetic == "not computed: another incident (INC-B) asks for 2, see to that first"


def test_the_further_value_is_taken_over() -> None:
    """With whose it is; what speaks of another value in effect, or of another setting, is left alone."""
    more = incident("INC-B", replace(WORKERS, proposed=12, arithmetic="by load too"))
    (taken,) = agreed(incident("INC-A", WORKERS), more).recommendations
    assert (taken.proposed, taken.arithmetic, taken.agreed_with) == (12, "INC-B: by load too", "INC-B")
    changed = incident("INC-A", replace(WORKERS, current=5))
    assert agreed(changed, more) == changed
    assert agreed(incident("INC-A", THREADS), more).recommendations == (THREADS,)


def test_only_what_an_incident_asks_for_itself_counts() -> None:
    """Not what it took over, nor what merely follows, nor what could not be computed."""
    foreign, empty = replace(WORKERS, agreed_with="INC-Z"), replace(WORKERS, proposed=None)
    old, new = (
        replace(incident("INC-B", WORKERS), first_seen_s=0.5),
        incident("INC-A", THREADS, foreign, empty, WORKERS),
    )
    assert [r.agreed_with for r in asked_by([new, old])] == ["INC-B", "INC-A"]
