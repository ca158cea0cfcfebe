"""A small Flask application that misbehaves on request. Runs under gunicorn in the tests and the demo."""

from __future__ import annotations

import ctypes
import os
import time
from functools import cache

from flask import Flask, Response, request

app = Flask(__name__)
hoard: list[bytearray] = []
connections: list[object] = []


@app.get("/ok")
def ok() -> str:
    """Answer at once."""
    return "ok\n"


@app.get("/sleep")
def sleep() -> str:
    """Wait `s` seconds without using the processor."""
    wait_for_the_partner(float(request.args.get("s", "1")))
    return "slept\n"


@app.get("/report")
def report() -> str:
    """Take `s` seconds to make a report."""
    wait_for_the_partner(float(request.args.get("s", "2")))
    return "report\n"


def wait_for_the_partner(seconds: float) -> None:
    """Give the stack a named frame that shows where the worker stood."""
    time.sleep(seconds)


@app.get("/cpu")
def cpu() -> str:
    """Compute for `s` seconds."""
    end = time.monotonic() + float(request.args.get("s", "1"))
    number = 0
    while time.monotonic() < end:
        number += 1
    return f"{number}\n"


@app.get("/alloc")
def alloc() -> str:
    """Take `mb` MiB and touch every page, in steps; `keep=1` keeps them for good (a leak)."""
    taken = [bytearray(os.urandom(1) * (8 << 20)) for _ in range(int(request.args.get("mb", "8")) // 8)]
    if request.args.get("keep"):
        hoard.extend(taken)
    return f"{sum(map(len, taken))}\n"


@app.get("/segv")
def segv() -> str:
    """Read address 0: the kernel ends the worker by SIGSEGV."""
    ctypes.string_at(0)
    return "still here\n"


@app.get("/abort")
def abort() -> str:
    """End as a failed assertion in a C library does, by SIGABRT."""
    os.abort()


@app.get("/exit")
def leave() -> str:
    """Leave without a word, with `code`."""
    os._exit(int(request.args.get("code", "0")))


@app.get("/raise")
def raise_() -> str:
    """Fail with an exception whose text is `text`."""
    raise ValueError(request.args.get("text", "no such customer"))


@app.get("/pool")
def pool() -> str:
    """Take a connection from a pool of one and keep it when `leak=1`; the next caller waits in vain."""
    connection = engine().connect()
    if request.args.get("leak"):
        connections.append(connection)
    else:
        connection.close()
    return "got a connection\n"


@cache
def engine():
    """Make one engine per worker; SQLAlchemy stands beside gunicorn, not beside these tests."""
    from sqlalchemy import create_engine, pool  # noqa: PLC0415

    return create_engine("sqlite://", poolclass=pool.QueuePool, pool_size=1, max_overflow=0, pool_timeout=1)


@app.get("/headers")
def headers() -> Response:
    """Answer with `kb` KiB of response headers."""
    return Response("big\n", headers={"X-Big": "x" * 1024 * int(request.args.get("kb", "1"))})


@app.post("/upload")
def upload() -> str:
    """Read the whole request body."""
    return f"{len(request.get_data())}\n"


@app.get("/log")
def log() -> str:
    """Print `text` as the application, as raw bytes on stderr."""
    os.write(2, request.args.get("text", "").encode("utf-8", "surrogateescape") + b"\n")
    return "logged\n"
