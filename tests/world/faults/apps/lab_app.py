"""The demo's application and more ways to misbehave: burn CPU, wait for others, leak. Runs under gunicorn."""

from __future__ import annotations

import mmap
import os
import random
import re
import sys
import tempfile
import threading
import time
import urllib.request
from collections import OrderedDict
from functools import cache
from pathlib import Path

from demo_app import app, hoard
from flask import request

kept: list[object] = []
pages: OrderedDict[int, bytes] = OrderedDict()
mine = threading.local()
lock = threading.Lock()
PACE_S = float(Path("pace").read_text()) if Path("pace").exists() else 0.05
ballast = bytearray(b"x" * (int(os.environ.get("BALLAST_MB", "0")) << 20))


def number(name: str, otherwise: float) -> float:
    """Read a number of the query."""
    return float(request.args.get(name, otherwise))


def burn(cpu_s: float) -> None:
    """Use this much CPU time, however long that takes."""
    end_s = time.thread_time() + cpu_s
    while time.thread_time() < end_s:
        sum(range(2000))


@app.get("/burn")
def burn_() -> str:
    """Compute for `cpu` seconds of CPU time."""
    burn(number("cpu", 0.1))
    return "computed\n"


@app.get("/mix")
def mix() -> str:
    """Compute `cpu` seconds, then wait `s` seconds."""
    burn(number("cpu", 0.001))
    time.sleep(number("s", 0.1))
    return "mixed\n"


@app.get("/work")
def work() -> str:
    """Wait any time, `s` seconds on average: many a little, few long."""
    time.sleep(random.expovariate(1 / number("s", 1.0)))
    return "worked\n"


@app.get("/page")
def page() -> str:
    """Wait as long as the release says that is served."""
    time.sleep(PACE_S)
    return "page\n"


def siblings() -> int:
    """Count the workers of this app."""
    master = os.getppid()
    with open(f"/proc/{master}/task/{master}/children") as file:  # noqa: PTH123
        return len(file.read().split())


@app.get("/crowded")
def crowded() -> str:
    """Wait `s` seconds, and longer the more workers there are beyond `for`: they get into each other's way."""
    time.sleep(number("s", 0.1) * max(1.0, siblings() / number("for", 2)) ** 2)
    return "crowded\n"


@app.get("/licensed")
def licensed() -> tuple[str, int]:
    """Wait `s` seconds; refuse most requests where more than `for` workers want what only so many may use."""
    time.sleep(number("s", 0.1))
    refused = random.random() > number("for", 2) / siblings()
    return ("no licence\n", 500) if refused else ("licensed\n", 200)


@app.get("/unsafe")
def unsafe() -> str:
    """Wait `s` seconds; where other threads serve as well, one after another: what it uses is not thread-safe."""
    with lock:
        time.sleep(number("s", 0.1) * (2 if threading.active_count() > 2 else 1))
    return "unsafe\n"


@app.get("/native")
def native() -> str:
    """Loop in C, where no Python signal handler runs and the interpreter is held."""
    return f"{sum(range(10**12))}\n"


@app.get("/regex")
def regex() -> str:
    """Match a pattern that goes back and forth without end."""
    return f"{re.match(r'(a+)+$', 'a' * 60 + 'b')}\n"


@app.get("/exit-by-exception")
def leave_by_exception() -> str:
    """Call sys.exit as a script would."""
    sys.exit(int(number("code", 7)))


# ---- dependencies ------------------------------------------------------------------------------------


@app.get("/api")
def api() -> str:
    """Ask another service that takes `s` seconds."""
    with urllib.request.urlopen(f"{os.environ['API_URL']}/?s={number('s', 0.1)}") as answer:
        return str(len(answer.read()))


def connect() -> object:
    """Open a connection to the database."""
    import psycopg  # noqa: PLC0415  (beside gunicorn, not beside these tests)

    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def connection() -> object:
    """Give this thread's connection."""
    if not hasattr(mine, "connection"):
        mine.connection = connect()
    return mine.connection


@app.get("/db")
def db() -> str:
    """Run a statement that takes `s` seconds."""
    connection().execute("select pg_sleep(%s)", [number("s", 0.1)])
    return "queried\n"


shared = connect() if os.environ.get("CONNECT_AT_IMPORT") else None


@app.get("/shared")
def shared_() -> str:
    """Ask over the connection that was made when the application was imported."""
    row = shared.execute("select %s, pg_sleep(0.01)", [request.args.get("i", "0")], prepare=False).fetchone()
    return f"{row[0]}\n"


@cache
def pooled() -> object:
    """Make this worker's engine, with a pool of POOL_SIZE."""
    from sqlalchemy import create_engine, pool  # noqa: PLC0415

    size = int(os.environ.get("SQLALCHEMY_POOL_SIZE") or os.environ.get("POOL_SIZE", "2"))
    return create_engine(
        "postgresql+psycopg://", creator=connect, poolclass=pool.QueuePool, pool_size=size, max_overflow=0,
        pool_timeout=float(os.environ.get("POOL_TIMEOUT", "3")),
    )  # fmt: skip


@app.get("/pooled")
def pooled_() -> str:
    """Run a statement of `s` seconds on a connection of the pool; `leak=1` never gives it back."""
    held = pooled().connect()
    held.exec_driver_sql(f"select pg_sleep({number('s', 0.1)})")
    if request.args.get("leak"):
        kept.append(held)
    else:
        held.close()
    return "pooled\n"


# ---- memory, files, disks ------------------------------------------------------------------------------


@app.get("/leak")
def leak() -> str:
    """Keep `kb` KiB for good."""
    hoard.append(bytearray(b"x" * int(number("kb", 200) * 1024)))
    return f"{len(hoard)}\n"


@app.get("/cached")
def cached() -> str:
    """Keep `kb` KiB in a cache of 60 places: grows at first, then no more."""
    key = random.randrange(1000)
    pages[key] = b"x" * int(number("kb", 200) * 1024)
    while len(pages) > 60:
        pages.popitem(last=False)
    return f"{len(pages)}\n"


@cache
def big_file() -> mmap.mmap:
    """Map BIG_FILE."""
    path = os.environ["BIG_FILE"]
    with open(path, "rb") as file:  # noqa: PTH123
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    mapped.madvise(mmap.MADV_RANDOM)  # no read-ahead: one page is one read
    return mapped


@app.get("/touch")
def touch() -> str:
    """Read `n` pages of a big file, here and there."""
    data, total = big_file(), 0
    for _ in range(int(number("n", 500))):
        total += data[random.randrange(len(data))]
    return f"{total}\n"


@app.get("/open-files")
def open_files() -> str:
    """Open `n` files and keep them."""
    kept.extend(tempfile.TemporaryFile() for _ in range(int(number("n", 5))))  # noqa: SIM115
    return f"{len(kept)}\n"


@app.get("/write")
def write() -> str:
    """Write `kb` KiB to the disk DISK."""
    with open(os.environ["DISK"] + "/data", "ab", buffering=0) as file:  # noqa: PTH123
        file.write(b"x" * int(number("kb", 10) * 1024))
    return "written\n"
