"""Says where a Python stack was waiting, from its frames alone. Whether it burned CPU it cannot know."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``code`` is its source line, ``piece`` the part of it that the ``^^^`` marks point at."""

    path: str
    line: int
    function: str
    code: str = ""
    piece: str = ""

    def short(self) -> str:
        """Show as ``app.py:60 in db``."""
        return f"{self.path.rpartition('/')[2]}:{self.line} in {self.function}"


_LIBRARY = re.compile(
    r"/(?:site|dist)-packages/|/lib(?:64)?/(?:python|pypy)\d|^<|/s?bin/[^/]+$|\.zip/|\.p(?:yx|xd|xi)$"
)
"""Compiled extensions (`.pyx`) name their source as it stood where they were built."""

# (kind, path, function): the first match on a frame decides; frames are asked from the inside out.
_KINDS = tuple(
    (kind, re.compile(path), re.compile(function))
    for kind, path, function in (
        ("log-lock", r"/logging/__init__\.py$", r"acquire|handle|_acquireLock"),
        ("exit-join", r"/threading\.py$", r"_shutdown"),
        ("exit-join", r"/concurrent/futures/thread\.py$", r"_python_exit"),
        ("request-body", r"/gunicorn/http/body\.py$", r""),
        ("request-read", r"/gunicorn/(?:http/(?:unreader|message|parser)|asgi/\w+)\.py$", r""),
        ("response-write", r"/gunicorn/http/wsgi\.py$", r"write|sendfile|close|send_headers"),
        ("response-write", r"/gunicorn/util\.py$", r"write"),
        ("db-pool", r"/(?:sqlalchemy/pool|psycopg_pool|dbutils|DBUtils|psycopg2/pool)\b", r""),
        ("db-pool", r"/redis/connection\.py$", r"get_connection"),
        ("db-pool", r"/sqlalchemy/util/queue\.py$", r""),
        ("database", r"/sqlalchemy/", r""),
        ("database", r"(?:^|/)(?:psycopg\w*|pymysql|MySQLdb|mysql|asyncpg|redis|pymongo|oracledb|cx_Oracle)/", r""),
        ("database", r"/(?:pyodbc|mariadb|cassandra|peewee|playhouse|tortoise|elasticsearch|valkey)\b", r""),
        ("database", r"/(?:sqlite3|django/db|pymemcache|pylibmc|clickhouse_driver|aiomysql)/", r""),
        ("http-api", r"/(?:urllib3?|http/client|requests|httpx|httpcore|boto3|botocore|grpc|aiohttp)\b", r""),
        ("http-api", r"/(?:smtplib|ftplib|imaplib|paramiko|slack_sdk|stripe|twilio)\b", r""),
        ("subprocess", r"/subprocess\.py$", r""),
    )
)
_GENERIC = (
    (
        "lock",
        re.compile(r"/(?:threading|queue|_weakrefset|filelock/\w+|multiprocessing/(?:queues|synchronize))\.py$"),
    ),
    ("other", re.compile(r"/(?:socket|ssl|selectors|socketserver|asyncio/\w+)\.py$")),
)
_CODE = (
    ("sleep", "", re.compile(r"(?:\btime\.|\b)sleep\(")),
    (
        "lock",
        "",
        re.compile(r"\b(?:flock|lockf)\(|\.(?:acquire|join|wait)\(|^with \w*lock\w*\b", re.IGNORECASE),
    ),
    ("subprocess", "", re.compile(r"\b(?:subprocess\.\w+|os\.(?:waitpid|system|popen))\(|\.communicate\(")),
    ("other", "socket", re.compile(r"\.(?:recv|recv_into|recvfrom|recvmsg|accept|connect|sendall)\(")),
    ("other", "socket", re.compile(r"\b(?:create_connection|getaddrinfo|gethostbyname|select\.\w+)\(")),
)


def application_frame(frames: list[Frame]) -> Frame | None:
    """Find the innermost frame that is neither a library's nor Python's own."""
    return next((frame for frame in reversed(frames) if not _LIBRARY.search(frame.path)), None)


def classify(frames: list[Frame]) -> tuple[str, str]:
    """Name the kind of wait of a stack (outermost frame first) and what it waits on ('' or ``socket``).

    Only frames inside the innermost application frame count: what called the application is no reason.
    """
    app = application_frame(frames)
    inside = _inside(frames, app)
    kind = _specific(inside)
    if kind:
        return kind, ""
    by_code = _by_code(frames)
    if by_code and by_code[0] == "sleep":
        return by_code
    generic = _generic(inside)
    if generic:
        return generic, "socket" if generic == "other" else ""
    if by_code:
        return by_code
    return ("app-code", "") if app else ("other", "")


def _inside(frames: list[Frame], app: Frame | None) -> list[Frame]:
    for index in range(len(frames) - 1, -1, -1):
        if frames[index] is app:
            return frames[index + 1 :]
    return frames


def _specific(inside: list[Frame]) -> str:
    kinds = [kind for frame in reversed(inside) if (kind := _kind_of(frame))]
    if not kinds:
        return ""
    # body.py reads through unreader.py: the upload is the reason, the reader only its means.
    return "request-body" if kinds[0] == "request-read" and "request-body" in kinds else kinds[0]


def _kind_of(frame: Frame) -> str:
    for kind, path, function in _KINDS:
        if path.search(frame.path) and (not function.pattern or function.match(frame.function)):
            return kind
    return ""


def _generic(inside: list[Frame]) -> str:
    for frame in reversed(inside):
        for kind, path in _GENERIC:
            if path.search(frame.path):
                return kind
    return ""


def _by_code(frames: list[Frame]) -> tuple[str, str] | None:
    if not frames:
        return None
    piece = frames[-1].piece or frames[-1].code
    for kind, waits_on, pattern in _CODE:
        if pattern.search(piece):
            return kind, waits_on
    return None
