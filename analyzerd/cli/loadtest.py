"""``analyzerctl loadtest``: the guide's baseline. Lets wrk or hey send requests, after asking, and keeps the figures.

In slices of half a minute, so that two tests are compared by the same statistics as a change in production.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from analyzerd.cli.stored import now_s, read_config
from analyzerd.cli.terminal import Progress
from analyzerd.core.buckets import GRID_S, Bucket, decode_bucket, figures
from analyzerd.core.verify import Judgement, Promise, Trial, judge_change
from analyzerd.errors import AnalyzerdError
from analyzerd.formats.loadtest import WRK_SCRIPT, Loaded, read_hey, read_wrk
from analyzerd.model import Figures, Outcome, Sample
from analyzerd.probes.machine import MachineProbe
from analyzerd.render.redact import redact
from analyzerd.render.verdict import table
from analyzerd.store.db import Store
from analyzerd.units import format_duration, format_time

KEPT_TESTS = 20
WARM_S = 5
TOOLS = ("wrk", "hey")
"""In this order: hey's list of requests leaves out those that got no answer."""
MEND = "install one of them: apt install wrk (or hey)"


@dataclass(frozen=True, slots=True)
class LoadTest:
    """One test as kept: ``url`` without its secrets; a bucket is a slice as the client saw it, with CPU and memory."""

    url: str
    tool: str
    rate: float
    connections: int
    begun_s: float
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent."""

    url: str
    tool: str
    rate: float
    connections: int
    slices: int


def run(arguments: argparse.Namespace) -> int:
    """Ask, send, print, keep; compare with the last test of the same URL when asked to."""
    plan = _plan(arguments)
    _confirm(plan, arguments)
    kept = _kept_tests()
    before = next((test for test in reversed(kept) if test.url == redact(plan.url)), None)
    if arguments.compare and before is None:
        raise AnalyzerdError(f"there is no earlier test of {redact(plan.url)} to compare with; run it once without")
    begun_s = now_s()
    buckets = _send(plan, Progress("sending", 0, quiet=arguments.quiet))
    test = LoadTest(redact(plan.url), plan.tool, plan.rate, plan.connections, begun_s, tuple(buckets))
    _keep(kept, test)
    found = _compared(before, test) if arguments.compare and before is not None else None
    server = _as_the_server_saw_it(arguments, begun_s)
    sys.stdout.write(_as_json(test, server, found) if arguments.json else _as_text(test, server, before, found))
    return 1 if arguments.fail_on == "worse" and found is not None and found.outcome is Outcome.WORSE else 0


def _plan(arguments: argparse.Namespace) -> Plan:
    parts = urlsplit(arguments.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in arguments.url):
        raise AnalyzerdError(f"{arguments.url!r} is no address to send to; write it like https://shop.example/health")
    if not 0 < arguments.rate <= 10_000 or not 1 <= arguments.connections <= 1000:
        raise AnalyzerdError("--rate is up to 10000 requests a second, --connections up to 1000")
    tool = arguments.tool or next((name for name in TOOLS if shutil.which(name)), "")
    if not tool or not shutil.which(tool):
        raise AnalyzerdError(f"{tool or ' and '.join(TOOLS)} not found on this machine; {MEND}")
    slices = max(1, round(arguments.for_s / GRID_S))
    return Plan(arguments.url, tool, arguments.rate, arguments.connections, slices)


def _confirm(plan: Plan, arguments: argparse.Namespace) -> None:
    """Send nothing before a person has said so."""
    length = format_duration(WARM_S + plan.slices * GRID_S)
    asked = f"{plan.tool} will send {plan.rate:g} requests/s for {length} to {redact(plan.url)}: real load. Go on?"
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise AnalyzerdError(f"{asked} Say so with --yes")
    sys.stderr.write(f"{asked} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise AnalyzerdError("nothing was sent")


# ---- sending ---------------------------------------------------------------------------------------------


def _send(plan: Plan, progress: Progress) -> list[Bucket]:
    probe, found = MachineProbe(), list[Bucket]()
    with closing(probe), tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "analyzerd.lua"
        script.write_text(WRK_SCRIPT)
        _slice(plan, script, WARM_S)
        for number in range(plan.slices):
            first = probe.sample()
            loaded = _slice(plan, script, int(GRID_S))
            gauges = _gauges(first, probe.sample())
            source = f"loadtest.{plan.tool}"
            found.append(Bucket(number * GRID_S, GRID_S, loaded.requests, loaded.failed, loaded.clock, source, gauges))
            progress.reach((number + 1) / plan.slices)
    progress.end()
    return found


def _slice(plan: Plan, script: Path, seconds: int) -> Loaded:
    """Let the tool send for a while. Raises AnalyzerdError when nothing was answered."""
    command = _COMMANDS[plan.tool](plan, script, seconds)
    told = {"ANALYZERD_RATE": str(plan.rate), "ANALYZERD_CONNECTIONS": str(plan.connections)}
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=seconds + 60, env={**os.environ, **told}
        )
    except subprocess.TimeoutExpired:
        raise AnalyzerdError(f"{plan.tool} did not end in time") from None
    text = done.stdout.decode("utf-8", "replace")
    loaded = read_wrk(text) if plan.tool == "wrk" else read_hey(text)
    if loaded is None or not loaded.clock.n:
        said = " ".join((done.stderr.decode("utf-8", "replace") or text).split())[:200]
        raise AnalyzerdError(f"no request to {redact(plan.url)} was answered; {plan.tool} says: {redact(said)}")
    return loaded


def _wrk(plan: Plan, script: Path, seconds: int) -> list[str]:
    threads = min(2, plan.connections)
    return ["wrk", f"-t{threads}", f"-c{plan.connections}", f"-d{seconds}s", "-s", str(script), plan.url]


def _hey(plan: Plan, _script: Path, seconds: int) -> list[str]:
    each = plan.rate / plan.connections
    return ["hey", "-z", f"{seconds}s", "-c", str(plan.connections), "-q", f"{each:g}", "-o", "csv", plan.url]


_COMMANDS: dict[str, Callable[[Plan, Path, int], list[str]]] = {"wrk": _wrk, "hey": _hey}


def _gauges(first: Sample, last: Sample) -> dict[str, float]:
    """Cores and memory that gunicorn used on this machine; nothing where none runs here."""
    begun = {p.pid: _cpu_s(p) for p in first.processes}
    used = [_cpu_s(p) - begun[p.pid] for p in last.processes if p.pid in begun]
    memory = sum(p.pss_bytes if p.pss_bytes is not None else p.rss_bytes or 0 for p in last.processes)
    seconds = last.time_s - first.time_s
    # Every slice begins with an empty queue: what it remembers does not reach into the next one.
    found = {"utilisation": 0.0}
    if used and seconds > 0:
        found["cpu"] = sum(used) / seconds
    return {**found, "memory_bytes": float(memory)} if memory else found


def _cpu_s(process: object) -> float:
    return (getattr(process, "cpu_user_s", 0.0) or 0.0) + (getattr(process, "cpu_system_s", 0.0) or 0.0)


def _as_the_server_saw_it(arguments: argparse.Namespace, since_s: float) -> dict[str, Figures]:
    """What the daemon measured meanwhile, by app; nothing where no daemon runs."""
    found: dict[str, list[Bucket]] = {}
    try:
        with closing(Store.open_readonly(read_config(arguments).database)) as store:
            rows = store.buckets(since_s)
    except AnalyzerdError:
        return {}
    for app, content in rows:
        if (bucket := decode_bucket(content)) is not None and bucket.requests:
            found.setdefault(app, []).append(bucket)
    return {app: figures(buckets) for app, buckets in found.items()}


# ---- kept, compared and shown ----------------------------------------------------------------------------


def _place() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "analyzerd" / "loadtests.json"


def _kept_tests() -> list[LoadTest]:
    try:
        return msgspec.json.decode(_place().read_bytes(), type=list[LoadTest])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise AnalyzerdError(f"{_place()} cannot be read: {error}; move it away to begin anew") from error


def _keep(kept: Sequence[LoadTest], test: LoadTest) -> None:
    place = _place()
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode([*kept, test][-KEPT_TESTS:], enc_hook=dict))
    draft.replace(place)


def _compared(before: LoadTest, after: LoadTest) -> Judgement:
    if before.tool != after.tool:
        raise AnalyzerdError(f"the last test was made by {before.tool}; compare with --with {before.tool}")
    return judge_change(Promise("p95"), Trial(before.buckets, after.buckets, ended=True))


def _as_text(test: LoadTest, server: dict[str, Figures], before: LoadTest | None, found: Judgement | None) -> str:
    here = figures(test.buckets)
    told = [f"{test.url}: {here.requests} requests in {format_duration(here.seconds)} by {test.tool}"]
    if found is not None and before is not None:
        told += [f"compared with {format_time(before.begun_s)}: {found.outcome.value}", f"  {found.because}"]
        told += [f"  {row}" for row in table(figures(before.buckets), here)]
    else:
        there = next(iter(server.values()), Figures(cpu=here.cpu, memory_bytes=here.memory_bytes))
        told += [f"  {row}" for row in table(there, replace(here, cpu=None, memory_bytes=None), ("server", "client"))]
    if not server:
        told.append("  the server's times: not measured (no analyzerd runs here)")
    for app, seen in server.items():
        p95 = "-" if seen.p95_s is None else format_duration(seen.p95_s)
        told.append(f"  on the server, {app}: {seen.requests} requests, p95 {p95}")
    return "\n".join(told) + "\n"


def _as_json(test: LoadTest, server: dict[str, Figures], found: Judgement | None) -> str:
    whole = {
        "url": test.url,
        "tool": test.tool,
        "rate": test.rate,
        "begun": format_time(test.begun_s),
        "client": figures(test.buckets),
        "server": server,
        "compared": found,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
