"""``analyzerctl changes`` lists what was changed about the apps; ``deploy`` announces a deploy to the daemon."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from contextlib import closing
from pathlib import Path

from analyzerd.cli.stored import now_s, read_config
from analyzerd.cli.times import parse_when
from analyzerd.core.changes import DEPLOY_MOST_S, shown
from analyzerd.errors import AnalyzerdError
from analyzerd.model import Change, Command, Verified
from analyzerd.render.phrases import line, minute
from analyzerd.render.verdict import headline
from analyzerd.store.db import Store
from analyzerd.units import format_duration, format_time

DAY_S = 86400.0


def run(arguments: argparse.Namespace) -> int:
    """Print changes and the verdicts on them, oldest first."""
    since_s = parse_when(arguments.since, now_s()) if arguments.since else now_s() - 7 * DAY_S
    until_s = parse_when(arguments.until, now_s()) if arguments.until else now_s()
    with closing(Store.open_readonly(read_config(arguments).database)) as store:
        found = [one for one in store.changes(since_s) if one.time_s <= until_s and _of(one.app, arguments.app)]
        told = [v for v in store.verdicts() if since_s <= v.decided_s <= until_s and _of(v.app, arguments.app)]
    if arguments.json:
        whole = {"changes": [_change_json(one) for one in found], "verdicts": [_verdict_json(one) for one in told]}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return 0
    rows = [(one.time_s, _row(one)) for one in found] + [(one.decided_s, f"verdict   {headline(one)}") for one in told]
    for time_s, row in sorted(rows):
        sys.stdout.write(f"{minute(time_s)}  {row}\n")
    if not rows:
        sys.stdout.write("no changes were seen\n")
    return 0


def _of(app: str, wanted: str) -> bool:
    return not wanted or app in ("", wanted)


def _row(change: Change) -> str:
    moved = f" {shown(change.before)} -> {shown(change.after)}" if change.before is not None else ""
    said = f" {shown(change.after)}" if change.before is None and change.after is not None else ""
    where = f"  ({line(change.where, 120)})" if change.where else ""
    what = line(f"{change.what}{moved}{said}".strip(), 200)
    return f"{change.kind:9} {line(change.app, 40) or 'host'}: {what or change.kind}{where}"


def _change_json(change: Change) -> dict[str, object]:
    return {
        "time": format_time(change.time_s),
        "app": change.app,
        "kind": change.kind,
        "what": change.what,
        "before": change.before,
        "after": change.after,
        "where": change.where,
    }


def _verdict_json(one: Verified) -> dict[str, object]:
    figures = ("mean_s", "p50_s", "p95_s", "p99_s", "failed_share", "cpu", "memory_bytes", "rate", "requests")
    return {
        "id": one.id,
        "incident": one.incident,
        "app": one.app,
        "cause": one.cause,
        "setting": one.setting,
        "changed": format_time(one.changed_s),
        "decided": format_time(one.decided_s),
        "outcome": one.outcome.value,
        "because": one.because,
        "before": {"value": one.before, **{name: getattr(one.was, name) for name in figures}},
        "after": {"value": one.after, **{name: getattr(one.now, name) for name in figures}},
        "rollback": one.rollback,
    }


def deploy(arguments: argparse.Namespace) -> int:
    """Tell the daemon that a deploy begins or has ended; it ends by itself when its time is over."""
    config = read_config(arguments)
    starts = arguments.action == "start"
    if not Path(config.database).exists():
        raise AnalyzerdError(f"{config.database} is not there: has analyzerd run on this machine?")
    for_s = min(arguments.ttl_s, DEPLOY_MOST_S) if starts else 0.0
    note = line(arguments.name, 80) if starts else ""
    command = Command(now_s(), f"deploy-{arguments.action}", "", getpass.getuser(), arguments.app, note, for_s)
    with closing(Store(config.database)) as store:
        store.ask(command)
    what = f"deploy {note}".strip()
    said = f"{what} started; taken for ended in {format_duration(for_s)}" if starts else "deploy finished"
    sys.stdout.write(said + "\n")
    return 0
