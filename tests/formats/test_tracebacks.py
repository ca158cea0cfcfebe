"""Tracebacks of real gunicorns become one event that says where the code was."""

# ruff: noqa: E501  (real log lines stand whole)
from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzerd import formats
from analyzerd.formats.assemble import Assembler, AssemblyState
from analyzerd.model import Entry, Event, Stream

CORPUS = Path(__file__).parents[1] / "corpus" / "formats"
STREAM = Stream("file:/var/log/gunicorn.log", "gunicorn", "web.service")
MIXED = (CORPUS / "wt-sleep.log").read_bytes() + (CORPUS / "dbapp.log").read_bytes()[:20000]


def tracebacks(name: str) -> list[Event]:
    """Read the tracebacks of one recorded log."""
    events = formats.read((CORPUS / name).read_bytes(), STREAM)
    return [event for event in events if event.fields.get("event") == "traceback"]


@pytest.mark.parametrize("path", sorted((CORPUS / "gunicorn").iterdir()), ids=lambda path: path.stem)
def test_no_line_of_a_real_log_is_lost_or_left_as_a_traceback_line(path: Path) -> None:
    """Every version's log is read whole: no frame line stays behind as a line of its own."""
    events = formats.read(path.read_bytes(), STREAM)
    assert any(event.text.startswith("Starting gunicorn") for event in events)
    assert not [event.text for event in events if event.text.lstrip().startswith(("File ", "Traceback"))]


@pytest.mark.parametrize(
    ("name", "kind", "frame", "inner", "endpoint"),
    [
        ("wt-sleep.log", "sleep", "app.py:24 in sleep", "app.py:24 in sleep", "/sleep"),
        ("wt-cpu-loop.log", "app-code", "app.py:15 in burn", "app.py:15 in burn", "/cpu"),
        ("wt-db-blocked.log", "other", "app.py:60 in db", "app.py:60 in db", "/db"),
        ("wt-slow-api.log", "http-api", "app.py:103 in api", "socket.py:706 in readinto", "/api"),
        ("pool-leak-sync.log", "db-pool", "app.py:91 in poolleak", "threading.py:331 in wait", "/poolleak"),
        ("slow-upload-nginx-unbuffered.log", "request-body", "app.py:150 in upload", "unreader.py:100 in chunk", "/upload"),
        ("idle-preconnect-sync.log", "request-read", "unreader.py:100 in chunk", "unreader.py:100 in chunk", None),
    ],
)  # fmt: skip
def test_an_aborted_request_says_where_it_was(
    name: str, kind: str, frame: str, inner: str, endpoint: str | None
) -> None:
    """The frame before handle_abort and the application's own line are found, and the wait is named."""
    fields = tracebacks(name)[0].fields
    assert (fields["stack_kind"], fields["frame"], fields["inner_frame"]) == (kind, frame, inner)
    assert fields.get("endpoint") == endpoint
    assert fields["aborted"] is True
    assert fields["exception"] == "SystemExit"


def test_a_socket_wait_in_application_code_shows_the_marked_piece() -> None:
    """Of several statements on one line the marks choose the one that waits."""
    fields = tracebacks("wt-db-blocked.log")[0].fields
    assert fields["waits_on"] == "socket"
    assert str(fields["frame_code"]).endswith("r=c.recv(100)")


def test_a_hang_at_exit_is_told_from_a_slow_request() -> None:
    """A worker that cannot join its threads is no slow view."""
    event = tracebacks("gthread-stuck-exit-hang.log")[0]
    assert (event.source, event.fields["stack_kind"]) == ("gunicorn", "exit-join")


def test_chained_tracebacks_are_one_event() -> None:
    """Three blocks of one failed call are one event that keeps the last line and the root."""
    event = next(event for event in tracebacks("dbapp.log") if event.fields["endpoint"] == "/req")
    assert event.fields["exception"] == "requests.exceptions.ReadTimeout"
    assert event.fields["stack_kind"] == "http-api"
    assert "timed out" in str(event.fields["root_exception"])
    assert (event.source, event.text) == ("app", "ERROR in app: Exception on /req [GET]")


def test_boot_failure_swallows_the_repeated_text() -> None:
    """The bare exception that version 27 prints once more is no line of the app."""
    events = formats.read((CORPUS / "gunicorn" / "27.0.1-sync-importerr.log").read_bytes(), STREAM)
    assert not [event for event in events if event.text == "No module named 'notexisting_module'"]
    failures = [event for event in events if event.fields.get("event") == "traceback"]
    assert failures[0].fields["exception"] == "ModuleNotFoundError"
    assert failures[0].pid is not None
    assert failures[0].unit == "web.service"


