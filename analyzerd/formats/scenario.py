"""The one line format for what happened when: tests inside cause rules, recorded incidents.

    +0s    reads            gunicorn, nginx.error, kernel
    +0s    setting          gunicorn.timeout 30
    +0s    start            27.0.1 sync master=8 workers=12,13 at=http://127.0.0.1:8000
    +5s    sample           worker 12 cpu_user_s=3.5 state=R
    +30m   sample           every=60s over=29m; worker 12 rss_bytes=30000000..90000000
    +8s    stack            12 lock views.py:60 in report
    +9s    gunicorn         [8] [CRITICAL] WORKER TIMEOUT (pid:12)
    +9s    kernel           Memory cgroup out of memory: Killed process 12 (gunicorn) ...
    +9s    nginx.error      [error] 77#77: *1 upstream prematurely closed connection ...
    +9s    nginx.access     GET /x 504 60.0
    +9s    gunicorn.access  GET /x 200 4.0
    +40s   load             300 /report upstream=1.6 service=0.2 over=30s workers=12,13
    +9s    systemd          gunicorn.service MESSAGE_ID=... EXIT_CODE=exited
           | a further line of the same text (traceback, report)

Knows how each source writes its lines; the real formats read them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from analyzerd.model import (
    CgroupReading,
    Entries,
    Entry,
    Event,
    Health,
    HostReading,
    Input,
    Lines,
    ListenerReading,
    ProcessReading,
    Sample,
    Setting,
    Stream,
    Tick,
    Value,
)
from analyzerd.units import parse_duration_s

START_S = 1_800_000_000.0
UNIT = "app.service"
_LINE = re.compile(r"\+(?P<at>[0-9.]+(?:ms|s|m|h)?)\s+(?P<what>[a-z.]+)\s+(?P<text>.*)", re.ASCII)
_ACCESS = re.compile(r"(?P<method>[A-Z]+) (?P<path>\S+) (?P<status>\d{3}) (?P<seconds>[0-9.]+)", re.ASCII)
_RAMP = re.compile(r"(\d{1,15})\.\.(\d{1,15})", re.ASCII)
GUNICORN_STAMP = "[%Y-%m-%d %H:%M:%S +0000] "
NGINX_FORMAT = '$msec $remote_addr "$request" $status urt=$upstream_response_time'
GUNICORN_FORMAT = '%(t)s pid=%(p)s "%(r)s" %(s)s us=%(D)s'


def parse_scenario(text: str) -> Iterator[Input]:
    """Inputs in the order written, each after the Tick of its time. Raises ValueError naming the line."""
    for number, record in enumerate(_records(text), 1):
        match = _LINE.fullmatch(record[0].strip())
        if match is None:
            raise ValueError(f"line {number}: {record[0].strip()!r} is not '+<time> <source> <text>'")
        time_s = START_S + parse_duration_s(match["at"])
        if match["what"] == "sample" and match["text"].startswith("every="):
            yield from _samples(time_s, match["text"])
            continue
        yield Tick(time_s)
        yield from _inputs(time_s, match["what"], match["text"], record[1:], number)


def _records(text: str) -> Iterator[list[str]]:
    record: list[str] = []
    for line in text.splitlines():
        if line.strip().startswith("|"):
            record.append(line.split("|", 1)[1].removeprefix(" "))
        elif line.strip():
            if record:
                yield record
            record = [line]
    if record:
        yield record


def _inputs(time_s: float, what: str, text: str, more: list[str], number: int) -> Iterator[Input]:
    match what:
        case "reads":
            sources = [source.strip() for source in text.split(",")]
            yield from (Health(time_s, source, "reading") for source in sources)
            if "gunicorn.access" in sources:
                yield Setting(time_s, UNIT, "gunicorn.access_log_format", GUNICORN_FORMAT, "test")
        case "blind":
            yield from (Health(time_s, source.strip(), "blind", "not read") for source in text.split(","))
        case "setting":
            name, _, value = text.partition(" ")
            yield Setting(time_s, UNIT, name, _typed(value.strip()), "test")
        case "sample" | "stack":
            yield _sample(time_s, text) if what == "sample" else _stack(time_s, text)
        case "start":
            yield _lines("gunicorn", [_stamp(time_s, GUNICORN_STAMP) + line for line in _start(text)])
        case "gunicorn" | "app":
            stamp = "" if what == "app" else _stamp(time_s, GUNICORN_STAMP)
            yield _lines("gunicorn", [stamp + text, *more])
        case "nginx.error":
            stamp = _stamp(time_s, "%Y/%m/%d %H:%M:%S ")
            yield _lines("nginx.error", [stamp + text, *more])
        case "kernel":
            yield Entries(Stream("journal", "journal"), tuple(_kernel(time_s, line) for line in [text, *more]))
        case "systemd":
            yield Entries(Stream("journal", "journal"), (_manager(time_s, text),))
        case "nginx.access" | "gunicorn.access" | "load":
            yield from _load(time_s, text) if what == "load" else [_access(time_s, what, text, number)]
        case _:
            raise ValueError(f"line {number}: unknown source {what!r}")


def _lines(kind: str, lines: list[str]) -> Lines:
    return Lines(Stream(f"test:{kind}", kind, UNIT if kind == "gunicorn" else ""), ("\n".join(lines) + "\n").encode())


def _start(text: str) -> Iterator[str]:
    """What gunicorn prints when it starts: ``VERSION CLASS master=PID workers=PID,PID at=ADDRESS[,ADDRESS]``."""
    version, worker_class, *rest = text.split()
    named = dict(word.split("=", 1) for word in rest)
    master = named.get("master", "8")
    yield f"[{master}] [INFO] Starting gunicorn {version}"
    yield f"[{master}] [INFO] Listening at: {named.get('at', 'http://127.0.0.1:8000')} ({master})"
    yield f"[{master}] [INFO] Using worker: {worker_class}"
    for worker in named.get("workers", "12,13").split(","):
        yield f"[{worker}] [INFO] Booting worker with pid: {worker}"


def _kernel(time_s: float, line: str) -> Entry:
    return Entry(time_s, line.encode(), None, "", "kernel", "kernel")


def _manager(time_s: float, text: str) -> Entry:
    unit, _, rest = text.partition(" ")
    fields = dict(pair.split("=", 1) for pair in rest.split() if "=" in pair and pair.split("=", 1)[0].isupper())
    message = " ".join(word for word in rest.split() if word.split("=", 1)[0] not in fields)
    return Entry(time_s, message.encode(), 1, "init.scope", "journal", "systemd", {"UNIT": unit, **fields})


def _access(time_s: float, what: str, text: str, number: int) -> Lines:
    found = _ACCESS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"line {number}: an access line is 'METHOD PATH STATUS SECONDS'")
    method, path, status, seconds = found.groups()
    if what == "nginx.access":
        line = f'{time_s:.3f} 127.0.0.1 "{method} {path} HTTP/1.1" {status} urt={seconds}'
        return Lines(Stream("test:nginx.access", what, "", NGINX_FORMAT), line.encode() + b"\n")
    stamp = _stamp(time_s, "[%d/%b/%Y:%H:%M:%S +0000]")
    line = f'{stamp} pid=<1> "{method} {path} HTTP/1.0" {status} us={int(float(seconds) * 1e6)}'
    return Lines(Stream("test:gunicorn.access", what, UNIT, GUNICORN_FORMAT), line.encode() + b"\n")


def _load(time_s: float, text: str) -> Iterator[Lines]:
    """Even load that ends now: its lines in both access logs, with the times given (one left out: not logged)."""
    count, path, *rest = text.split()
    named = dict(word.split("=", 1) for word in rest)
    n, over_s = int(count), parse_duration_s(named.get("over", "30s"))
    workers = named.get("workers", "12,13").split(",")
    moments = [time_s - over_s + over_s * number / n for number in range(n)]
    if upstream := named.get("upstream"):
        lines = [f'{t:.3f} 127.0.0.1 "GET {path} HTTP/1.1" 200 urt={float(upstream):.3f}' for t in moments]
        yield Lines(Stream("test:nginx.access", "nginx.access", "", NGINX_FORMAT), ("\n".join(lines) + "\n").encode())
    if service := named.get("service"):
        tail = f'"GET {path} HTTP/1.0" 200 us={int(float(service) * 1e6)}'
        stamps = [_stamp(t, "[%d/%b/%Y:%H:%M:%S +0000]") for t in moments]
        lines = [f"{stamp} pid=<{workers[n % len(workers)]}> {tail}" for n, stamp in enumerate(stamps)]
        stream = Stream("test:gunicorn.access", "gunicorn.access", UNIT, GUNICORN_FORMAT)
        yield Lines(stream, ("\n".join(lines) + "\n").encode())


def _samples(time_s: float, text: str) -> Iterator[Input]:
    """The same reading again and again until now; ``a..b`` goes evenly from one value to the other."""
    head, _, reading = text.partition(";")
    named = dict(word.split("=", 1) for word in head.split())
    over_s, every_s = parse_duration_s(named["over"]), parse_duration_s(named["every"])
    steps = int(over_s // every_s)
    for step in range(steps + 1):
        at_s = time_s - over_s + step * every_s
        yield Tick(at_s)
        yield _sample(at_s, _at(reading, step / max(steps, 1)))


def _at(reading: str, part: float) -> str:
    """A reading with every ramp in it at one part of its way."""
    return _RAMP.sub(lambda ramp: str(round(int(ramp[1]) + (int(ramp[2]) - int(ramp[1])) * part)), reading)


def _sample(time_s: float, text: str) -> Sample:
    """``worker 12 rss_bytes=5 state=R; listener 127.0.0.1:8000 queue=3; cgroup oom_kills=1; host x=4``.

    Of the host: ``cores=4``, ``memory_available_bytes=5``, ``cpu.idle=9.5``, ``late_s=3``, else counters.
    """
    processes: list[ProcessReading] = []
    listeners: list[ListenerReading] = []
    cgroups: list[CgroupReading] = []
    netstat: dict[str, int] = {}
    vmstat: dict[str, int] = {}
    cpu_s: dict[str, float] = {}
    plain: dict[str, int] = {}
    late_s: float | None = None
    for item in text.split(";"):
        words = item.split()
        values = {k: _typed(v) for k, v in (w.split("=", 1) for w in words if "=" in w)}
        if words[0] in ("worker", "master"):
            processes.append(ProcessReading(int(words[1]), words[0], UNIT, **values))  # type: ignore[arg-type]
        elif words[0] == "listener":
            listeners.append(ListenerReading(words[1], unit=UNIT, **values))  # type: ignore[arg-type]
        elif words[0] == "cgroup":
            cgroups.append(CgroupReading(UNIT, **values))  # type: ignore[arg-type]
        else:
            for name, value in values.items():
                if name == "late_s":
                    late_s = float(value or 0)
                elif name.startswith("cpu."):
                    cpu_s[name.removeprefix("cpu.")] = float(value or 0)
                elif name in ("cores", "memory_available_bytes", "memory_total_bytes"):
                    plain[name] = int(value or 0)
                else:
                    (vmstat if name.islower() else netstat)[name] = int(value or 0)
    host = HostReading(netstat=netstat, vmstat=vmstat, cpu_s=cpu_s, **plain)  # type: ignore[arg-type]
    return Sample(time_s, host, tuple(processes), tuple(listeners), tuple(cgroups), late_s=late_s)


def _stack(time_s: float, text: str) -> Event:
    """``WORKER KIND FRAME``: what a dump of this worker showed; a socket is kind ``other/socket``."""
    worker, kind, frame = text.split(maxsplit=2)
    kind, _, waits_on = kind.partition("/")
    fields: dict[str, Value] = {"event": "stack-dump", "worker": int(worker), "threads": 1, "serving": 1}
    fields |= {"stack_kind": kind, "frame": frame, "frame_code": "", "inner_frame": frame, "waits_on": waits_on}
    return Event(time_s, "stack", f"py-spy: worker {worker} at {frame}", UNIT, int(worker), True, fields)


def _stamp(time_s: float, form: str) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime(form)


def _typed(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
