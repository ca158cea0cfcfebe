"""``analyzerctl diagnose``: the engine over logs that are there, in event time. Writes nothing anywhere."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from analyzerd.cli.findings import Findings, as_json, as_text
from analyzerd.cli.terminal import Progress, colour
from analyzerd.cli.times import parse_when
from analyzerd.core.engine import Engine, Options
from analyzerd.core.facts import FACTS
from analyzerd.core.intake import Intake
from analyzerd.core.replay import Timed, merged, replay
from analyzerd.core.solvers import SOLVERS
from analyzerd.errors import RuleError
from analyzerd.model import (
    Benign,
    CountSignals,
    Effect,
    Entries,
    Event,
    Health,
    Incident,
    Input,
    Lines,
    Sample,
    SaveBenign,
    SaveIncident,
    Severity,
    State,
)
from analyzerd.rules.layers import build
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.archive import Archive, Part, open_archive
from analyzerd.sources.rulefiles import read_layers
from analyzerd.sources.usual import NGINX_LOGS

DAY_S = 86400.0
AT_LEAST = {"warning": (Severity.CRITICAL, Severity.WARNING), "critical": (Severity.CRITICAL,)}


def run(arguments: argparse.Namespace) -> int:
    """Diagnose and print; exit 1 only with --fail-on."""
    now_s = time.time()  # noqa: TID251 - 'yesterday' and '-1h' are counted from now
    since_s = parse_when(arguments.since, now_s) if arguments.since else None
    until_s = parse_when(arguments.until, now_s) if arguments.until else None
    rules = load_rules(arguments.rules_dir)
    journal: list[JournalPart] = []
    if arguments.paths:
        offset_s = time.localtime().tm_gmtoff
        archive = open_archive(arguments.paths, arguments.as_kind, utc_offset_s=offset_s, now_s=now_s)
    else:
        archive, journal = _this_machine(now_s - DAY_S if since_s is None else since_s, until_s)
    progress = Progress("reading", _size_bytes(arguments.paths), quiet=arguments.quiet)
    found = diagnose(archive, rules, since_s, until_s, progress, journal)
    progress.end()
    sys.stdout.write(as_json(found) if arguments.json else as_text(found, colour(arguments), arguments.full))
    bad = AT_LEAST.get(arguments.fail_on or "", ())
    return 1 if any(i.severity in bad for i in found.incidents) else 0


def load_rules(folders: Iterable[str]) -> RuleSet:
    """Vendor rules and those of more folders; a mistake in a folder the user named is an error."""
    rules = build(read_layers([Path(f) for f in folders]), facts=FACTS, solvers=SOLVERS)
    if rules.problems:
        raise RuleError(rules.problems[0])
    return rules


def diagnose(
    archive: Archive,
    rules: RuleSet,
    since_s: float | None = None,
    until_s: float | None = None,
    progress: Progress | None = None,
    journal: Sequence[JournalPart] = (),
) -> Findings:
    """Run the engine over an archive and collect what it ends with."""
    found = Findings(blind=[h for h in archive.health if h.state == "blind"])
    engine, intake = Engine(rules, Options()), Intake(rules, {})
    for setting in archive.settings:
        intake.learn(setting)
    sources: list[Part | JournalPart] = [*archive.parts, *journal]
    parts = [_counted(part.name, part.blocks(), found, progress) for part in sources]
    timed = _within(merged(parts, intake), since_s, until_s, found)
    effects = replay(engine, _all_inputs(archive, timed))
    _collect(effects, found)
    for part in sources:
        found.blind += part.gaps
    return found


def _all_inputs(archive: Archive, timed: Iterable[Timed]) -> Iterator[Input]:
    yield from archive.settings
    yield from archive.health
    yield from timed


def _counted(
    name: str, blocks: Iterable[Lines | Entries | Sample], found: Findings, progress: Progress | None
) -> Iterator[Lines | Entries | Sample]:
    found.read.setdefault(name, 0)
    for block in blocks:
        match block:
            case Lines():
                found.read[name] += block.data.count(b"\n") + (not block.data.endswith(b"\n"))
                size = len(block.data)
            case Entries():
                found.read[name] += len(block.entries)
                size = 200 * len(block.entries)
            case Sample():
                found.read[name] += 1
                size = 0
        if progress is not None:
            progress.add(size)
        yield block


def _within(items: Iterable[Timed], since_s: float | None, until_s: float | None, found: Findings) -> Iterator[Timed]:
    for item in items:
        if (since_s is None or item.time_s >= since_s) and (until_s is None or item.time_s <= until_s):
            if isinstance(item, Event):
                name = item.stream.removeprefix("file:")
                found.matched[name] = found.matched.get(name, 0) + 1
            yield item


def _collect(effects: Iterable[Effect], found: Findings) -> None:
    incidents: dict[str, Incident] = {}
    benign: dict[tuple[str, str], Benign] = {}
    for effect in effects:
        match effect:
            case SaveIncident(incident=incident, reason=reason):
                incidents[incident.id] = incident
                if reason == "merged" or (reason == "resolved" and incident.resolution.startswith("not a problem")):
                    del incidents[incident.id]
            case SaveBenign():
                benign[effect.benign.app, effect.benign.id] = effect.benign
            case CountSignals():
                pass
    order = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
    found.incidents = sorted(
        incidents.values(), key=lambda i: (i.state is State.RESOLVED, order[i.severity], i.first_seen_s, i.id)
    )
    found.benign = [benign[key] for key in sorted(benign)]


def _this_machine(since_s: float, until_s: float | None) -> tuple[Archive, list[JournalPart]]:
    """The system journal and nginx's usual log files of this machine."""
    files = [path for path, _ in NGINX_LOGS if Path(path).is_file()]
    archive = open_archive(files, utc_offset_s=time.localtime().tm_gmtoff) if files else Archive(())
    return archive, [JournalPart(since_s, until_s)]


class JournalPart:
    """The journal of this machine as a part beside those of an archive."""

    name = "journal"

    def __init__(self, since_s: float, until_s: float | None) -> None:
        self._since_s, self._until_s = since_s, until_s
        self.gaps: list[Health] = []

    def blocks(self) -> Iterator[Entries]:
        """Read everything of the window. Raises SourceError where there is no journal to read."""
        from analyzerd.sources.journal import read_all  # noqa: PLC0415 - only here systemd is needed

        return read_all(None, (), self._since_s, self._until_s)


def _size_bytes(paths: Iterable[str]) -> int:
    total = 0
    for path in map(Path, paths):
        files = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
        total += sum(f.stat().st_size for f in files if f.is_file())
    return total
