"""Reads kernel lines, and the lines of one OOM report as one event. Decides nothing about blame."""

from __future__ import annotations

import re
from statistics import median

from analyzerd.formats.clean import chomp, clean, clean_text
from analyzerd.formats.times import iso_s
from analyzerd.model import Entry, Event, Stream, Value

PAGE_BYTES = 4096
LITERALS: tuple[bytes, ...] = (
    b" invoked oom-killer: ",
    b"oom-kill:constraint",
    b"Killed process ",
    b"Tasks state (memory values in pages)",
    b" segfault at ",
    b"memory.oom.group set",
    b"general protection fault",
    b"Possible SYN flooding",
    b"fork rejected by pids controller",
    b"table full, dropping packet",
    b" blocked for more than ",
    b"to be killed due to",
)
_FRONT = re.compile(
    rb"(?:<\d{1,3}>)?(?:(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,16}) \S{1,255} kernel: "
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})? \S{1,255} kernel: )?(?:\[ *\d{1,12}\.\d{1,6}\] ?)?"
)
_SEGFAULT = re.compile(
    r"(?:traps: )?(?P<comm>.{1,64}?)\[(?P<pid>\d{1,10})\]:? (?P<what>segfault at (?P<address>[0-9a-f]{1,16}) "
    r"|general protection fault|trap [a-z ]{1,40})(?:.{0,200}? in (?P<library>[^\s\[]{1,255})\[)?"
)
_KILLED = re.compile(
    r"Killed process (?P<pid>\d{1,10})(?:, UID \d+,)? \((?P<comm>.{0,64})\),?(?: UID \d+,)? ?"
    r"(?:total-vm:(?P<vm>\d{1,15})kB, anon-rss:(?P<anon>\d{1,15})kB, file-rss:(?P<file>\d{1,15})kB"
    r"(?:, shmem-rss:(?P<shmem>\d{1,15})kB)?)?"
)
_SUMMARY = re.compile(
    r"oom-kill:constraint=(?P<constraint>\w{1,40}),.{0,4096}?(?:oom_memcg=(?P<oom>[^,]{0,4096}),|global_oom,)"
    r"(?:task_memcg=(?P<task>[^,]{0,4096}),)?task=(?P<comm>.{0,64}),pid=(?P<pid>\d{1,10}),uid="
)
_USAGE = re.compile(r"memory: usage (?P<usage>\d{1,18})kB, limit (?P<limit>\d{1,18})kB")
_STATS = re.compile(r"Memory cgroup stats for (?P<path>/[^:\s]{0,4096}):")
_OLD = re.compile(r"Task in (?P<task>/\S{0,4096}) killed as a result of limit of (?P<oom>/\S{0,4096})")
_HEAD = re.compile(r"\[ *pid *\] ")
_ROW = re.compile(r"\[ *(?P<pid>\d{1,10})\] (?P<columns>[ \d-]{1,200} .{1,64})\Z")
_PART = re.compile(
    r".{1,64} invoked oom-killer: |memory: usage |Memory cgroup stats for |Tasks? (?:state|in) "
    r"|oom-kill:|\[ *(?:pid|\d+) *\] "
    r"|(?:Memory cgroup out|Out) of memory: Kill process "
)
_UNLIMITED_KB = 1 << 50


def strip_front(line: bytes) -> tuple[bytes, float]:
    """Drop the dmesg or syslog front of a line; its time is 0.0 where the front names no full date."""
    line = chomp(line)
    match = _FRONT.match(line)
    if match is None:
        return line, 0.0
    return line[match.end() :], (iso_s(match["iso"]) if match["iso"] else None) or 0.0


def parse(line: bytes, stream: Stream) -> Event | None:
    """Read one line of dmesg or kern.log."""
    body, time_s = strip_front(line)
    if not body.strip():
        return None
    return _event(body, time_s, stream)


def parse_entry(entry: Entry, stream: Stream) -> Event | None:
    """Read one journal entry of transport ``kernel``."""
    return _event(chomp(entry.message), entry.time_s, stream)


def _event(body: bytes, time_s: float, stream: Stream) -> Event:
    text = clean(body)
    match = _SEGFAULT.match(text)
    fields: dict[str, Value] = {}
    if match:
        fields = {
            "event": "segfault",
            "pid": int(match["pid"]),
            "comm": match["comm"],
            "library": match["library"] or "",
            "address": match["address"] or "",
        }
    return Event(time_s, "kernel", text, trusted=True, fields=fields, stream=stream.name)


def is_oom_part(text: str) -> bool:
    """Whether a line belongs to an OOM report (the kill line itself is ``is_kill``)."""
    return _PART.match(text) is not None


