"""``analyzerctl recommendations``, ``apply`` and ``rollback``: what was recommended, done and undone by a person."""

from __future__ import annotations

import argparse
import fcntl
import getpass
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from analyzerd.cli import applying
from analyzerd.cli.nginx_check import checked_on_copy
from analyzerd.cli.stored import now_s, read_config
from analyzerd.core.buckets import decode_bucket, figures
from analyzerd.core.changes import shown
from analyzerd.core.edits import EditError, as_bytes, unified
from analyzerd.core.edits import rollback as reverse
from analyzerd.daemon.wiring import here
from analyzerd.errors import AnalyzerdError
from analyzerd.model import Advised, Incident
from analyzerd.model import Command as Asked
from analyzerd.render.phrases import line
from analyzerd.render.redact import redact
from analyzerd.sources.proposed import Command, Proposal, propose
from analyzerd.store.db import Store
from analyzerd.units import format_time

CHECK_S = 30.0
ON_COPY = "validated: `nginx -t` accepts it, on a copy that nobody else sees"
RELOAD_S = 120.0


def run(arguments: argparse.Namespace) -> int:
    """List recommendations, show one, print its diff, or dismiss it."""
    _tell_unfinished(arguments)
    if arguments.action == "list":
        return _list(arguments)
    advised, incident, _ = _found(arguments)
    if arguments.action == "dismiss":
        with closing(Store(read_config(arguments).database)) as store:
            store.ask(Asked(now_s(), "dismiss", advised.id, getpass.getuser()))
        sys.stdout.write(f"{advised.id} is dismissed\n")
        return 0
    if arguments.action == "diff":
        _print_diff(unified_of(propose(incident, advised.setting, here(read_config(arguments)))))
        return 0
    return _show(arguments, advised, incident)


def _list(arguments: argparse.Namespace) -> int:
    with closing(Store.open_readonly(read_config(arguments).database)) as store:
        rows = store.recommendations()
    if arguments.json:
        sys.stdout.write(json.dumps({"recommendations": [_json(one) for one in rows]}, indent=2) + "\n")
        return 0
    for one in rows:
        sys.stdout.write(f"{one.id}  {one.state:15}  {line(one.app, 40)}: {_change(one)}  ({one.incident})\n")
    if not rows:
        sys.stdout.write("nothing was recommended\n")
    return 0


def _show(arguments: argparse.Namespace, advised: Advised, incident: Incident) -> int:
    try:
        proposal, why = propose(incident, advised.setting, here(read_config(arguments))), ""
    except EditError as error:
        proposal, why = None, str(error)
    diff = unified_of(proposal) if proposal else ""
    if arguments.json:
        undo = "".join(reverse(edit) for edit in proposal.edits) if proposal else ""
        said = {
            "diff": diff,
            "rollback": undo,
            "no_diff_because": why,
            "checks": [*proposal.checks, *proposal.warnings] if proposal else [],
        }
        whole = {**_json(advised), **{key: _plain(v) if isinstance(v, str) else v for key, v in said.items()}}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{advised.id}  {advised.state}  {line(advised.app, 40)}: {_change(advised)}\n")
    sys.stdout.write(f"  for {advised.incident} ({advised.cause})\n  promise: {line(advised.promise, 400)}\n")
    sys.stdout.write(f"no diff: {_plain(why)}\n" if proposal is None else f"\n{_plain(diff)}\n")
    _tell_after(proposal)
    return 0


def apply(arguments: argparse.Namespace) -> int:
    """Show the diff, ask, write, validate; with --reload put it into effect. What fails is restored at once."""
    with _home(arguments) as home:
        _recover(home)
        advised, incident, known_good = _found(arguments)
        plan = next((one for one in applying.plans(home) if one.id == advised.id), None)
        if plan is not None and plan.phase == applying.APPLIED:
            raise AnalyzerdError(f"{advised.id} is applied already; analyzerctl rollback {advised.id} undoes it")
        proposal = propose(incident, advised.setting, here(read_config(arguments)))
        sys.stdout.write(_plain(unified_of(proposal)))
        if proposal.nginx_check and checked_on_copy(proposal.edits, proposal.nginx_check):
            sys.stdout.write(f"{ON_COPY}\n")
        for said in proposal.warnings:
            sys.stdout.write(f"{_plain(said)}\n")
        _ask(arguments, f"Change {', '.join(edit.path for edit in proposal.edits)}?")
        plan = applying.apply(home, advised.id, proposal.edits, now_s(), known_good, applying.no_step)
        commands = proposal.commands if arguments.reload else ()
        try:
            _run_all((proposal.nginx_check,) if proposal.nginx_check else (), CHECK_S)
            _run_all(commands, RELOAD_S)
        except AnalyzerdError as error:
            applying.undo(home, plan, applying.no_step)
            raise AnalyzerdError(f"{error}\nevery file is as it was before{_again(commands)}") from error
        applying.accept(home, plan, applying.no_step)
    sys.stdout.write(f"applied; undo it with: analyzerctl rollback {advised.id}\n")
    if not arguments.reload:
        _tell_after(proposal)
    return 0


