"""Hand-made incidents for tests of the store, the delivery and the words."""

# ruff: noqa: E501 - the words are read as they are shown

from __future__ import annotations

from dataclasses import replace

from analyzerd.model import (
    Evidence,
    Hypothesis,
    Incident,
    Recommendation,
    SaveIncident,
    Severity,
    State,
    Truth,
    Verdict,
)

START_S = 1_795_417_520.0

OUT_OF_MEMORY = Incident(
    id="INC-7KQ2M4XW9A",
    app="shop.service",
    cause="out-of-memory",
    because="request-spike",
    guide_cause="memory-overcommit",
    title="The kernel kills workers: one request needs more memory than the unit may use",
    summary="The kernel killed worker 4711 because shop.service reached its own limit of 512.0 MiB (MemoryMax); "
    "the killed worker alone used 430.2 MiB, the others about 61.0 MiB each.",
    severity=Severity.CRITICAL,
    verdict=Verdict.CONFIRMED,
    confidence=0.97,
    state=State.OPEN,
    first_seen_s=START_S,
    last_seen_s=START_S + 754,
    occurrences=3,
    counts={"kernel.oom-kill": 3, "nginx.closed-early": 3},
    hypotheses=(
        Hypothesis(
            "out-of-memory",
            Verdict.CONFIRMED,
            0.97,
            "request-spike",
            (
                Evidence("kernel", Truth.TRUE, True, "strong", True, "The kernel logged an OOM kill of pid 4711, a worker of this app."),
                Evidence("one", Truth.TRUE, True, "medium", False, "Its memory was 7 times that of the other workers."),
                Evidence("leak", Truth.FALSE, False, "medium", False, "Memory did not grow over the hours before."),
                Evidence("psi", Truth.UNKNOWN, True, "weak", False, "Memory pressure was not sampled."),
            ),
        ),
        Hypothesis("external-kill", Verdict.RULED_OUT, 0.0, "", (
            Evidence("oom", Truth.TRUE, False, "strong", True, "The kernel names itself as the killer."),
        )),
    ),
    recommendations=(
        Recommendation(
            "systemd.MemoryMax",
            "Give the unit more memory, or make the request behind it need less.",
            current="512M",
            proposed="768M",
            arithmetic="4 workers x 61.0 MiB + 1 x 430.2 MiB + 10 % = 742 MiB",
            file="/etc/systemd/system/shop.service",
            line=14,
            diff="-MemoryMax=512M\n+MemoryMax=768M",
            rollback="-MemoryMax=768M\n+MemoryMax=512M",
            verify="no OOM kill for 24 hours",
        ),
    ),
    consequences=("3 x nginx answered 502 because the worker went away",),
    timeline=((START_S, "the kernel killed a worker (worker 4711)"), (START_S + 0.4, "nginx: closed early")),
    samples_of_log=("Memory cgroup out of memory: Killed process 4711 (gunicorn) total-vm:812340kB",),
    failed_requests=3,
    all_requests=1840,
    references=("https://docs.gunicorn.org/en/stable/faq.html",),
)  # fmt: skip

RESOLVED = replace(
    OUT_OF_MEMORY,
    state=State.RESOLVED,
    resolved_s=START_S + 1654,
    resolution="quiet for 15 minutes, assumed over",
    revision=4,
)

UNKNOWN = Incident(
    id="INC-0UNKNOWN00",
    app="shop.service",
    cause="unknown",
    title="A worker disappeared and nothing says why",
    summary="Worker 99 ended without a last word.",
    severity=Severity.WARNING,
    verdict=Verdict.POSSIBLE,
    confidence=0.2,
    state=State.OPEN,
    first_seen_s=START_S,
    last_seen_s=START_S,
    hypotheses=(
        Hypothesis("unknown", Verdict.POSSIBLE, 0.2, "", (
            Evidence("kernel", Truth.UNKNOWN, True, "strong", True, "The kernel's log cannot be read: add the user to systemd-journal."),
        )),
    ),
)  # fmt: skip

HOSTILE = (
    "<!channel> <@U0123456789> <https://evil.example|click> *bold* _it_ ~no~ `code` ```block``` & @here\n"
    "[2026-11-23 07:05:20 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:1)\r\n"
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x00\x00 \u202egnp.exe \u200b\ufeff \udcff\udc80 "
    "GET /pay?token=s3cr3tvalue&card=4111111111111111 password=hunter2 Authorization: Bearer abc.def.ghi "
    "postgres://shop:hunter2@db/shop bob@example.com client: 203.0.113.77 xoxb-123456789-abcdefghij "
    "AKIAIOSFODNN7EXAMPLE eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl "
)
SECRETS = ("s3cr3tvalue", "4111111111111111", "hunter2", "abc.def.ghi", "bob@example.com", "203.0.113.77", "xoxb-123456789",
           "AKIAIOSFODNN7EXAMPLE", "c2lnbmF0dXJl", "eyJzdWIiOiIxIn0")  # fmt: skip


def hostile_incident(text: str) -> Incident:
    """Return an incident whose every text is ``text``."""
    fact = Evidence(text, Truth.TRUE, True, "strong", True, text)
    advice = Recommendation(text, text, text, text, text, text, 3, text, text, text)
    return replace(
        OUT_OF_MEMORY,
        app=text,
        cause=text,
        title=text,
        summary=text,
        because=text,
        hypotheses=(Hypothesis(text, Verdict.LIKELY, 0.6, text, (fact,) * 20),) * 12,
        recommendations=(advice,) * 8,
        consequences=(text,) * 20,
        timeline=((START_S, text),) * 60,
        samples_of_log=(text,) * 20,
        references=(text,) * 9,
        resolution=text,
    )


def numbered(number: int, *, state: State = State.OPEN, revision: int = 1, last_seen_s: float = START_S) -> Incident:
    """Return one of many different incidents."""
    return replace(
        UNKNOWN,
        id=f"INC-{number:010d}",
        title=f"Problem {number}, revision {revision}",
        state=state,
        revision=revision,
        last_seen_s=last_seen_s,
        resolved_s=last_seen_s if state is State.RESOLVED else None,
    )


def saved(incident: Incident, reason: str = "opened") -> SaveIncident:
    """Return the effect that stores it."""
    return SaveIncident(incident, reason)
