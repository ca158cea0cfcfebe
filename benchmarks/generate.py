"""Writes the benchmark's logs: one mixed file, the same lines as one file per kind, and a journal.

Deterministic: the same seed and size give the same bytes. Run: python -m benchmarks.generate DIR [LINES]
"""

from __future__ import annotations

import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from benchmarks import templates

LINES = 1_000_000
JOURNAL_ENTRIES = 100_000
SEED = 42
SIGNAL_SHARE = 0.03
START_S = 1_795_420_800
SPAN_S = 6 * 3600
MASTER = 4100
TIMED_FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" '
    'urt="$upstream_response_time" ua="$upstream_addr" rid=$request_id'
)
KINDS = (
    "gunicorn.log",
    "gunicorn-access.log",
    "nginx-access.log",
    "nginx-timed.log",
    "nginx-error.log",
    "kern.log",
)
_CONF = f"""events {{ worker_connections 512; }}
http {{
  log_format timed '{TIMED_FORMAT}';
  access_log /var/log/nginx/nginx-access.log;
  access_log /var/log/nginx/nginx-timed.log timed;
  server {{ listen 80; location / {{ proxy_pass http://127.0.0.1:8000; proxy_read_timeout 60s; }} }}
}}
"""

Record = tuple[str, list[str]]
"""Which file, and the lines that belong together."""


class _Stamps:
    """One moment in the ways the formats print it; rendered once per second."""

    def __init__(self) -> None:
        self.second = -1

    def move(self, time_s: float) -> None:
        self.time_s = time_s
        if int(time_s) != self.second:
            self.second = int(time_s)
            when = datetime.fromtimestamp(self.second, UTC)
            self.gunicorn = when.strftime("%Y-%m-%d %H:%M:%S +0000")
            self.common = when.strftime("%d/%b/%Y:%H:%M:%S +0000")
            self.nginx = when.strftime("%Y/%m/%d %H:%M:%S")
            self.iso = when.strftime("%Y-%m-%dT%H:%M:%S")


def records(lines: int, seed: int) -> Iterator[Record]:
    """Yield records in order of time until there are ``lines`` lines."""
    rng, stamps, done = random.Random(seed), _Stamps(), 0
    signal_left = round(lines * SIGNAL_SHARE)
    while done < lines:
        stamps.move(START_S + SPAN_S * done / lines)
        if rng.random() * (lines - done) < signal_left / 3.2:
            kind, text = _fault(rng, stamps)
            signal_left -= len(text)
        else:
            kind, text = _healthy(rng, stamps)
        text = text[: lines - done]
        done += len(text)
        yield kind, text


def _healthy(rng: random.Random, stamps: _Stamps) -> Record:
    draw = rng.random() * 97
    if draw < 15:
        return "gunicorn.log", [_app_line(rng, stamps)]
    status = rng.choice((200, 200, 200, 200, 200, 201, 204, 302, 304, 404))
    method, path = rng.choice(("GET", "GET", "POST")), templates.path(rng)
    request = f'"{method} {path} HTTP/1.1" {status} {rng.randrange(20000)}'
    front = f"203.0.113.{rng.randrange(1, 255)} - - [{stamps.common}] {request}"
    agent = f'"-" "{rng.choice(templates.AGENTS)}"'
    if draw < 37:
        return "gunicorn-access.log", [f"{front} {agent}"]
    if draw < 62:
        return "nginx-access.log", [f"{front} {agent}"]
    spent = rng.lognormvariate(-3.5, 1)
    times = f'rt={spent:.3f} uct="0.00{rng.randrange(3)}" uht="{spent:.3f}" urt="{spent:.3f}"'
    return "nginx-timed.log", [f'{front} {agent} {times} ua="127.0.0.1:8000" rid={rng.getrandbits(128):032x}']


def _app_line(rng: random.Random, stamps: _Stamps) -> str:
    text = rng.choice(templates.APP_LINES)
    text = text.format(n=rng.randrange(100_000), ms=rng.randrange(900), d=rng.randrange(10))
    return f"[{stamps.gunicorn}] [{rng.choice(templates.WORKERS)}] [INFO] {text}"


def _fault(rng: random.Random, stamps: _Stamps) -> Record:
    """Each of the 36 kinds is as likely as any other."""
    kind = rng.randrange(36)
    if kind < 14:
        return _gunicorn_fault(templates.GUNICORN_FAULTS[kind], rng, stamps)
    if kind < 21:
        return _exception(rng, stamps)
    if kind < 33:
        return _nginx_fault(templates.NGINX_FAULTS[kind - 21], rng, stamps)
    text = templates.KERNEL_FAULTS[kind - 33].format(pid=rng.choice(templates.WORKERS))
    micros = int(stamps.time_s % 1 * 1e6)
    return "kern.log", [f"{stamps.iso}.{micros:06d}+00:00 vm kernel: [ 2798.568113] {text}"]