def rollback(arguments: argparse.Namespace) -> int:
    """Bring the files back as they were, if they are still what was applied."""
    with _home(arguments) as home:
        _recover(home)
        plan = next((one for one in applying.plans(home) if one.id == arguments.id.upper()), None)
        if plan is None or plan.phase != applying.APPLIED:
            raise AnalyzerdError(f"{arguments.id} is not applied")
        _ask(arguments, f"Bring back {', '.join(file.path for file in plan.files)}?")
        applying.undo(home, plan, applying.no_step)
        commands = [tuple(str(word) for word in one) for one in _listed(plan.known_good.get("commands"))]
        if arguments.reload:
            _run_all(commands, RELOAD_S)
    sys.stdout.write("every file is as it was before\n")
    for command in () if arguments.reload else commands:
        sys.stdout.write(f"to put it into effect: {' '.join(command)}\n")
    return 0


def _listed(value: object) -> list[list[object]]:
    return value if isinstance(value, list) else []


def unified_of(proposal: Proposal) -> str:
    """The diffs of all its files."""
    return "".join(unified(edit) for edit in proposal.edits)


def _found(arguments: argparse.Namespace) -> tuple[Advised, Incident, dict[str, object]]:
    """The recommendation, its incident, and what holds now."""
    with closing(Store.open_readonly(read_config(arguments).database)) as store:
        advised = next((one for one in store.recommendations() if one.id == arguments.id.upper()), None)
        incident = store.incident(advised.incident) if advised else None
        if advised is None or incident is None:
            raise AnalyzerdError(f"no recommendation {arguments.id!r}; `analyzerctl recommendations list` names them")
        saved = [decode_bucket(content) for app, content in store.buckets(0.0) if app == advised.app]
    now = figures([one for one in saved if one is not None])
    values = {one.setting: one.current for one in incident.recommendations}
    return (
        advised,
        incident,
        {"values": values, "figures": msgspec.to_builtins(now), "commands": _commands(arguments, incident, advised)},
    )


def _commands(arguments: argparse.Namespace, incident: Incident, advised: Advised) -> list[Command]:
    try:
        return list(propose(incident, advised.setting, here(read_config(arguments))).commands)
    except EditError:
        return []


@contextmanager
def _home(arguments: argparse.Namespace) -> Iterator[Path]:
    """The folder of what was applied: root's own, one process at a time."""
    if os.geteuid() != 0:
        raise AnalyzerdError("this writes configuration files: run it as root")
    home = _place(arguments)
    home.mkdir(mode=0o700, exist_ok=True)
    for folder in (home, *home.parents):
        _trust(folder)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnalyzerdError("another apply or rollback is running") from None
        try:
            yield home
        except OSError as error:
            raise AnalyzerdError(f"{error.filename or home}: {error.strerror}") from error


def _place(arguments: argparse.Namespace) -> Path:
    """Beside the state folder, which is the daemon's: what root writes back must not be the daemon's to change."""
    state = Path(read_config(arguments).state_dir).resolve()
    return state.with_name(f"{state.name}-applied")


def _trust(folder: Path) -> None:
    seen = folder.lstat()
    shared = seen.st_mode & 0o022 and not seen.st_mode & stat.S_ISVTX
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != 0 or shared:
        raise AnalyzerdError(
            f"{folder} must be a folder that only root can write: see who made it and who may write it"
        )


def _recover(home: Path) -> None:
    for said in applying.recover(home, applying.no_step):
        sys.stderr.write(said + "\n")


def _tell_unfinished(arguments: argparse.Namespace) -> None:
    """Finish what was broken off, as far as this user may."""
    if os.geteuid() == 0 and _place(arguments).is_dir():
        with _home(arguments) as home:
            _recover(home)


def _ask(arguments: argparse.Namespace, question: str) -> None:
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise AnalyzerdError("nobody can be asked here: give --yes")
    sys.stdout.write(f"{_plain(question)} [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise AnalyzerdError("nothing was changed")


def _run_all(commands: Sequence[Command], most_s: float) -> None:
    for command in commands:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=most_s, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AnalyzerdError(f"{' '.join(command)} could not be run: {error}") from error
        if done.returncode:
            raise AnalyzerdError(f"{' '.join(command)} failed: {_plain(done.stderr[-2000:]).strip()}")


def _again(commands: Sequence[Command]) -> str:
    """Put the old files into effect again, where the new ones may have been."""
    try:
        _run_all(commands, RELOAD_S)
    except AnalyzerdError as error:
        return f"; putting them into effect again: {error}"
    return ", and in effect again" if commands else ""


def _tell_after(proposal: Proposal | None) -> None:
    for said in (*proposal.checks, *proposal.warnings) if proposal else ():
        sys.stdout.write(f"{_plain(said)}\n")
    for command in proposal.commands if proposal else ():
        sys.stdout.write(f"to put it into effect: {' '.join(command)}\n")


def _print_diff(diff: str) -> None:
    """For a program as it is, for a terminal without what could do harm there."""
    if sys.stdout.isatty():
        sys.stdout.write(_plain(diff))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(as_bytes(diff))


def _plain(text: str) -> str:
    kept = (c if c.isprintable() or c in "\n\t" else "" if c == "\r" else "?" for c in text)
    return "\n".join(redact(one) for one in "".join(kept).split("\n"))


def _change(one: Advised) -> str:
    return line(f"{one.setting} {shown(one.current)} -> {shown(one.proposed)}", 160)


def _json(one: Advised) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(one)
    return {**found, "made": format_time(one.made_s)}
