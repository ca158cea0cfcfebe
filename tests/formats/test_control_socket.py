"""The words of gunicorn's control socket, and what its answers make of the written settings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analyzerd.formats import control_socket
from analyzerd.formats.control_socket import Question, heartbeats, overlaid, parse_answer, settings_in_memory
from analyzerd.model import Setting

CONFIG: dict[str, Any] = json.loads(
    '{"bind": ["127.0.0.1:8000", "unix:/run/a.sock"], "workers": 2, '
    '"worker_class": "<class \'gunicorn.workers.gthread.ThreadWorker\'>", "threads": 3, "timeout": 7, '
    '"graceful_timeout": 30, "keepalive": 2, "max_requests": 0, "max_requests_jitter": 0, '
    '"worker_connections": 1000, "preload_app": false, "daemon": false, "pidfile": null, "proc_name": "app:app", '
    '"reload": false, "dirty_apps": [], "control_socket": "/run/a.ctl", "control_socket_disable": false}'
)
"""As gunicorn 27.0.1 answers ``show config``."""


def memory(**changes: Any) -> dict[str, Any]:
    """Give what is in effect by short name."""
    found = settings_in_memory({**CONFIG, **changes}, {"workers_target": 5}, time_s=1.0, unit="a.service")
    assert {one.origin for one in found} == {"control socket"}
    return {one.name.removeprefix("gunicorn."): one.value for one in found}


def test_only_five_questions_can_be_put() -> None:
    """Nothing that changes gunicorn, and not ``show all``, for which the master itself would wait."""
    assert {question.value for question in Question} == {
        f"show {what}" for what in ("stats", "workers", "config", "listeners", "dirty")
    }


def test_a_request_has_its_length_in_front() -> None:
    """Four bytes, most significant first, then JSON."""
    sent = control_socket.request(Question.STATS)
    assert json.loads(sent[4:]) == {"id": 1, "command": "show stats", "args": []}
    assert control_socket.answer_length(sent[:4]) == len(sent) - 4


def test_what_a_running_gunicorn_says() -> None:
    """Its answer becomes settings named and typed like those of a command line; workers are those TTIN has left."""
    found = memory()
    assert found["bind"] == "127.0.0.1:8000,unix:/run/a.sock"
    assert (found["worker_class"], found["threads"], found["workers"]) == ("gthread", 3, 5)
    assert (found["timeout"], found["preload_app"]) == (7, False)


@pytest.mark.parametrize(
    ("loaded", "name"),
    [
        ("<class 'gunicorn.workers.sync.SyncWorker'>", "sync"),
        ("<class 'gunicorn.workers.ggevent.GeventWorker'>", "gevent"),
        ("<class 'gunicorn.workers.gasgi.ASGIWorker'>", "asgi"),
        ("<class 'uvicorn.workers.UvicornWorker'>", "uvicorn.workers.UvicornWorker"),
    ],
)
def test_a_class_has_its_name(loaded: str, name: str) -> None:
    """The class object's text becomes what an operator writes."""
    assert memory(worker_class=loaded, threads=1)["worker_class"] == name


def test_values_of_the_wrong_kind_are_left_out() -> None:
    """An answer is a stranger's text: what is not of its type does not count."""
    found = memory(timeout=[1], threads={"a": 1}, keepalive="x", bind=[], preload_app="yes")
    assert not {"timeout", "threads", "keepalive", "bind", "preload_app"} & found.keys()


def setting(name: str, value: Any, origin: str) -> Setting:
    """Make one of gunicorn's settings."""
    return Setting(1.0, "a.service", f"gunicorn.{name}", value, origin)


def test_memory_decides_and_paper_says_where() -> None:
    """Equal values keep their place; a differing one on disk is noted beside the one in effect."""
    written = (setting("timeout", 60, "/srv/g.py:3"), setting("threads", 3, "/srv/g.py:4"))
    told = (setting("timeout", 30, "control socket"), setting("threads", 3, "control socket"))
    found = {one.name: (one.value, one.origin) for one in overlaid(written, told)}
    assert found == {
        "gunicorn.timeout": (30, "control socket"),
        "gunicorn.timeout.on_disk": (60, "/srv/g.py:3"),
        "gunicorn.threads": (3, "/srv/g.py:4"),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 50_000,
        b'{"status": "ok", "data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"status": "ok", "data": 7}',
        b'{"status": "error", "error": "' + b"x" * 5000 + b'"}',
    ],
)
def test_a_bad_answer_is_one_error(body: bytes) -> None:
    """Whatever stands in the answer, it is refused in one short sentence."""
    with pytest.raises(ValueError, match=r"it refused|cannot be read") as caught:
        parse_answer(body)
    assert len(str(caught.value)) < 400


def test_an_answer_too_long_is_not_read() -> None:
    """Gunicorn's own limit is 16 MB; no true answer comes near ours."""
    with pytest.raises(ValueError, match="bytes"):
        control_socket.answer_length(b"\x01\x00\x00\x00")


def test_heartbeats() -> None:
    """Ages by pid; what is not a worker is passed over."""
    listed = [{"pid": 7, "last_heartbeat": 0.9}, {"pid": 8, "last_heartbeat": None}, {"pid": "x"}, 3, None]
    assert heartbeats({"workers": listed}) == {7: 0.9}
    assert heartbeats({"workers": "many"}) == {}
