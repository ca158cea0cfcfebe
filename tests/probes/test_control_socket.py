"""Visits to something that only looks like a control socket: they end in time, with a reason."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analyzerd.formats.control_socket import Question
from analyzerd.probes.control_socket import ControlSocketProbe, NotAskedError, candidates, visit
from analyzerd.probes.launch import Launch

OK = b'{"status": "ok", "data": {"pid": 1}}'


@contextmanager
def listening(path: Path, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Let ``talk`` have every connection made to ``path``; a closed one ends its talk."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        talk(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def framed(body: bytes) -> bytes:
    """Put the length in front."""
    return len(body).to_bytes(4, "big") + body


def trickle(connection: socket.socket) -> None:
    """Send byte after byte, each in time."""
    connection.recv(1000)
    for byte in framed(OK + b" " * 500):
        connection.sendall(bytes([byte]))
        threading.Event().wait(0.02)


def once(answer: bytes) -> Callable[[socket.socket], None]:
    """Answer the first question with these bytes and hang up."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(answer)

    return talk


STRANGE: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "hangs up": (once(b""), "hung up"),
    "half an answer": (once(framed(OK)[:-3]), "hung up"),
    "a huge answer": (once(b"\xff\xff\xff\xff"), "bytes"),
    "speaks HTTP": (once(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "bytes"),
    "no JSON": (once(framed(b"hello")), "cannot be read"),
    "an error": (once(framed(b'{"status": "error", "error": "no"}')), "refused: no"),
    "silence": (lambda connection: [connection.recv(1) for _ in range(10_000)] and None, "did not answer within"),
    "a trickle": (trickle, "did not answer within"),
}


@pytest.mark.parametrize(("talk", "why"), STRANGE.values(), ids=STRANGE)
def test_a_strange_answer_ends_the_visit(tmp_path: Path, talk: Callable[[socket.socket], None], why: str) -> None:
    """One sentence says what was wrong, and another what to do."""
    with listening(tmp_path / "ctl", talk), pytest.raises(NotAskedError, match=why) as caught:
        visit(str(tmp_path / "ctl"), os.getpid(), (Question.STATS,), 0.3)
    assert caught.value.mend


def test_nothing_is_said_to_a_stranger(tmp_path: Path) -> None:
    """Where another process listens than the one that is meant, it gets no byte."""
    heard: list[bytes] = []
    said = pytest.raises(NotAskedError, match=f"belongs to process {os.getpid()} now")
    with listening(tmp_path / "ctl", lambda connection: heard.append(connection.recv(1000))), said:
        visit(str(tmp_path / "ctl"), os.getppid(), (Question.STATS,))
    assert heard in ([], [b""])


def launch(**changes: object) -> Launch:
    """Make a master of this process."""
    facts = {"arguments": (), "environment": {}, "cwd": "/srv", "config_path": "", "config_text": ""}
    return Launch(os.getpid(), "a.service", **{**facts, "title_only": False, "denied": False, **changes})


def test_where_gunicorn_puts_its_socket() -> None:
    """As named, relative to its working directory; else in XDG_RUNTIME_DIR, else below its home."""
    assert candidates(launch(), "/run/a.ctl", 0) == ["/run/a.ctl"]
    assert candidates(launch(), "a.ctl", 0) == ["/srv/a.ctl"]
    assert candidates(launch(cwd=""), "a.ctl", 0) == []
    variables = {"XDG_RUNTIME_DIR": "/run/user/5", "HOME": "/home/a"}
    places = ["/run/user/5/gunicorn.ctl", "/home/a/.gunicorn/gunicorn.ctl"]
    assert candidates(launch(environment=variables), "", 0) == places
    assert candidates(launch(), "", 0) == ["/root/.gunicorn/gunicorn.ctl"]
    assert candidates(launch(denied=True), "", 0)[0] == "/run/user/0/gunicorn.ctl"


def test_a_liar_is_not_believed(tmp_path: Path) -> None:
    """The master's own word for its pid has to agree too."""

    def talk(connection: socket.socket) -> None:
        while connection.recv(1000):
            connection.sendall(framed(OK))

    probe = ControlSocketProbe()
    with listening(tmp_path / ".gunicorn.ctl", talk):
        named = launch(cwd=str(tmp_path), environment={"HOME": str(tmp_path)})
        (tmp_path / ".gunicorn").mkdir()
        (tmp_path / ".gunicorn" / "gunicorn.ctl").symlink_to(tmp_path / ".gunicorn.ctl")
        assert probe.settings(named, (), 1.0) == ()
    (health,) = probe.health(2.0)
    assert (health.state, health.source, health.unit) == ("blind", "control socket", "a.service")
    assert "it says it is process 1" in health.why
    assert health.mend


def test_off_and_absent_are_blind_spots(tmp_path: Path) -> None:
    """Each with the line that opens it."""
    off, absent = ControlSocketProbe(enabled=False), ControlSocketProbe()
    gone = launch(environment={"HOME": str(tmp_path)})
    for probe in (off, absent):
        assert probe.settings(gone, (), 1.0) == ()
        assert probe.heartbeats(gone) == {}
    assert "control_socket: true" in off.health(1.0)[0].mend
    assert f"no control socket at {tmp_path}" in absent.health(1.0)[0].why
    absent.keep(set())
    assert absent.health(1.0)[0].state == "reading"