def _gunicorn_fault(fault: tuple[str, str], rng: random.Random, stamps: _Stamps) -> Record:
    level, text = fault
    pid = rng.choice(templates.WORKERS)
    line = f"[{stamps.gunicorn}] [{MASTER}] [{level}] {text.format(pid=pid, d=rng.randrange(255))}"
    if "WORKER TIMEOUT" not in text:
        return "gunicorn.log", [line]
    head = f"[{stamps.gunicorn}] [{pid}] [ERROR] Error handling request GET {templates.path(rng)}"
    return "gunicorn.log", [line, head, *templates.timeout_lines(rng)]


def _exception(rng: random.Random, stamps: _Stamps) -> Record:
    stamp = f"[{stamps.gunicorn[:-6]},{rng.randrange(1000):03d}]"
    head = f"{stamp} ERROR in app: Exception on {templates.path(rng)} [GET]"
    return "gunicorn.log", [head, *templates.exception_lines(rng)]


def _nginx_fault(fault: tuple[str, str], rng: random.Random, stamps: _Stamps) -> Record:
    level, text = fault
    message = text.format(d=rng.randrange(1, 255), path=templates.path(rng))
    number = "" if "worker_connections" in text else f"*{rng.randrange(1_000_000)} "
    return "nginx-error.log", [f"{stamps.nginx} [{level}] 911#911: {number}{message}"]


def write_logs(folder: Path, lines: int = LINES, seed: int = SEED) -> None:
    """Write mixed.log, one file per kind, and the nginx.conf that names the timed format."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(_CONF)
    files = {name: (folder / name).open("wb") for name in (*KINDS, "mixed.log")}
    for name, text in records(lines, seed):
        data = "\n".join(text).encode() + b"\n"
        files[name].write(data)
        files["mixed.log"].write(data)
    for file in files.values():
        file.close()


def write_export(path: Path, entries: int = JOURNAL_ENTRIES, seed: int = SEED) -> None:
    """Write a gunicorn unit's journal of 21 fields an entry, for systemd-journal-remote to make a file of."""
    boot, machine = uuid.UUID(int=seed + 1).hex, uuid.UUID(int=seed + 2).hex
    with path.open("wb") as out:
        done, pid = 0, ""
        for name, text in records(entries * 8, seed):
            if name != "gunicorn.log":
                continue
            micros = START_S * 1_000_000 + done * (SPAN_S * 1_000_000 // entries)
            for line in text:
                pid = line[29:33] if line[28:29] == "[" else "4101" if line is text[0] else pid
                _write_entry(out, line, pid, micros, (boot, machine))
                done += 1
            if done >= entries:
                return


def _write_entry(out: BinaryIO, line: str, pid: str, micros: int, ids: tuple[str, str]) -> None:
    boot, machine = ids
    out.write(
        f"__CURSOR=s={machine};i=1;b={boot};m=1;t={micros:x};x=1\n"
        f"__REALTIME_TIMESTAMP={micros}\n"
        f"__MONOTONIC_TIMESTAMP={micros - START_S * 1_000_000 + 60_000_000}\n_BOOT_ID={boot}\n"
        f"_TRANSPORT=stdout\n"
        f"_UID=33\n_GID=33\n_CAP_EFFECTIVE=0\n_SELINUX_CONTEXT=unconfined\n_SYSTEMD_SLICE=system.slice\n"
        f"_MACHINE_ID={machine}\n_HOSTNAME=vm\nPRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=gunicorn\n"
        f"_STREAM_ID={boot}\n_COMM=gunicorn\n_EXE=/usr/bin/python3.11\n"
        f"_CMDLINE=/srv/app/venv/bin/python /srv/app/venv/bin/gunicorn app:app\n"
        f"_SYSTEMD_CGROUP=/system.slice/gunicorn.service\n_SYSTEMD_UNIT=gunicorn.service\n"
        f"_SYSTEMD_INVOCATION_ID={boot}\n_PID={pid}\nMESSAGE={line}\n\n".encode()
    )


def main() -> None:
    """Write everything into a folder."""
    folder, lines = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else LINES
    write_logs(folder, lines)
    write_export(folder / "journal.export", min(JOURNAL_ENTRIES, max(1000, lines // 10)))


if __name__ == "__main__":
    main()