def test_a_traceback_without_beginning_still_speaks() -> None:
    """Only the marker onwards was seen: the last line is the text."""
    data = b'Traceback (most recent call last):\n  File "/srv/app/app.py", line 3, in f\n    g()\nValueError: no\n'
    (event,) = formats.read(data, STREAM)
    assert (event.text, event.fields["frame"], event.source) == ("ValueError: no", "app.py:3 in f", "app")


def test_an_endless_traceback_is_bounded() -> None:
    """A hostile block keeps 400 lines and counts the rest; its end is still read."""
    frame = b'  File "/srv/app/app.py", line 3, in f\n    g()\n'
    data = b"Traceback (most recent call last):\n" + frame * 1500 + b"RecursionError: deep\n"
    (event,) = formats.read(data, STREAM)
    assert event.fields["exception"] == "RecursionError"
    assert event.fields["dropped_lines"] == 3002 - 400


def test_interleaved_processes_of_the_journal_keep_apart() -> None:
    """Two workers fail at once and their lines mix: each pid has its own block."""
    lines = [
        b"[2026-11-23 07:04:12 +0000] [%d] [ERROR] Error handling request GET /p%d",
        b"Traceback (most recent call last):",
        b'  File "/srv/app/app.py", line %d, in view',
        b"ValueError: of %d",
    ]
    assembler = Assembler(Stream("journal", "gunicorn"))
    for line in lines:
        for pid in (11, 22):
            text = line.replace(b"%d", b"%d" % pid)
            assert assembler.feed_entry(Entry(5.0, text, pid, "web.service", "stdout")) == []
    events = assembler.flush()
    assert [(e.pid, e.trusted, e.fields["path"], e.fields["exception_text"]) for e in events] == [
        (11, True, "/p11", "ValueError: of 11"),
        (22, True, "/p22", "ValueError: of 22"),
    ]


def test_a_forged_pid_in_a_headline_is_the_apps_own_text() -> None:
    """An app that prints another process's prefix in the journal is not believed."""
    entry = Entry(5.0, b"[2026-11-23 07:04:12 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:9)", 77, "w.service", "stdout")
    event = formats.parse_entry(entry, Stream("journal", "gunicorn"))
    assert event is not None
    assert (event.source, event.pid, event.fields["forged"]) == ("app", 77, True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(MIXED)), max_size=6))
def test_cutting_the_input_anywhere_changes_nothing(cuts: list[int]) -> None:
    """However the bytes arrive, and with the state saved and loaded between, the events are the same."""
    events: list[Event] = []
    state, rest = AssemblyState(), b""
    edges = [0, *sorted(cuts), len(MIXED)]
    for start, end in pairwise(edges):
        *lines, rest = (rest + MIXED[start:end]).split(b"\n")
        assembler = Assembler(STREAM, msgspec.json.decode(msgspec.json.encode(state), type=AssemblyState))
        for line in lines:
            events += take(assembler, line)
        state = assembler.state
    assembler = Assembler(STREAM, state)
    events += take(assembler, rest)
    assert json.dumps([msgspec.to_builtins(_plain(e)) for e in events + assembler.flush()]) == WHOLE


def take(assembler: Assembler, line: bytes) -> list[Event]:
    """Feed one line as a reader does."""
    events = assembler.feed(line)
    if not assembler.took and (event := formats.parse(line, STREAM)):
        events.append(event)
    return events


def _plain(event: Event) -> list[object]:
    return [event.time_s, event.source, event.text, event.pid, dict(event.fields)]


WHOLE = json.dumps([msgspec.to_builtins(_plain(event)) for event in formats.read(MIXED, STREAM)])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(formats.KINDS))
def test_any_bytes_are_survived(data: bytes, kind: str) -> None:
    """No input raises, and no text keeps control characters."""
    for event in formats.read(data, Stream("x", kind)):
        assert not [char for char in event.text if ord(char) < 32]


def test_a_megabyte_without_newline_is_cut() -> None:
    """One line of 1 MB of every kind gives bounded text, quickly."""
    for kind in formats.KINDS:
        for line in (
            b"a" * 1_000_000,
            b"\0" * 1_000_000,
            b'"' * 1_000_000,
            b"[" * 1_000_000,
            b"(1 " * 300_000,
        ):
            for event in formats.read(line, Stream("x", kind)):
                assert len(event.text) <= formats.MAX_TEXT
