"""What a dump by py-spy 0.4 tells: of which thread, at which line, waiting for what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analyzerd.formats.dump import MAX_DUMP_BYTES, parse_dump, waits_for
from analyzerd.model import Event

SITE = "/venv/lib/python3.11/site-packages"
MAIN = [("EpollSelector.select", "/usr/lib/python3.11/selectors.py", 468), ("run", f"{SITE}/gunicorn/arbiter.py", 247)]
POOL = [("handle_request", f"{SITE}/gunicorn/workers/gthread.py", 771), ("run", "/usr/lib/python3.11/threading.py", 9)]
SYNC = [("SyncWorker.handle", f"{SITE}/gunicorn/workers/sync.py", 134), ("<module>", "/venv/bin/gunicorn", 8)]


def thread(tid: int, *frames: tuple[str, str, int], gil: bool = False) -> dict[str, Any]:
    """Make one thread as ``py-spy dump --json`` prints it, its innermost frame first."""
    shown = [
        {"name": name, "filename": path, "module": None, "short_filename": path, "line": line, "locals": None}
        for name, path, line in frames
    ]
    return {"pid": 12, "thread_id": 1, "thread_name": "x", "os_thread_id": tid, "owns_gil": gil, "frames": shown}


def told(*threads: dict[str, Any], silent: bool = True, waits: dict[int, str] | None = None) -> Event | None:
    """Parse a dump of these threads."""
    data = json.dumps(threads).encode()
    return parse_dump(data, time_s=5.0, unit="a.service", worker=12, waits=waits or {}, silent=silent)


def fields(*threads: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give the fields of what it told."""
    event = told(*threads, **more)
    assert event is not None
    assert (event.source, event.pid, event.unit, event.trusted) == ("stack", 12, "a.service", True)
    return dict(event.fields)


def app(function: str, line: int) -> tuple[str, str, int]:
    """Make a frame of the application's."""
    return (function, "/srv/app/views.py", line)


def test_native_code_under_a_line_of_the_app() -> None:
    """The library call inside does not hide which line made it."""
    found = fields(thread(12, ("match", "/usr/lib/python3.11/re/__init__.py", 166), app("hang", 9), *SYNC, gil=True))
    assert found["frame"] == "views.py:9 in hang"
    assert found["inner_frame"] == "__init__.py:166 in match"
    assert (found["stack_kind"], found["worker"]) == ("app-code", 12)


def test_who_holds_the_interpreter_keeps_the_others_from_running() -> None:
    """Of a worker gone silent the thread with the lock tells, whatever the others wait for."""
    busy = thread(21, app("hash", 37), *POOL, gil=True)
    others = [thread(tid, app("wait", 4), *POOL) for tid in (22, 23, 24)]
    assert fields(thread(12, *MAIN), *others, busy)["frame"] == "views.py:37 in hash"


def test_most_threads_of_a_worker_that_still_runs() -> None:
    """Where requests hang and the worker is well, whoever happens to run is not to blame."""
    stuck = [thread(tid, app("fetch", 4), *POOL) for tid in (22, 23, 24)]
    found = fields(thread(12, *MAIN), thread(21, app("other", 8), *POOL, gil=True), *stuck, silent=False)
    assert (found["frame"], found["threads"], found["serving"]) == ("views.py:4 in fetch", 3, 4)


def test_a_thread_of_the_apps_own_serves_no_request() -> None:
    """Gunicorn has not called it."""
    reporter = thread(30, app("report", 99), ("run", "/usr/lib/python3.11/threading.py", 9))
    found = fields(reporter, thread(12, ("read", f"{SITE}/psycopg/waiting.py", 5), app("db", 60), *SYNC))
    assert (found["frame"], found["stack_kind"]) == ("views.py:60 in db", "database")


@pytest.mark.parametrize(
    ("call", "kind", "waits_on"),
    [
        ("230 0x0 0x0", "sleep", None),
        ("202 0x7f", "lock", None),
        ("45 0x5", "other", "socket"),
        ("61 0xffffffff", "subprocess", None),
        ("running", "app-code", None),
        ("9999 0x0", "app-code", None),
    ],
)
def test_the_system_call_tells_what_the_missing_source_line_would(call: str, kind: str, waits_on: str | None) -> None:
    """A dump has no source text: what the thread waits for in the kernel takes its place."""
    found = fields(thread(12, app("view", 3), *SYNC), waits={12: waits_for(call, "x86_64")})
    assert (found["stack_kind"], found.get("waits_on")) == (kind, waits_on)


def test_numbers_of_another_machine() -> None:
    """System calls are numbered by architecture; an unknown one tells nothing."""
    assert waits_for("115 0x0", "aarch64") == "sleep"
    assert waits_for("230 0x0", "riscv64") == ""
    assert waits_for(None, "x86_64") == ""


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000, b'[{"frames": 3}]', b"Error: no such process"])
def test_what_is_no_dump_is_one_error(data: bytes) -> None:
    """Whatever the program wrote."""
    with pytest.raises(ValueError, match="not a dump"):
        parse_dump(data, time_s=1.0, unit="", worker=12, waits={}, silent=True)


def test_an_empty_dump_tells_nothing() -> None:
    """Python that has no frame yet is no place."""
    assert told() is None
    assert told(thread(12)) is None


def test_names_of_strangers_are_capped() -> None:
    """Frames come out of another process's memory."""
    wild = ("f\n\x1b[31m" + "x" * 10_000, "/srv/" + "y" * 10_000 + ".py", 3)
    event = told(thread(12, *[wild] * 5000, *SYNC))
    assert event is not None
    assert all(len(str(value)) < 2048 and "\x1b" not in str(value) for value in event.fields.values())
    assert len(event.text) < 1000
    assert MAX_DUMP_BYTES < 10_000_000
