"""Settings from how a master was started."""

from __future__ import annotations

import pytest

from analyzerd.model import Value
from analyzerd.probes.configured import settings_of
from analyzerd.probes.launch import Launch


def values(command: str, config: str = "", **more: object) -> dict[str, tuple[Value, str]]:
    """Give value and origin by name."""
    facts = {"environment": {}, "title_only": False, "denied": False} | more
    arguments = tuple(command.split())
    facts |= {"cwd": "/srv", "config_path": "/srv/g.py", "config_text": config}
    launch = Launch(1, "shop.service", arguments, **facts)
    return {one.name: (one.value, one.origin) for one in settings_of(launch, 5.0)}


def test_precedence() -> None:
    """Command line beats its variable, then the file, then WEB_CONCURRENCY, then the default."""
    environment = {"WEB_CONCURRENCY": "9", "PORT": "80", "GUNICORN_CMD_ARGS": "--timeout 50 --backlog 7"}
    config = "workers = 4\ntimeout = 60\nbacklog = 8\n"
    found = values("gunicorn app:app --timeout 40", config, environment=environment)
    assert found["gunicorn.timeout"] == (40, "gunicorn.cmdline")
    assert found["gunicorn.backlog"] == (7, "GUNICORN_CMD_ARGS")
    assert found["gunicorn.workers"] == (4, "/srv/g.py:1")
    assert found["gunicorn.bind"] == ("0.0.0.0:80", "PORT")
    assert found["gunicorn.keepalive"] == (2, "gunicorn default")


def test_an_unresolved_value_is_no_default() -> None:
    """What the file computes is unknown, never gunicorn's default."""
    config = "import multiprocessing\nworkers = multiprocessing.cpu_count() * 2 + 1\nif 1:\n    threads = 4\n"
    found = values("gunicorn app:app", config)
    assert "gunicorn.workers" not in found
    assert "gunicorn.threads" not in found
    assert found["gunicorn.timeout"] == (30, "gunicorn default")


@pytest.mark.parametrize("blind", ["denied", "config_unread"])
def test_no_default_is_claimed_half_blind(blind: str) -> None:
    """When environment or config file stay unread only what is named counts."""
    found = values("gunicorn app:app -w 3", **{blind: True})
    assert found["gunicorn.workers"] == (3, "gunicorn.cmdline")
    assert {origin for _, origin in found.values()} == {"gunicorn.cmdline"}


def test_title_and_own_script() -> None:
    """A wiped command line leaves the file; a script of the app's own tells nothing."""
    assert values("", "timeout = 60\n", title_only=True) == {"gunicorn.timeout": (60, "/srv/g.py:1")}
    assert values("python serve.py -w 3") == {}


def test_the_pool_of_the_database_is_read_from_the_usual_variables() -> None:
    """Only figures; where none is set nothing is said."""
    environment = {"SQLALCHEMY_POOL_SIZE": "5", "DB_POOL_TIMEOUT": "30", "DB_MAX_OVERFLOW": "many"}
    found = values("gunicorn app:app", environment=environment)
    assert found["database.pool_size"] == (5, "environment SQLALCHEMY_POOL_SIZE")
    assert found["database.pool_timeout"] == (30, "environment DB_POOL_TIMEOUT")
    assert "database.max_overflow" not in found
