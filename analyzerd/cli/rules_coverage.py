"""``analyzerctl rules coverage``: the table of what is proved of every cause, harmless finding and signal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from analyzerd.core.rehearse import rehearse
from analyzerd.core.scenario import diagnose_scenario
from analyzerd.rules.coverage import Row, coverage, percent
from analyzerd.rules.schema import RuleSet
from analyzerd.rules.selftest import run_signal_tests
from analyzerd.sources.rulefiles import vendor_dir

GAP, UNKNOWN = "MISSING", "-"


def run(arguments: argparse.Namespace, rules: RuleSet) -> int:
    """Print the table; exit 1 when anything is missing."""
    rows = coverage(
        rules,
        lambda stream: diagnose_scenario(stream, rules),
        lambda rule: run_signal_tests(rule, rehearse),
        _pages(),
    )
    share = percent(rows)
    if arguments.json:
        told = [{"id": row.id, "kind": row.kind, **dict(row.cells), "gaps": list(row.gaps)} for row in rows]
        sys.stdout.write(json.dumps({"percent": round(share, 1), "rows": told}, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_table(rows, share, everything=arguments.verbose)) + "\n")
    return 1 if any(row.gaps for row in rows) else 0


def _pages() -> frozenset[str] | None:
    """Causes with a page; None outside a checkout, where the documentation is not installed."""
    folder = vendor_dir().parent / "docs" / "causes"
    return frozenset(path.stem for path in folder.glob("*.md")) if folder.is_dir() else None


def _table(rows: Sequence[Row], share: float, *, everything: bool) -> Iterator[str]:
    """Causes and harmless findings all, signals only where something is missing."""
    shown = [row for row in rows if everything or row.gaps or row.kind != "signal"]
    width = max(len(row.id) for row in shown)
    yield f"{'':{width}}  {'':7} {'rule':>8} {'shown by':>9} {'ruled out':>9} {'page':>8}"
    for row in shown:
        rule, shows, refutes, page = (_cell(count) for _, count in row.cells)
        yield f"{row.id:{width}}  {row.kind:7} {rule:>8} {shows:>9} {refutes:>9} {page:>8}"
    yield ""
    signals = [row for row in rows if row.kind == "signal"]
    whole = sum(not row.gaps for row in signals)
    yield f"{whole} of {len(signals)} signals have a line that matches and one that must not."
    if all(row.page is None for row in rows):
        yield "Pages are not counted: docs/causes is not installed, run this in a checkout."
    yield f"{int(share * 10) / 10:.1f} % covered" if share < 100 else "100 % covered"


def _cell(count: int | None) -> str:
    return UNKNOWN if count is None else str(count) if count else GAP
