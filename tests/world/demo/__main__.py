"""The demo: break a real Flask app on gunicorn behind nginx, show what analyzerd says, check it, clean up.

    python -m tests.world.demo [--gunicorn 27.0.1] [--slack-fails SEED] [--kills N] [--only NAME ...]

Exit 0 only when every expected message came, none other did, and nothing of ours is left.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.world import cgroups
from tests.world.apps import wait_until
from tests.world.demo import verdict
from tests.world.demo.faults import FAULTS, Fault
from tests.world.demo.kills import Kills
from tests.world.demo.stage import Stage, stage

PATIENCE_S = 30.0
QUIET_S = 12.0
KILLS_S = 90.0
ANY_CGROUP = (cgroups.MARK, "journald-test-")
OUR_CGROUPS = (f"{cgroups.MARK}{os.getpid()}x", f"journald-test-{os.getpid()}-")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status says whether all was right."""
    options = _options(argv)
    if options.check_clean:
        return int(_report(leftovers("/analyzerd-demo-", ANY_CGROUP)))
    if os.geteuid() != 0:
        print("error: the demo puts processes into cgroups, which only root may do: sudo make demo")
        return 1
    began = time.monotonic()
    faults = [fault for fault in FAULTS if not options.only or fault.name in options.only]
    rows, ours = _play(faults, options)
    _title("Expected and came")
    print(verdict.table(rows))
    dirty = _report(leftovers(ours, OUR_CGROUPS))
    right = all(row.right for row in rows) and not dirty
    print(f"\n{'All right' if right else 'NOT right'}, after {time.monotonic() - began:.0f} s.")
    return 0 if right else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.world.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--gunicorn", default="27.0.1", metavar="VERSION")
    parser.add_argument("--slack-fails", type=int, metavar="SEED", help="Slack answers 429, 500, late")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="kill -9 the daemon N times meanwhile")
    parser.add_argument("--only", nargs="*", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--check-clean", action="store_true", help="only look for leftovers of a demo")
    return parser.parse_args(argv)


def _play(faults: Sequence[Fault], options: argparse.Namespace) -> tuple[list[verdict.Row], str]:
    """Build the world, do every fault, return the closing table and the folder all of it stood in."""
    _title(f"The stage: Flask on gunicorn {options.gunicorn}, nginx, journald, analyzerd, a stand-in for Slack")
    with stage(options.gunicorn, options.slack_fails) as world:
        try:
            world.daemon.wait_until(lambda: _reading(world), "tell its status")
            skipped = {fault.name: cgroups.no_oom_kill() for fault in faults if not _possible(world, fault)}
            with Kills(world.daemon, options.kills, options.slack_fails or 0) as kills:
                for fault in faults:
                    _break(world, fault, skipped.get(fault.name, ""))
                wait_until(kills.done.is_set, f"{options.kills} kills", KILLS_S)
            wait_until(lambda: not _waiting(world), "an empty outbox", KILLS_S)
            _title("analyzerctl report")
            print(world.ctl("report"))
            found = verdict.came(world.incidents(), messages(world.slack_state))
            rows = verdict.judge(faults, skipped, found) + verdict.accepted(refused(world.slack_state))
        except (RuntimeError, TimeoutError, subprocess.CalledProcessError) as error:
            rows = [verdict.Row("the demo itself", "to run", f"{type(error).__name__}: {error}", right=False)]
            print(f"\nerror: {error}\n{getattr(error, 'stderr', '') or ''}")
        return [*rows, _ending(world)], str(world.home)


def _possible(world: Stage, fault: Fault) -> bool:
    return world.ground.memory_limited or not fault.needs_memory_cgroup


def _ending(world: Stage) -> verdict.Row:
    """Stop the daemon by SIGTERM and judge how it went; show its own words when it went badly."""
    status = world.daemon.stop()
    if status:
        print(f"\nThe daemon's last words:\n{world.daemon.tail()}")
    return verdict.Row("stop the daemon by SIGTERM", "status 0", f"status {status}", status == 0)


def _reading(world: Stage) -> bool:
    """Say whether the daemon is up and tells its status."""
    try:
        return bool(world.ctl("status"))
    except subprocess.CalledProcessError:
        return False


def _waiting(world: Stage) -> bool:
    """Say whether a message still has to be sent."""
    try:
        return bool(json.loads(world.ctl("--json", "status"))["waiting_to_be_sent"])
    except subprocess.CalledProcessError:
        return True


def _break(world: Stage, fault: Fault, skipped: str) -> None:
    """Make the fault, then wait for its message (or, where none may come, for silence)."""
    _title(f"Breaking: {fault.says}")
    if skipped:
        print(f"Skipped: {skipped}.")
        return
    before = len(_open(world, fault))
    print(fault.act(world.ground), flush=True)
    deadline = time.monotonic() + (PATIENCE_S if fault.cause else QUIET_S)
    while time.monotonic() < deadline:
        if fault.cause and len(_open(world, fault)) > before:
            return
        time.sleep(0.25)
    print(f"Nothing came within {PATIENCE_S:.0f} s." if fault.cause else "Silence.")


def _open(world: Stage, fault: Fault) -> list[verdict.Came]:
    """Incidents of the fault's cause that stand in Slack."""
    found = verdict.came(world.incidents(), messages(world.slack_state))
    return [one for one in found if one.cause == fault.cause and one.messages]


def messages(state: Path) -> list[dict[str, object]]:
    """List the messages that stand in Slack now, thread replies among them."""
    if not state.exists():
        return []
    return [one for one in json.loads(state.read_text())["messages"].values() if not one.get("deleted")]


def refused(state: Path) -> list[str]:
    """List what Slack would not have taken."""
    return list(json.loads(state.read_text())["violations"]) if state.exists() else []


def _title(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def leftovers(folder: str, marks: tuple[str, ...]) -> list[str]:
    """List cgroups with these marks, and mounts and processes of this folder, that still stand."""
    found = [f"cgroup {path}" for path in cgroups.leftovers(*marks)]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {line.split()[4]}" for line in mounts if folder in line]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in line:
            found.append(f"process {entry.name}: {line[:100]}")
    return found


def _report(found: list[str]) -> bool:
    """Print what is left of ours; true when there is something."""
    print("\nLeft behind:" if found else "\nNothing of ours is left: no process, mount or cgroup.")
    print("".join(f"  {line}\n" for line in found), end="")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
