"""What a million requests with 100,000 distinct addresses leave in memory: the reading, the engine and all rules.

    python -m benchmarks.memory [--lines 1000000] [--urls 100000]

In event time they span a day of one app; resident memory is read along the way and must be flat over the second half.
"""

from __future__ import annotations

import argparse
import gc
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil

PROCESS = psutil.Process()
BARE_BYTES = PROCESS.memory_info().rss
"""Before anything of ours is imported; psutil, which reads it, is in."""

from analyzerd.cli.diagnose import load_rules  # noqa: E402
from analyzerd.core.engine import Engine  # noqa: E402
from analyzerd.core.state import encode  # noqa: E402
from analyzerd.model import Lines, Setting, Stream, Tick  # noqa: E402

START_S = 1_795_420_800
SPAN_S = 86400
STEP_S = 10
SEED = 7
UNIT = "shop.service"
NGINX = '$msec "$request" $status rt=$request_time urt=$upstream_response_time ua=$upstream_addr rl=$request_length'
GUNICORN = '%(t)s %(p)s "%(r)s" %(s)s %(D)s %(B)s'
WORDS = ("cart", "order", "user", "search", "report", "invoice", "stock", "price", "photo", "login")


def urls(count: int) -> list[str]:
    """Return distinct addresses: routes with numbers, and words nobody can fold."""
    rng = random.Random(SEED)
    routes = [f"/{rng.choice(WORDS)}/{n}/{rng.choice(WORDS)}" for n in range(count // 2)]
    return routes + [f"/{rng.choice(WORDS)}-{n:x}q/{rng.choice(WORDS)}" for n in range(count - len(routes))]


def streams() -> tuple[Stream, Stream]:
    """Return the two access logs of one app."""
    return Stream("nginx", "nginx.access", "", NGINX), Stream("gunicorn", "gunicorn.access", UNIT, GUNICORN)


def ready_engine() -> Engine:
    """Return an engine with all rules that knows one app of four workers."""
    engine = Engine(load_rules([]))
    for name, value in (("gunicorn.bind", "127.0.0.1:8000"), ("gunicorn.workers", 4)):
        engine.step(Setting(START_S, UNIT, name, value, "bench"))
    return engine


def blocks(lines: int, count: int, span_s: int = SPAN_S) -> Iterator[tuple[float, bytes, bytes]]:
    """Yield ten seconds at a time: when, what nginx wrote and what gunicorn wrote of the same requests."""
    steps = span_s // STEP_S
    rng, known, per_step = random.Random(SEED), urls(count), lines // 2 // steps
    for step in range(steps):
        at_s = START_S + step * STEP_S
        stamp = datetime.fromtimestamp(at_s, UTC).strftime("[%d/%b/%Y:%H:%M:%S +0000]")
        seen = [(rng.choice(known), rng.expovariate(10.0), 100 + rng.randrange(4)) for _ in range(per_step)]
        nginx = (
            f'{at_s}.{n:03} "GET {url} HTTP/1.1" 200 rt={t:.3f} urt={t:.3f} ua=127.0.0.1:8000 rl=300\n'
            for n, (url, t, _) in enumerate(seen)
        )
        gunicorn = (f'{stamp} <{pid}> "GET {url} HTTP/1.0" 200 {int(t * 1e6)} 512\n' for url, t, pid in seen)
        yield at_s + STEP_S, "".join(nginx).encode(), "".join(gunicorn).encode()


def main() -> None:
    """Replay, and print memory above that of the bare interpreter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--urls", type=int, default=100_000)
    given = parser.parse_args()
    engine = ready_engine()
    idle, seen = above(), list[int]()
    source = Path("/proc/self/statm")
    for number, (time_s, *texts) in enumerate(blocks(given.lines, given.urls)):
        for stream, text in zip(streams(), texts, strict=True):
            engine.step(Lines(stream, text))
        engine.step(Tick(time_s))
        if number % (SPAN_S // STEP_S // 20) == 0 and source.exists():
            seen.append(above())
    gc.collect()
    half, end = max(seen[: len(seen) // 2]), max(*seen[len(seen) // 2 :], above())
    mb = 1e6
    print(
        f"ready {idle / mb:.1f} MB, most in the first half {half / mb:.1f} MB, in the second {end / mb:.1f} MB above "
        f"the interpreter; {len(engine.state.tallies)} tallies, state {len(encode(engine.state)) / 1e3:.0f} kB"
    )


def above() -> int:
    """Return the resident bytes beyond those of the bare interpreter."""
    return int(PROCESS.memory_info().rss - BARE_BYTES)


if __name__ == "__main__":
    main()
