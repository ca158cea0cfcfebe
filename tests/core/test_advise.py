"""What an incident recommends, from the lines and readings to the number."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

from analyzerd.core.advise import place_of
from analyzerd.core.case import Case
from analyzerd.model import Recommendation, Setting
from tests.core.stage import RULES, play


def advice(cause: str, *settings: str) -> dict[str, Recommendation]:
    """Return by setting what the first scenario of a cause ends in, with further settings."""
    first = next(t for t in RULES.causes[cause].tests if (t.expect or {}).get("verdict") != "ruled out")
    story = "\n".join([first.stream.splitlines()[0], *(f"+0s setting {one}" for one in settings)])
    incidents = play("\n".join([story, *first.stream.splitlines()[1:]]))[0]
    (found,) = (i for i in incidents.values() if i.cause == cause)
    return {r.setting: r for r in found.recommendations}


def test_a_pool_grows_as_far_as_the_database_allows() -> None:
    """Eight threads, 1 + 1 connections, two workers: 16 of 92; without the limit a reason stands there."""
    known = advice("db-pool-too-small", "database.max_connections 100")
    size, overflow = known["database.pool_size"], known["database.max_overflow"]
    assert (size.current, size.proposed) == (1, 8)
    assert (overflow.current, overflow.proposed, overflow.tied_to) == (1, 0, "database.pool_size")
    unknown = advice("db-pool-too-small")["database.pool_size"]
    assert unknown.proposed is None
    assert "state it in analyzerd.yaml" in unknown.arithmetic
    assert "2 workers would open 16" in unknown.arithmetic
    small = advice("db-pool-too-small", "database.max_connections 18")
    assert "the database has 10 connections to give" in small["database.pool_size"].arithmetic
    assert (small["database.pool_size"].proposed, small["gunicorn.threads"].proposed) == (5, 5)


def test_a_class_is_changed_with_its_threads() -> None:
    """Six sync workers that wait: nine at once, two threads each, three connections, and the class."""
    found = advice("wrong-worker-class")
    assert found["gunicorn.worker_class"].proposed == "gthread"
    assert found["gunicorn.threads"].proposed == 2
    assert found["gunicorn.worker_connections"].proposed == 3


def test_one_interpreter_is_relieved_by_processes() -> None:
    """Threads that take turns are no more slots: another process is another core."""
    found = advice("too-many-threads")
    assert found["gunicorn.threads"].proposed is None
    assert found["gunicorn.threads"].arithmetic.startswith("not computed: 0.8 / 0.18")
    assert found["gunicorn.workers"].proposed == 2


def test_recycling_comes_with_its_jitter() -> None:
    """A number a person can remember, and a fifth of it."""
    found = advice("no-worker-recycling")
    assert (found["gunicorn.max_requests"].proposed, found["gunicorn.max_requests_jitter"].proposed) == (2000, 400)


def test_a_setting_that_stands_nowhere_belongs_into_the_config_file() -> None:
    """Where gunicorn has one: its default is written there, not on the command line of the unit."""
    named = {"gunicorn.workers": Setting(0.0, "a", "gunicorn.workers", 2, "/srv/gunicorn.conf.py:3")}
    default = {"gunicorn.max_requests": Setting(0.0, "a", "gunicorn.max_requests", 0, "gunicorn default")}
    for settings, expected in (
        ({**named, **default}, ("/srv/gunicorn.conf.py", None)),
        (default, ("gunicorn default", None)),
        (
            {**default, "gunicorn.config": Setting(0.0, "a", "gunicorn.config", "/g.py", "gunicorn.cmdline")},
            ("/g.py", None),
        ),
    ):
        case = SimpleNamespace(settings=settings)
        case.origin = partial(Case.origin, case)
        case.setting = lambda name, settings=settings: settings[name].value if name in settings else None
        assert place_of(case, "gunicorn.max_requests") == expected
