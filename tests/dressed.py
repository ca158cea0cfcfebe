"""Recordings in other clothes: the same fault as a journal would tell it, and as logs without timings would."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

_STAMP = re.compile(rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+0000\] \[(\d+)\]")
_NGINX = re.compile(r"^(?P<at>\d+\.\d+) (?P<client>\S+) (?P<request>\".*?\") (?P<status>\d{3}) ")
_GUNICORN = re.compile(r"^(?P<at>\[[^]]+\]) pid=\S+ (?P<request>\".*?\") st=(?P<status>\d+) us=\d+ b=(?P<size>\S+)")


def as_journal(recording: Path, folder: Path, unit: str) -> Path:
    """Gunicorn's log and the kernel's messages as one journal in JSON, gunicorn under ``unit``; the rest as it is."""
    dressed = _linked(recording, folder, ("gunicorn.log", "kernel.json"))
    rows = sorted([*_gunicorn_entries(recording, unit), *_kernel_entries(recording)], key=lambda row: row[0])
    (dressed / "journal.json").write_text("".join(json.dumps(entry) + "\n" for _, entry in rows))
    return dressed


def without_timings(recording: Path, folder: Path) -> Path:
    """Both access logs in the programs' default formats, which hold no durations."""
    dressed = _linked(recording, folder, ("nginx-access.log", "gunicorn-access.log", "nginx.conf", "gunicorn.cmdline"))
    _rewrite(recording, dressed, "nginx-access.log", _combined)
    _rewrite(recording, dressed, "gunicorn-access.log", _default)
    if (recording / "nginx.conf").exists():
        text = re.sub(r"log_format\s+\w+\s[^;]*;", "", (recording / "nginx.conf").read_text())
        (dressed / "nginx.conf").write_text(re.sub(r"(access_log\s+\S+)\s+\w+;", r"\1;", text))
    if (recording / "gunicorn.cmdline").exists():
        text = (recording / "gunicorn.cmdline").read_text()
        (dressed / "gunicorn.cmdline").write_text(re.sub(r"--access-logformat .* b=%\(B\)s ?", "", text))
    return dressed


def _linked(recording: Path, folder: Path, left_out: tuple[str, ...]) -> Path:
    dressed = folder / recording.name
    dressed.mkdir()
    for path in recording.iterdir():
        if path.name not in (*left_out, "expected.json"):
            (dressed / path.name).symlink_to(path)
    return dressed


def _gunicorn_entries(recording: Path, unit: str) -> Iterator[tuple[float, dict[str, str]]]:
    """What a process writes at once bears one microsecond, as the journal stamps it."""
    log, pid, time_s, number = recording / "gunicorn.log", "", 0.0, 0
    for line in log.read_bytes().splitlines() if log.exists() else ():
        stamp = _STAMP.match(line)
        if stamp:
            written = datetime.strptime(stamp[1].decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            number = number + 1 if int(written.timestamp()) == int(time_s) else 0
            time_s, pid = written.timestamp() + number * 1e-4, stamp[2].decode()
        if line and pid:
            yield (
                time_s,
                {
                    "__REALTIME_TIMESTAMP": str(int(time_s * 1e6)),
                    "_PID": pid,
                    "_COMM": "gunicorn",
                    "_SYSTEMD_UNIT": unit,
                    "_TRANSPORT": "stdout",
                    "PRIORITY": "6",
                    "SYSLOG_IDENTIFIER": "gunicorn",
                    "MESSAGE": line.decode("utf-8", "replace"),
                },
            )


def _kernel_entries(recording: Path) -> Iterator[tuple[float, dict[str, str]]]:
    for line in (recording / "kernel.json").read_text().splitlines():
        entry = json.loads(line)
        yield int(entry["__REALTIME_TIMESTAMP"]) / 1e6, entry


def _rewrite(recording: Path, dressed: Path, name: str, rewritten: Callable[[str], str]) -> None:
    if (recording / name).exists():
        lines = (recording / name).read_text(errors="replace").splitlines()
        (dressed / name).write_text("".join(f"{rewritten(line)}\n" for line in lines))


def _combined(line: str) -> str:
    found = _NGINX.match(line)
    if found is None:
        return line
    at = datetime.fromtimestamp(float(found["at"]), UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{found["client"]} - - [{at}] {found["request"]} {found["status"]} 2 "-" "curl/8.0"'


def _default(line: str) -> str:
    found = _GUNICORN.match(line)
    if found is None:
        return line
    return f'127.0.0.1 - - {found["at"]} {found["request"]} {found["status"]} {found["size"]} "-" "curl/8.0"'