def starts_oom(text: str) -> bool:
    """Whether a line can only be the first of a report."""
    return " invoked oom-killer: " in text[:200]


def names_group(text: str) -> bool:
    """Whether a line announces that a whole group dies with its first victim."""
    return text.startswith("Tasks in ") and "memory.oom.group" in text[:8192]


def is_kill(text: str) -> bool:
    """Whether the kernel names the process it killed."""
    return "Killed process " in text[:100]


def oom_fields(lines: list[str]) -> dict[str, Value]:
    """Read a report from whatever lines of it there are; the last is a kill line or the summary."""
    fields: dict[str, Value] = {"event": "oom-kill", "unit": ""}
    header: list[str] = []
    rows: list[dict[str, Value]] = []
    for line in lines:
        if _HEAD.match(line):
            header = line.partition("]")[2].split()
        elif header and (row := _ROW.match(line)):
            rows.append(_row(header, row))
        else:
            _read_line(line, fields)
    if fields.get("task_memcg"):
        fields["unit"] = unit_of(str(fields["task_memcg"]))
    fields.update(_table_fields(rows, fields.get("pid"), fields.get("comm")))
    return fields


def unit_of(cgroup: str) -> str:
    """Name the last ``*.service`` of a cgroup path, or ''."""
    return next((part for part in reversed(cgroup.split("/")) if part.endswith(".service")), "")


def _read_line(line: str, fields: dict[str, Value]) -> None:
    if match := _SUMMARY.search(line):
        _read_summary(match, fields)
    elif match := _USAGE.match(line):
        fields["usage_bytes"] = int(match["usage"]) * 1024
        if int(match["limit"]) < _UNLIMITED_KB:
            fields["limit_bytes"] = int(match["limit"]) * 1024
    elif match := _STATS.match(line):
        fields.setdefault("oom_memcg", clean_text(match["path"], 4096))
    elif match := _OLD.match(line):
        fields.update(constraint="memcg", task_memcg=match["task"], oom_memcg=match["oom"])
    _read_kill(line, fields)


def _read_summary(match: re.Match[str], fields: dict[str, Value]) -> None:
    fields["pid"], fields["comm"] = int(match["pid"]), match["comm"]
    fields["constraint"] = "memcg" if match["constraint"] == "CONSTRAINT_MEMCG" else "host"
    fields["task_memcg"] = match["task"] or ""
    if match["oom"]:
        fields["oom_memcg"] = match["oom"]


def _read_kill(line: str, fields: dict[str, Value]) -> None:
    if line.startswith("Memory cgroup out of memory"):
        fields["constraint"] = "memcg"
    elif line.startswith("Out of memory"):
        fields.setdefault("constraint", "host")
    match = _KILLED.search(line[:500])
    if match is None:
        return
    fields["pid"], fields["comm"] = int(match["pid"]), match["comm"]
    if match["anon"]:
        fields["anon_rss_bytes"] = int(match["anon"]) * 1024
        parts = (match["anon"], match["file"], match["shmem"])
        fields["victim_rss_bytes"] = sum(int(part or 0) for part in parts) * 1024


def _row(header: list[str], match: re.Match[str]) -> dict[str, Value]:
    columns = dict(zip(header, match["columns"].split(None, len(header) - 1), strict=False))
    rss = columns.get("rss", "0")
    rss_bytes = int(rss) * PAGE_BYTES if rss.isdigit() and len(rss) < 16 else 0
    return {"pid": int(match["pid"]), "name": columns.get("name", "").strip(), "rss_bytes": rss_bytes}


def _table_fields(rows: list[dict[str, Value]], pid: Value, comm: Value) -> dict[str, Value]:
    if not rows:
        return {}
    same = [row for row in rows if row["name"] == comm]
    others = [_rss(row) for row in same if row["pid"] != pid]
    fields: dict[str, Value] = {
        "tasks": len(rows),
        "same_name_tasks": len(same),
        "sum_same_name_rss_bytes": sum(_rss(row) for row in same),
    }
    if victims := [row for row in rows if row["pid"] == pid]:
        fields["victim_rss_bytes"] = _rss(victims[-1])
    if others:
        fields["median_same_name_rss_bytes"] = int(median(others))
    foreign = max((row for row in rows if row["name"] != comm), key=_rss, default=None)
    if foreign:
        fields["largest_other_comm"] = foreign["name"]
        fields["largest_other_rss_bytes"] = foreign["rss_bytes"]
    return fields


def _rss(row: dict[str, Value]) -> int:
    value = row["rss_bytes"]
    return value if isinstance(value, int) else 0
