"""Reads what systemd, systemd-coredump and journald say of a unit: by MESSAGE_ID, else by text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from analyzerd.formats.clean import clean, clean_text
from analyzerd.model import Entry, Event, Stream, Value

BY_ID: Mapping[str, str] = {
    "fe6faa94e7774663a0da52717891d8ef": "unit-oom-kill",
    "d989611b15e44c9dbf31e3c81256e4ed": "unit-oomd-kill",
    "98e322203f7a4ed290d09fe03c09fe15": "main-exited",
    "d9b373ed55a64feb8242e02dbe79a49c": "failed",
    "5eb03494b6584870a536b337290809b3": "restart-scheduled",
    "641257651c1b4ec9a8624d7a40a9e1e7": "spawn-failed",
    "39f53479d3a045ac8e11786248231fbf": "started",
    "7d4958e842da4a758f6c1cdc7b36dcc5": "starting",
    "be02cf6855d2428ba40df7e9d022f03d": "start-failed",
    "9d1aaa27d60140bd96365438aad20286": "stopped",
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
    "d34d037fff1847e6ae669a370e694725": "reloading",
    "7b05ebc668384222baa8881179cfda54": "reloaded",
    "7ad2d189f7e94e70a38c781354912448": "deactivated",
    "ae8f7b866b0347b9af31fe1c80b127c0": "consumed",
    "fc2e22bc6ee647b6b90729ab34a250b1": "coredump",
    "a596d6fe7bfa4994828e72309e95d61e": "suppressed",
}
_UNIT = r"(?P<unit>[\w:.\\@-]{1,255}\.(?:service|socket|scope|slice|target|mount|timer)): "
_BY_TEXT = tuple(
    (event, re.compile(pattern))
    for event, pattern in (
        ("unit-oom-kill", _UNIT + r"A process of this unit has been killed by the OOM killer\."),
        ("unit-oomd-kill", _UNIT + r"systemd-oomd killed \d+ process"),
        (
            "unit-oomd-kill",
            r"Killed (?:/\S*/)?(?P<unit>[\w:.\\@-]{1,255}\.service) due to memory (?:pressure|used)",
        ),
        ("control-exited", _UNIT + r"Control process exited, code=(?P<code>\w+), status=(?P<status>\d+)"),
        ("main-exited", _UNIT + r"Main process exited, code=(?P<code>\w+), status=(?P<status>\d+)"),
        ("failed", _UNIT + r"Failed with result '(?P<result>[\w-]+)'"),
        ("restart-scheduled", _UNIT + r"Scheduled restart job, restart counter is at (?P<restarts>\d{1,9})"),
        (
            "spawn-failed",
            _UNIT + r"(?:Failed at step \w+ spawning|Failed to locate executable|Unable to locate exec)",
        ),
        ("start-limit", _UNIT + r"Start request repeated too quickly"),
        ("stop-timeout", _UNIT + r"State '(?:stop|final)[\w-]*' timed out"),
        ("start-timeout", _UNIT + r"start operation timed out"),
        ("watchdog", _UNIT + r"Watchdog timeout"),
        (
            "killing",
            _UNIT + r"Killing process (?P<pid>\d{1,10}) \((?P<comm>.{0,64})\) with signal (?P<signal>\w+)",
        ),
        ("deactivated", _UNIT + r"(?:Deactivated successfully|Succeeded)\."),
        ("consumed", _UNIT + r"Consumed "),
        (
            "coredump",
            r"Process (?P<core>\d{1,10}) \((?P<comm>.{0,64})\) of user \d+ (?:dumped|terminated)",
        ),
        ("suppressed", r"Suppressed (?P<dropped>\d{1,12}) messages from (?P<unit>\S{1,255})"),
        ("start-failed", r"Failed to start (?P<unit>[\w:.\\@-]{1,255}\.service)\b"),
        *(
            (word.lower(), word + r" (?P<unit>[\w:.\\@-]{1,255}\.service)\b")
            for word in ("Started", "Starting", "Stopped", "Stopping", "Reloading", "Reloaded")
        ),
    )
)
_FROM_FIELDS = (
    ("exit_code", "EXIT_CODE", False),
    ("exit_status", "EXIT_STATUS", True),
    ("result", "UNIT_RESULT", False),
    ("restarts", "N_RESTARTS", True),
    ("job_type", "JOB_TYPE", False),
    ("job_result", "JOB_RESULT", False),
    ("coredump_pid", "COREDUMP_PID", True),
    ("coredump_signal", "COREDUMP_SIGNAL_NAME", False),
    ("coredump_comm", "COREDUMP_COMM", False),
    ("dropped", "N_DROPPED", True),
    ("command", "COMMAND", False),
    ("memory_peak_bytes", "MEMORY_PEAK", True),
    ("processes", "N_PROCESSES", True),
    ("executable", "EXECUTABLE", False),
    ("errno", "ERRNO", True),
)
_FROM_TEXT = (
    ("exit_code", "code", False),
    ("exit_status", "status", True),
    ("result", "result", False),
    ("restarts", "restarts", True),
    ("pid", "pid", True),
    ("comm", "comm", False),
    ("signal", "signal", False),
    ("coredump_pid", "core", True),
    ("dropped", "dropped", True),
)


def is_manager(entry: Entry) -> bool:
    """Whether an entry comes from systemd's own programs, as far as trusted fields can say."""
    if entry.pid == 1:
        return True
    event = BY_ID.get(entry.fields.get("MESSAGE_ID", ""), "")
    if entry.unit in ("", "init.scope") or entry.unit.startswith("systemd-"):
        return bool(event) or entry.identifier.startswith("systemd")
    # Any service may send any MESSAGE_ID; only the child that systemd forked has to speak from inside a unit.
    return event == "spawn-failed" and entry.transport == "journal"


