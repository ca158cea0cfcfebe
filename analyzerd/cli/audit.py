"""``analyzerctl audit``: the tuning guide's checklist and its signs of over-tuning, judged by what is measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from analyzerd.cli.audited import Looked, of_paths
from analyzerd.cli.diagnose import load_rules
from analyzerd.cli.terminal import colour
from analyzerd.core.audit import ITEMS, Finding, Outcome, audit
from analyzerd.errors import AnalyzerdError
from analyzerd.render.audit import as_json, details, listing, table


def run(arguments: argparse.Namespace) -> int:
    """Audit and print; exit 1 only with --fail-on."""
    if arguments.list:
        sys.stdout.write(listing(ITEMS))
        return 0
    if arguments.item and arguments.item not in (item.id for item in ITEMS):
        raise AnalyzerdError(f"no item {arguments.item!r}; `analyzerctl audit --list` names them all")
    looked = _looked(arguments)
    findings = list(_findings(looked, arguments.item))
    if arguments.json:
        sys.stdout.write(as_json(findings, looked.notes))
    elif arguments.item:
        sys.stdout.write(details(findings, colour=colour(arguments)))
    else:
        sys.stdout.write(table(findings, () if arguments.quiet else looked.notes, colour=colour(arguments)))
    failed = any(finding.answer.outcome is Outcome.FAIL for finding in findings)
    return 1 if arguments.fail_on and failed else 0


def _looked(arguments: argparse.Namespace) -> Looked:
    rules = load_rules([])
    if arguments.paths:
        return of_paths(arguments, rules)
    from analyzerd.cli.audit_live import of_machine  # noqa: PLC0415 - only here the daemon's packages are needed

    return of_machine(arguments, rules)


def _findings(looked: Looked, item: str) -> Iterator[Finding]:
    for subject in looked.subjects:
        yield from (finding for finding in audit(subject) if not item or finding.item.id == item)
