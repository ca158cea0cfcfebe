"""Facts of the traceback a timed-out worker printed, or of the dump taken before: where it was, what it waited for."""

from __future__ import annotations

from analyzerd.core.case import Case, version_tuple
from analyzerd.core.facts.dump import dump_before
from analyzerd.core.facts.registry import fact
from analyzerd.model import Signal, Value

DATABASE_WORDS = (
    "dbconn",
    "cursor",
    "execute",
    "session.",
    "engine.",
    "query",
    "database",
    "psycopg",
    "sqlalchemy",
)


def _stack(case: Case) -> Signal | None:
    """The traceback this worker printed when it was aborted, else what was seen of it just before."""
    return _printed(case) or dump_before(case)


def _printed(case: Case) -> Signal | None:
    """The traceback this worker printed when it was aborted."""
    if case.worker is None:
        return None
    for rule in ("gunicorn.request-error", "gunicorn.request-unread", "gunicorn.exit-hang-stack"):
        found = [
            s
            for s in case.find(rule, worker=case.worker)
            if s.fields.get("aborted") or rule != "gunicorn.request-error"
        ]
        if found:
            return found[0]
    return None


def _stack_field(case: Case, name: str) -> Value:
    stack = _stack(case)
    return stack.fields.get(name) if stack else None


@fact("stack.kind")
def stack_kind(case: Case) -> Value:
    """What the aborted request was doing: request-read, db-pool, database, http-api, sleep, app-code ..."""
    stack = _stack(case)
    if stack is None:
        return None
    if stack.rule == "gunicorn.request-unread":
        return "request-read"
    return stack.fields.get("stack_kind")


@fact("stack.seen")
def stack_seen(case: Case) -> Value:
    """Whether the aborted worker printed a traceback; None where its version and class never print one."""
    if _printed(case) is not None:
        return True
    version = version_tuple(case.ledger.version)
    worker_class = case.setting("gunicorn.worker_class")
    if worker_class not in (None, "sync"):
        return None
    return False if version >= (22,) else None


@fact("stack.frame")
def stack_frame(case: Case) -> Value:
    """The innermost line of the application's own code."""
    return _stack_field(case, "frame")


@fact("stack.code")
def stack_code(case: Case) -> Value:
    """The source text of that line."""
    return _stack_field(case, "frame_code")


@fact("stack.inner_frame")
def stack_inner_frame(case: Case) -> Value:
    """The instruction that was running when the worker was aborted."""
    return _stack_field(case, "inner_frame")


@fact("stack.waits_on_socket")
def stack_waits_on_socket(case: Case) -> Value:
    """Whether the running instruction reads from a socket, without a known library above it."""
    if _stack(case) is None:
        return None
    return _stack_field(case, "waits_on") == "socket"


@fact("stack.names_database")
def stack_names_database(case: Case) -> Value:
    """Whether the line or function that waits is named like a database call."""
    code, frame = _stack_field(case, "frame_code"), _stack_field(case, "frame")
    if code is None and frame is None:
        return None
    text = f"{code or ''} {frame or ''}".lower()
    return any(word in text for word in DATABASE_WORDS) or str(frame or "").endswith((" in db", " in query"))


@fact("endpoint")
def endpoint(case: Case) -> Value:
    """Path of the request in question, without its query."""
    found = _stack_field(case, "endpoint")
    if found:
        return found
    for signal in (*case.opening(), *_lost_requests(case)):
        if signal.fields.get("endpoint"):
            return signal.fields["endpoint"]
    return None


def _lost_requests(case: Case) -> list[Signal]:
    """Requests nginx lost in the very moment of the question."""
    return [s for rule in ("nginx.closed-early", "nginx.reset") for s in case.find(rule, within_s=3.0)]


@fact("endpoint.named")
def endpoint_named(case: Case) -> Value:
    """The endpoint for a sentence, in words where it is not known."""
    return endpoint(case) or "an unknown path"


@fact("stack.line")
def stack_line(case: Case) -> Value:
    """The line of the application for a sentence, in words where it is not known."""
    return stack_frame(case) or "an unknown line"


def durations_logged(case: Case) -> bool:
    """Whether gunicorn's access log says how long requests took, as far as its format or its lines tell."""
    log_format = case.setting("gunicorn.access_log_format")
    if log_format is None:
        return bool(case.view.of("gunicorn.request-slow"))
    return any(name in str(log_format) for name in ("%(D)s", "%(M)s", "%(L)s", "%(T)s"))
