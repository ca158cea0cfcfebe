"""``analyzerctl explain``: one line beside every rule, or an incident with all its suspects and what to do next."""

from __future__ import annotations

import argparse
import json
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from analyzerd.cli import explain_line
from analyzerd.cli.diagnose import DAY_S, diagnose_given
from analyzerd.cli.findings import incident_json
from analyzerd.cli.inputs import given
from analyzerd.cli.rules import rules_in_force
from analyzerd.cli.terminal import Progress
from analyzerd.core.checks import Next, next_checks
from analyzerd.errors import AnalyzerdError
from analyzerd.model import Incident
from analyzerd.render.explained import command, explained
from analyzerd.render.redact import redact
from analyzerd.rules.schema import RuleSet

_ID = re.compile(r"INC-[A-Z2-7]{0,10}", re.IGNORECASE)


def run(arguments: argparse.Namespace) -> int:
    """Explain the line, or the incidents asked for."""
    if arguments.line is not None:
        if arguments.what:
            raise AnalyzerdError("--line explains one line; leave INCIDENT and PATH away")
        return explain_line.run(arguments, rules_in_force(arguments.rules_dir))
    found, rules = _incidents(arguments)
    laid_open = [(incident, next_checks(incident, rules)) for incident in found]
    if arguments.json:
        whole = {"schema": "analyzerd.explain/1", "incidents": [_as_json(*pair) for pair in laid_open]}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(explained(*pair) for pair in laid_open) or "No problem was found.\n")
    return 0


def _incidents(arguments: argparse.Namespace) -> tuple[list[Incident], RuleSet]:
    """Those of the files named; without files the one asked for, from the daemon's database, by the daemon's rules."""
    wanted = [text.upper() for text in arguments.what if _ID.fullmatch(text)]
    arguments.paths = [text for text in arguments.what if not _ID.fullmatch(text)]
    if not (wanted or arguments.paths):
        raise AnalyzerdError("name an incident (`analyzerctl incidents` lists them), a PATH, or --line TEXT")
    if not arguments.paths:
        return _stored(arguments, wanted)
    source, rules = given(arguments, DAY_S), rules_in_force(arguments.rules_dir)
    found = diagnose_given(source, rules, Progress("reading", source.size_bytes, quiet=arguments.quiet)).incidents
    chosen = [i for i in found if not wanted or any(i.id.startswith(name) for name in wanted)]
    if wanted and not chosen:
        known = ", ".join(i.id for i in found) or "none"
        raise AnalyzerdError(f"no incident {wanted[0]} in these files; found: {known}")
    return chosen, rules


def _stored(arguments: argparse.Namespace, names: list[str]) -> tuple[list[Incident], RuleSet]:
    from analyzerd.config import load  # noqa: PLC0415 - offline questions need no configuration
    from analyzerd.daemon.wiring import load_rules  # noqa: PLC0415
    from analyzerd.store.db import Store  # noqa: PLC0415

    config = load(Path(arguments.config) if arguments.config else None)
    with closing(Store.open_readonly(config.database)) as store:
        found = [(name, store.incident(name)) for name in names]
    for name, incident in found:
        if incident is None:
            raise AnalyzerdError(f"no incident begins with {name!r}; `analyzerctl incidents` lists them")
    rules = load_rules(config, folders=tuple(map(Path, arguments.rules_dir)))
    return [incident for _, incident in found if incident is not None], rules


def _as_json(incident: Incident, checks: list[Next]) -> dict[str, Any]:
    return {**incident_json(incident), "next": [_next_json(one, incident) for one in checks]}


def _next_json(one: Next, incident: Incident) -> dict[str, Any]:
    return {
        "check": one.check.id,
        "shows": one.check.shows,
        "do": command(one, incident),
        "about_the_past": one.check.back,
        "decides": one.decides,
        "would_answer": [{"cause": cause, "missing": redact(says)} for cause, says in one.opens],
    }
