"""``analyzerctl rules new``: a rule file from one raw line, to standard output or a new file; secrets hidden."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analyzerd.cli.explain_line import read
from analyzerd.core.draft import draft
from analyzerd.errors import AnalyzerdError, RuleError
from analyzerd.render.redact import redact
from analyzerd.sources.archive_kinds import ARCHIVE_KINDS


def run(arguments: argparse.Namespace) -> int:
    """Write the draft, and say what is left to do."""
    text = drafted(arguments.rule, arguments.line, arguments.as_kind)
    if not arguments.output:
        sys.stdout.write(text)
        return 0
    path = _place(Path(arguments.output), arguments.rule)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise AnalyzerdError(f"{path} is there already; nothing was written") from None
    except OSError as error:
        raise AnalyzerdError(f"cannot write {path}: {error.strerror}") from error
    if not arguments.quiet:
        sys.stdout.write(f"{path}: fill in what says TODO, then: analyzerctl replay --since -14d --rule {path}\n")
    return 0


def drafted(rule_id: str, line: str, as_kind: str = "") -> str:
    """Return the rule file for a line. Raises AnalyzerdError where none can be drafted."""
    found = read(redact(line.strip("\r\n")).encode(), as_kind)
    if not found.events:
        raise AnalyzerdError(f"no record of kind {found.kind} in this line; say its kind with --as")
    event, raw = found.events[0]
    kind = event.source if found.kind in ARCHIVE_KINDS else found.kind
    try:
        return draft(rule_id, raw.rstrip("\n"), event, kind)
    except (ValueError, RuleError) as problem:
        raise AnalyzerdError(f"no rule can be drafted: {problem}") from None


def _place(path: Path, rule_id: str) -> Path:
    """The file to write: in a folder it gets the name that a rule of this id must have."""
    name = f"{rule_id.rsplit('.', 1)[-1]}.yaml"
    if path.is_dir():
        return path / name
    if path.name != name:
        raise AnalyzerdError(f"rule {rule_id!r} must stand in a file named {name}")
    return path