def parse_entry(entry: Entry, stream: Stream) -> Event | None:
    """Read a manager entry; None for one that says nothing of the known kinds."""
    text = clean(entry.message)
    event = BY_ID.get(entry.fields.get("MESSAGE_ID", ""), "")
    by_text, found = _by_text(text)
    event = event or by_text
    if not event:
        return None
    if event == "main-exited" and (by_text == "control-exited" or _is_control(entry)):
        event = "control-exited"
    fields: dict[str, Value] = {"event": event, **found, **_typed(entry.fields, _FROM_FIELDS)}
    unit = _unit(entry, str(found.get("unit", "")))
    fields.pop("unit", None)
    return Event(entry.time_s, "systemd", text, unit, entry.pid, _trusted(entry), fields, stream.name)


def parse(line: bytes, stream: Stream) -> Event | None:
    """Read the message part of a manager line of a plain-text journal (nothing vouches for it)."""
    text = clean(line.rstrip(b"\r\n"))
    event, found = _by_text(text)
    if not event:
        return None
    unit = str(found.pop("unit", "")) or stream.unit
    return Event(0.0, "systemd", text, unit, fields={"event": event, **found}, stream=stream.name)


def _by_text(text: str) -> tuple[str, dict[str, Value]]:
    for event, pattern in _BY_TEXT:
        match = pattern.match(text)
        if match:
            groups = {name: value for name, value in match.groupdict().items() if value}
            found = _typed(groups, _FROM_TEXT)
            return event, {**found, "unit": groups.get("unit", "")}
    return "", {}


def _typed(texts: Mapping[str, str], names: tuple[tuple[str, str, bool], ...]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, key, number in names:
        text = texts.get(key, "")
        if number and text.isascii() and text.isdigit() and len(text) < 19:
            found[name] = int(text)
        elif text and (not number or name == "exit_status"):
            found[name] = clean_text(text, 1024)
    return found


def _is_control(entry: Entry) -> bool:
    command = entry.fields.get("COMMAND", "")
    return bool(command) and command != "ExecStart"


def _unit(entry: Entry, named: str) -> str:
    fields = entry.fields
    told = fields.get("UNIT") or fields.get("COREDUMP_UNIT") or fields.get("USER_UNIT") or named
    return clean_text(told or entry.unit, 256)


def _trusted(entry: Entry) -> bool:
    return entry.pid == 1 or entry.unit.startswith(("systemd-", "init.scope"))
