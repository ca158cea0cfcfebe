"""``analyzerctl diagnose``: the engine over logs that are there, in event time. Writes nothing anywhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from analyzerd.cli.findings import Findings, as_json, as_text
from analyzerd.cli.inputs import Given, flow, given
from analyzerd.cli.terminal import Progress, colour
from analyzerd.core.engine import Engine, Options
from analyzerd.core.facts import FACTS
from analyzerd.core.replay import replay
from analyzerd.core.solvers import SOLVERS
from analyzerd.errors import RuleError
from analyzerd.model import Benign, Effect, Incident, SaveBenign, SaveIncident, Severity, State
from analyzerd.rules.layers import build
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.archive import Archive
from analyzerd.sources.proposed import Here, with_diffs
from analyzerd.sources.rulefiles import read_layers

DAY_S = 86400.0
AT_LEAST = {"warning": (Severity.CRITICAL, Severity.WARNING), "critical": (Severity.CRITICAL,)}


def run(arguments: argparse.Namespace) -> int:
    """Diagnose and print; exit 1 only with --fail-on."""
    source, rules = given(arguments, DAY_S), load_rules(arguments.rules_dir)
    found = diagnose_given(source, rules, Progress("reading", source.size_bytes, quiet=arguments.quiet))
    if not arguments.paths:  # this machine's journal is about this machine's files
        found.incidents = [with_diffs(incident, Here()) for incident in found.incidents]
    sys.stdout.write(as_json(found) if arguments.json else as_text(found, colour(arguments), arguments.full))
    bad = AT_LEAST.get(arguments.fail_on or "", ())
    return 1 if any(i.severity in bad for i in found.incidents) else 0


def load_rules(folders: Iterable[str]) -> RuleSet:
    """Vendor rules and those of more folders; a mistake in a folder the user named is an error."""
    rules = build(read_layers([Path(f) for f in folders]), facts=FACTS, solvers=SOLVERS)
    if rules.problems:
        raise RuleError(rules.problems[0])
    return rules


def diagnose(archive: Archive, rules: RuleSet) -> Findings:
    """Run the engine over an archive and collect what it ends with."""
    return diagnose_given(Given(archive), rules)


def diagnose_given(source: Given, rules: RuleSet, progress: Progress | None = None) -> Findings:
    """Run the engine over what a verb was given."""
    found = Findings()
    _collect(replay(Engine(rules, Options()), flow(source, rules, found, progress)), found)
    if progress is not None:
        progress.end()
    return found


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
            case _:
                pass
    order = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
    found.incidents = sorted(
        incidents.values(), key=lambda i: (i.state is State.RESOLVED, order[i.severity], i.first_seen_s, i.id)
    )
    found.benign = [benign[key] for key in sorted(benign)]
