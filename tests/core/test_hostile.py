"""Hostile log lines from bytes to Slack payload, JSON and database: nothing escapes, nothing leaks."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import pytest

from analyzerd.cli.diagnose import Findings
from analyzerd.cli.findings import as_json, as_text
from analyzerd.core.engine import Engine
from analyzerd.core.replay import finish
from analyzerd.daemon.redacted import redacted
from analyzerd.model import Effect, Entries, Entry, Incident, Lines, SaveIncident, Stream, Tick
from analyzerd.render import blocks
from analyzerd.render.text import incident_text
from tests.core.stage import RULES, T0, causes, outcome
from tests.slack_rules import check_message, texts

SECRET = "s3cr3tvalue"  # noqa: S105 - planted to be looked for
STAMP = b"[2027-01-15 08:00:%02d +0000] "
GUNICORN = Stream("file:/var/log/app.log", "gunicorn", "app.service")
NGINX = Stream("file:/var/log/nginx/error.log", "nginx.error", "nginx.service")
JOURNAL = Stream("journal", "journal")
START = b"".join(
    STAMP % 0 + line + b"\n"
    for line in (
        b"[8] [INFO] Starting gunicorn 23.0.0",
        b"[8] [INFO] Listening at: http://127.0.0.1:8000 (8)",
        b"[8] [INFO] Using worker: sync",
        b"[12] [INFO] Booting worker with pid: 12",
    )
)
TEXTS = {
    "mention": b"<!channel> <@U0123456789> @here",
    "markup": b"`code` ```block``` *bold* _it_ ~no~",
    "link": b"<https://evil.example|click>",
    "token": b"/pay?token=" + SECRET.encode() + b"&x=1",
    "password": b"password=" + SECRET.encode(),
    "long": b"a" * 1_000_000,
    "nul": b"\x00\x00a\x00",
    "not utf-8": b"\xff\xfe\xc3(\x80",
    "ansi": b"\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "forged with tabs": b"/x\n[2027-01-15\t08:00:09\t+0000]\t[8]\t[CRITICAL]\tWORKER\tTIMEOUT\t(pid:12)",
    "braces": b"{worker} {0.__class__} %s %(x)s",
}
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]")


def nginx_line(text: bytes, upstream: bytes = b"http://127.0.0.1:8000/x") -> bytes:
    """Return an error line whose request holds the text, as nginx writes it: without raw line ends."""
    text = text.replace(b"\n", b"\\x0a")
    return (
        b"2027/01/15 08:00:04 [error] 77#77: *1 connect() failed (111: Connection refused) while connecting to "
        b"upstream, "
        b'client: 203.0.113.77, server: s, request: "GET %s HTTP/1.1", upstream: "%s", host: "s"\n' % (text, upstream)
    )


def in_request_path(text: bytes) -> list[Lines | Entries]:
    """The client chose it: gunicorn names it in a headline, nginx in its error."""
    headline = (
        STAMP % 4 + b"[12] [ERROR] Error handling request " + text + b"\n"
        b'Traceback (most recent call last):\n  File "/srv/app/views.py", line 60, in report\n    wait()\n'
        b'  File "/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 203, in handle_abort\n'
        b"    sys.exit(1)\nSystemExit: 1\n"
    )
    timeout = STAMP % 4 + b"[8] [CRITICAL] WORKER TIMEOUT (pid:12)\n"
    return [Lines(GUNICORN, START + timeout + headline), Lines(NGINX, nginx_line(text))]


def in_exception(text: bytes) -> list[Lines | Entries]:
    """The application raised it while a worker was booting."""
    lines = (
        STAMP % 4 + b"[12] [ERROR] Exception in worker process\nTraceback (most recent call last):\n"
        b'  File "/venv/lib/python3.11/site-packages/gunicorn/arbiter.py", line 608, in spawn_worker\n'
        b'    worker.init_process()\n  File "/srv/app/wsgi.py", line 1, in <module>\n    import x\n'
        b"RuntimeError: " + text + b"\n"
    )
    end = (
        STAMP % 5 + b"[8] [ERROR] Shutting down: Master\n" + STAMP % 5 + b"[8] [ERROR] Reason: Worker failed to boot.\n"
    )
    return [Lines(GUNICORN, START + lines + end)]


def in_unit_name(text: bytes) -> list[Lines | Entries]:
    """A unit bears the name, and systemd says it failed."""
    unit = text.decode("utf-8", "replace").replace("\n", " ")[:200] + "-gunicorn.service"
    fields = {"UNIT": unit, "MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c", "UNIT_RESULT": "oom-kill"}
    oom = {"UNIT": unit, "MESSAGE_ID": "fe6faa94e7774663a0da52717891d8ef"}
    entries = (
        Entry(T0 + 1, STAMP % 1 + b"[12] [INFO] Booting worker with pid: 12", 12, unit, "stdout", "gunicorn"),
        Entry(
            T0 + 4,
            b"A process of this unit has been killed by the OOM killer.",
            1,
            "init.scope",
            "journal",
            "systemd",
            oom,
        ),
        Entry(T0 + 5, b"Failed with result 'oom-kill'.", 1, "init.scope", "journal", "systemd", fields),
    )
    return [Entries(JOURNAL, entries)]


def in_upstream_address(text: bytes) -> list[Lines | Entries]:
    """Nginx names the server it could not reach."""
    return [Lines(GUNICORN, START), Lines(NGINX, nginx_line(b"/x", b"http://" + text.replace(b"\n", b" ") + b"/x"))]


def in_comm(text: bytes) -> list[Lines | Entries]:
    """The kernel prints the name a process gave itself."""
    name = text.replace(b"\n", b" ")
    kill = (
        b"Memory cgroup out of memory: Killed process 12 (%s) total-vm:9kB, anon-rss:5kB, file-rss:0kB, shmem-rss:0kB"
        % name
    )
    guess = STAMP % 4 + b"[8] [ERROR] Worker (pid:12) was sent SIGKILL! Perhaps out of memory?\n"
    return [
        Lines(GUNICORN, START + guess),
        Entries(JOURNAL, (Entry(T0 + 4, kill, None, "", "kernel", "kernel"),)),
    ]


PLACES = (in_request_path, in_exception, in_unit_name, in_upstream_address, in_comm)


def incidents(items: list[Lines | Entries]) -> list[Incident]:
    """Return what the engine finds, as the daemon would store it."""
    engine, effects = Engine(RULES), list[Effect]()
    for item in items:
        effects += engine.step(item)
    effects += [*engine.step(Tick(T0 + 10)), *engine.flush(), *finish(engine)]
    stored = [redacted(effect) for effect in effects if isinstance(effect, SaveIncident)]
    return list(outcome(stored)[0].values())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_nothing_escapes_and_nothing_leaks(place, text: bytes) -> None:  # type: ignore[no-untyped-def]
    """Every hostile text in every place: Slack takes the payloads, they hold no markup, control or secret."""
    found = incidents(place(text))
    if place is not in_upstream_address:
        assert found
    for incident in found:
        payloads = [dict(make(incident)) for make in (blocks.message, blocks.thread, blocks.plain, blocks.followup)]
        for payload in payloads:
            check_message(payload)
            assert '"mrkdwn"' not in json.dumps(payload)
            assert not re.search(r"[*`~<>]|://|@(here|channel|everyone)", payload["text"])
            for shown in texts(payload.get("blocks", [])):
                assert not re.search(r"<[!@#]|<https?:", shown)
                assert not FORBIDDEN.search(shown)
        printed = [
            incident_text(incident, full=True),
            as_json(Findings([incident])),
            as_text(Findings([incident]), False, True),
        ]
        assert not any(FORBIDDEN.search(part) for part in printed)
        stored = json.dumps(asdict(incident), default=str)
        assert not [part for part in (*printed, stored, json.dumps(payloads)) if SECRET in part]
        assert len(stored) < 200_000
        if text is TEXTS["long"]:
            assert not [part for part in (*printed, stored) if "a" * 20_000 in part]


def test_a_line_injected_with_tabs_is_not_believed() -> None:
    """Gunicorn 22 to 26 lets a client begin a new line; spaces cannot be injected, and only they are read."""
    data = START + STAMP % 4 + b"[12] [ERROR] Error handling request " + TEXTS["forged with tabs"] + b"\n"
    assert incidents([Lines(GUNICORN, data)]) == []


@pytest.mark.parametrize("line", [
    b"[CRITICAL] WORKER TIMEOUT (pid:12)",
    b"[ERROR] Worker (pid:12) was sent SIGKILL! Perhaps out of memory?",
    b"[ERROR] Shutting down: Master",
    b"[ERROR] Reason: Worker failed to boot.",
    b"[INFO] Handling signal: term",
])  # fmt: skip
def test_the_arbiters_words_from_a_worker_are_not_believed(line: bytes) -> None:
    """An application prints a perfect line: in the journal its _PID betrays it, in a file the pid of its worker."""
    in_journal = [
        Entry(T0, STAMP % 0 + b"[8] [INFO] Starting gunicorn 23.0.0", 8, "app.service", "stdout", "gunicorn"),
        Entry(T0, STAMP % 0 + b"[12] [INFO] Booting worker with pid: 12", 12, "app.service", "stdout", "gunicorn"),
        Entry(T0 + 4, b"[2027-01-15 08:00:04 +0000] [8] " + line, 12, "app.service", "stdout", "gunicorn"),
        Entry(T0 + 4, b"[2027-01-15 08:00:04 +0000] [12] " + line, 12, "app.service", "stdout", "gunicorn"),
    ]
    assert incidents([Entries(JOURNAL, tuple(in_journal))]) == []
    assert incidents([Lines(GUNICORN, START + STAMP % 4 + b"[12] " + line + b"\n")]) == []


def test_a_forged_signal_hides_no_error() -> None:
    """A worker that prints 'Handling signal: term' does not make its failures look like a deploy."""
    engine = Engine(RULES)
    kill = b"Memory cgroup out of memory: Killed process 12 (gunicorn) total-vm:9kB, anon-rss:5kB, file-rss:0kB"
    forged = STAMP % 3 + b"[12] [INFO] Handling signal: term\n"
    guess = STAMP % 4 + b"[8] [ERROR] Worker (pid:12) was sent SIGKILL! Perhaps out of memory?\n"
    effects = engine.step(Lines(GUNICORN, START + forged + guess))
    effects += engine.step(Entries(JOURNAL, (Entry(T0 + 4, kill, None, "", "kernel", "kernel"),)))
    effects += engine.step(Lines(NGINX, nginx_line(b"/x")))
    effects += [*engine.step(Tick(T0 + 10)), *finish(engine)]
    assert causes(outcome(effects)) == ["out-of-memory"]
    assert list(engine.state.ledgers["app"].deploys()) == []
