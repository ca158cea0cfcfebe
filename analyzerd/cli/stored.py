"""``analyzerctl status``, ``incidents`` and ``report``: what the daemon's database holds, read while it runs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import closing
from pathlib import Path

from analyzerd.cli.findings import incident_json
from analyzerd.cli.terminal import colour
from analyzerd.cli.times import parse_when
from analyzerd.config import Config, load
from analyzerd.errors import AnalyzerdError
from analyzerd.model import Incident
from analyzerd.render import report as report_text
from analyzerd.render.text import incident_text
from analyzerd.store.db import Store
from analyzerd.store.outbox import Outbox

WEEK_S = 7 * 86400.0


def read_config(arguments: argparse.Namespace) -> Config:
    """The configuration that was asked for, else the usual one. Raises ConfigError."""
    return load(Path(arguments.config) if arguments.config else None)


def now_s() -> float:
    """Unix time."""
    return time.time()  # noqa: TID251 - a week back from now


def status(arguments: argparse.Namespace) -> int:
    """Print open problems, blind spots and what waits to be sent."""
    config = read_config(arguments)
    with closing(Store.open_readonly(config.database)) as store:
        found, blind = store.incidents(open_only=True), store.blind_spots()
    with closing(Outbox(config.database, readonly=True)) as outbox:
        waiting = [row for row in outbox.rows() if row.state == "due"]
    if arguments.json:
        whole = {
            "open": [incident_json(i) for i in found],
            "blind_spots": [{"source": h.source, "unit": h.unit, "why": h.why, "mend": h.mend} for h in blind],
            "waiting_to_be_sent": len(waiting),
        }
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{len(found)} open problems, {len(waiting)} messages waiting to be sent\n")
    for incident in found:
        sys.stdout.write(f"  {incident.id}  {incident.severity.value:8}  {incident.app}: {incident.title}\n")
    for spot in blind:
        sys.stdout.write(f"not seen: {spot.source}: {spot.why}\n" + (f"  mend: {spot.mend}\n" if spot.mend else ""))
    return 0


def incidents(arguments: argparse.Namespace) -> int:
    """List problems, or show one whole."""
    config = read_config(arguments)
    with closing(Store.open_readonly(config.database)) as store:
        if arguments.incident:
            return _one(arguments, store)
        since_s = parse_when(arguments.since, now_s()) if arguments.since else 0.0
        found = store.incidents(open_only=arguments.open_only, since_s=since_s)
    if arguments.until:
        until_s = parse_when(arguments.until, now_s())
        found = tuple(i for i in found if i.first_seen_s <= until_s)
    if arguments.json:
        sys.stdout.write(json.dumps({"incidents": [incident_json(i) for i in found]}, indent=2) + "\n")
        return 0
    for incident in found:
        sys.stdout.write(_row(incident) + "\n")
    if not found:
        sys.stdout.write("no incidents\n")
    return 0


def _one(arguments: argparse.Namespace, store: Store) -> int:
    incident = store.incident(arguments.incident)
    if incident is None:
        raise AnalyzerdError(f"no incident begins with {arguments.incident!r}; `analyzerctl incidents` lists them")
    if arguments.json:
        sys.stdout.write(json.dumps(incident_json(incident), indent=2) + "\n")
    else:
        sys.stdout.write(incident_text(incident, colour=colour(arguments), full=True) + "\n")
    return 0


def _row(incident: Incident) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(incident.last_seen_s))
    what = f"{incident.state.value:8}  {incident.severity.value:8}"
    return f"{incident.id}  {what}  {when}  {incident.app}: {incident.title}"


def report(arguments: argparse.Namespace) -> int:
    """Print the report of the last seven days, or of the window asked for."""
    here_s = now_s()
    since_s = parse_when(arguments.since, here_s) if arguments.since else here_s - WEEK_S
    until_s = parse_when(arguments.until, here_s) if arguments.until else here_s
    with closing(Store.open_readonly(read_config(arguments).database)) as store:
        found = tuple(i for i in store.incidents(since_s=since_s) if i.first_seen_s <= until_s)
        benign, blind, counts = store.benign(since_s), store.blind_spots(), store.signal_counts(since_s)
        advised = tuple(one for one in store.recommendations() if max(one.made_s, one.changed_s or 0) >= since_s)
    if arguments.json:
        whole = {
            "since": since_s,
            "until": until_s,
            "incidents": [incident_json(i) for i in found],
            "benign": [{"id": b.id, "app": b.app, "count": b.count, "because": b.because} for b in benign],
            "blind_spots": [{"source": h.source, "why": h.why, "mend": h.mend} for h in blind],
            "recommendations": [
                {"id": a.id, "incident": a.incident, "cause": a.cause, "setting": a.setting, "state": a.state}
                for a in advised
            ],
        }
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return 0
    window = {"since_s": since_s, "until_s": until_s}
    sys.stdout.write(report_text.report(found, benign, blind, **window, signal_counts=counts, advised=advised))
    return 0
