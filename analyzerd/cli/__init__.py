"""analyzerctl: the argument tree and exit codes. Each verb's work stands in a module of its own, imported late.

Exit codes: 0 it ran; 1 runtime error or findings with --fail-on; 2 usage; 3 nothing there yet; 78 configuration.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from analyzerd import __version__

DAEMON_MODULES = ("psutil", "pydantic", "pydantic_settings", "slack_sdk", "systemd", "watchdog")
OWN_MODULE = (
    "audit", "changes", "diagnose", "explain", "loadtest", "recommendations", "record", "replay", "rules", "settings",
)  # fmt: skip
"""Verbs whose work is ``run`` of the module of their name."""

EX_FAILED, EX_USAGE, EX_CONFIG = 1, 2, 78


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    arguments = parser().parse_args(argv)
    if arguments.verb is None:
        parser().print_help()
        return EX_USAGE
    return _guarded(arguments)


def _guarded(arguments: argparse.Namespace) -> int:
    from analyzerd.errors import AnalyzerdError, ConfigError  # noqa: PLC0415

    try:
        return _work_of(arguments)(arguments)
    except ConfigError as error:
        return _fail(str(error), EX_CONFIG)
    except AnalyzerdError as error:
        return _fail(str(error), EX_FAILED)
    except ModuleNotFoundError as error:
        if error.name not in DAEMON_MODULES:
            raise
        return _fail(f"{error.name} is not installed; this needs: pip install 'analyzerd[daemon]'", EX_FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_FAILED
    except KeyboardInterrupt:
        return 130


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"error: {message}\n")
    return code


def _work_of(arguments: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    if arguments.verb in OWN_MODULE:
        work: Callable[[argparse.Namespace], int] = import_module(f"analyzerd.cli.{arguments.verb}").run
        return work
    if arguments.verb in ("apply", "rollback"):
        writing: Callable[[argparse.Namespace], int] = getattr(
            import_module("analyzerd.cli.recommendations"), arguments.verb
        )
        return writing
    if arguments.verb == "deploy":
        from analyzerd.cli.changes import deploy  # noqa: PLC0415

        return deploy
    from analyzerd.cli import stored  # noqa: PLC0415

    return {"status": stored.status, "incidents": stored.incidents, "report": stored.report}[arguments.verb]


def parser() -> argparse.ArgumentParser:
    """Build the whole argument tree."""
    root = argparse.ArgumentParser(
        prog="analyzerctl",
        description="Why did it fail? Ask the logs, the rules, or the running analyzerd.",
        epilog="Without the daemon, start with: analyzerctl diagnose /var/log/nginx/error.log",
    )
    root.add_argument("--version", action="version", version=f"analyzerctl {__version__}")
    _common(root, suppress=False)
    verbs = root.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    _diagnose(verbs)
    _explain(verbs)
    _replay(verbs)
    _audit(verbs)
    _settings(verbs)
    _record(verbs)
    _rules(verbs)
    _stored(verbs)
    _changes(verbs)
    _recommendations(verbs)
    _loadtest(verbs)
    return root


def _common(part: argparse.ArgumentParser, *, suppress: bool = True) -> None:
    """Add the global flags; they may stand before or after the verb."""

    def default(value: object) -> object:
        return argparse.SUPPRESS if suppress else value

    part.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=default(None),
        help="instead of /etc/analyzerd/analyzerd.yaml",
    )
    part.add_argument("--json", action="store_true", default=default(False), help="print JSON")
    part.add_argument("--no-color", action="store_true", default=default(False), help="never colour the output")
    part.add_argument("-q", "--quiet", action="store_true", default=default(False), help="only what was asked for")
    part.add_argument("-v", "--verbose", action="store_true", default=default(False), help="say more")


def _window(part: argparse.ArgumentParser) -> None:
    when = "as in journalctl: '2026-11-20 10:00', yesterday, today, -1h, @1795417440"
    part.add_argument("--since", metavar="WHEN", default="", help=f"begin here, {when}")
    part.add_argument("--until", metavar="WHEN", default="", help="end here")


def _diagnose(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "diagnose",
        help="find out what went wrong in logs you have",
        description="Reads logs and says what went wrong. Needs no daemon, no root and no systemd.",
    )
    _common(verb)
    _window(verb)
    verb.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="log file, .gz, journalctl -o json|export output, .journal file or folder, recording, or - (standard "
        "input); none: this machine's journal of the last 24 hours",
    )
    _reading(verb)
    verb.add_argument(
        "--fail-on", choices=("warning", "critical"), help="exit 1 when a problem at least this bad was found"
    )
    verb.add_argument("--full", action="store_true", help="all evidence, not only what decided")


def _reading(verb: argparse.ArgumentParser) -> None:
    """Add how PATHs are read and with which rules."""
    verb.add_argument("--as", dest="as_kind", default="", metavar="KIND", help="read every PATH as this kind of log")
    _rules_dir(verb)


def _rules_dir(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--rules-dir", action="append", default=[], metavar="DIR", help="more rules, above the vendor's")


def _explain(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "explain",
        help="why a problem got its cause, or what the rules make of a line",
        description="Shows every suspect of a problem with what is for it, against it and missing, and what to collect "
        "next; or which rules see a line, and which part of a rule a line misses.",
        epilog="analyzerctl explain --line '[2026-11-23 07:00:48 +0000] [9] [CRITICAL] WORKER TIMEOUT (pid:12)'",
    )
    _common(verb)
    _window(verb)
    verb.add_argument(
        "what",
        nargs="*",
        metavar="INCIDENT|PATH",
        help="an incident's ID as messages and `incidents` show it; with PATHs (as for diagnose) it is looked for "
        "there, without an ID all of them are explained",
    )
    verb.add_argument("--line", metavar="TEXT", help="explain this line; - reads it from standard input")
    _reading(verb)


def _replay(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "replay",
        help="what would have been posted in the last two weeks",
        description="Runs the past through the same engine and lists the messages it would have posted. Posts nothing. "
        "Without PATH: this machine's journal and log files, rotated ones too, as configured.",
        epilog="To try a new rule: analyzerctl replay --since -14d --rule my-rule.yaml",
    )
    _common(verb)
    _window(verb)
    verb.add_argument("paths", nargs="*", metavar="PATH", help="instead of this machine's past; as for diagnose")
    verb.add_argument(
        "--rule",
        default="",
        metavar="ID|FILE",
        help="try this rule, a file or one in force (shadow too), and list what it changes; -v lists every message",
    )
    _reading(verb)


def _settings(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "settings",
        help="the settings in effect, where each stands, what is not known, what was edited and not loaded",
        description="Reads how each gunicorn of this machine was started, its config file, its unit and nginx's "
        "configuration. Nothing of the app is executed: what only running it could tell is named as not known.",
    )
    _common(verb)
    verb.add_argument("app", nargs="?", default="", metavar="APP", help="only this app's, by its name or unit")
    verb.add_argument("--all", action="store_true", help="defaults too")


def _audit(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "audit",
        help="is it set up well? pass, fail or cannot tell, with the measured reason",
        description="Goes through the tuning guide's checklist and its signs of over-tuning. Each item passes, fails, "
        "or cannot be told; nothing of the app is executed.",
    )
    _common(verb)
    _window(verb)
    verb.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="recording, log, gunicorn.conf.py, nginx.conf, .service file or a folder of them; none: this machine, "
        "watched for a while, with the last hour of its logs",
    )
    verb.add_argument("--as", dest="as_kind", default="", metavar="KIND", help="read every log among them as this kind")
    verb.add_argument(
        "--for",
        dest="watch_s",
        type=_seconds,
        default=30.0,
        metavar="TIME",
        help="watch this machine's processes for so long (default 30s; signs that last want 60s)",
    )
    verb.add_argument("--item", default="", metavar="ID", help="everything about one item")
    verb.add_argument("--list", action="store_true", help="name all items, audit nothing")
    verb.add_argument("--fail-on", choices=("fail",), help="exit 1 when an item fails")


def _seconds(text: str) -> float:
    from analyzerd.units import parse_duration_s  # noqa: PLC0415

    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _record(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "record",
        help="record this machine for a while, to diagnose it elsewhere",
        description="Writes what the configured sources say from now on, readings of processes and host, and the "
        "settings in effect into a new folder, with secrets hidden. Ctrl-C ends it early.",
        epilog="analyzerctl record --for 60s /tmp/shop && analyzerctl diagnose /tmp/shop",
    )
    _common(verb)
    verb.add_argument("directory", metavar="DIR", help="a folder that is empty or not there yet")
    verb.add_argument("--for", dest="for_s", type=_seconds, default=60.0, metavar="TIME", help="how long; default 60s")
    verb.add_argument(
        "--every",
        dest="every_s",
        type=_seconds,
        default=1.0,
        metavar="TIME",
        help="how often to read processes and host; default 1s",
    )
    verb.add_argument("--unit", default="", metavar="UNIT", help="the app's unit, where several gunicorns run")


def _rules(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("rules", help="list, show, test, check and draft rules")
    _common(verb)
    _rules_dir(verb)
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every rule in force with its title")
    listing.add_argument("--kind", choices=("signal", "cause"), help="only these")
    show = actions.add_parser("show", help="one rule as it is in force, with the file it came from")
    show.add_argument("rule", metavar="ID")
    test = actions.add_parser("test", help="run the tests inside the rules")
    test.add_argument("rules", nargs="*", metavar="ID", help="only these")
    actions.add_parser("lint", help="check all rule files; exit 1 on a mistake")
    actions.add_parser("coverage", help="what is proved of every cause and signal; exit 1 under 100 %%")
    _rules_new(actions)
    for action in actions.choices.values():
        _common(action)


def _rules_new(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    new = actions.add_parser(
        "new",
        help="draft a signal rule from a raw line",
        description="Writes a rule that matches the line: what varies becomes captures, with a test that matches and "
        "one that must not. What it means is yours to say, where it says TODO.",
    )
    new.add_argument("rule", metavar="ID", help="like gunicorn.worker-timeout")
    new.add_argument("--line", required=True, metavar="TEXT", help="the line as it stands in the log")
    new.add_argument("--as", dest="as_kind", default="", metavar="KIND", help="read it as this kind of log")
    new.add_argument("-o", "--output", default="", metavar="FILE", help="a new file or a folder; else printed")


def _stored(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = verbs.add_parser("status", help="open problems, blind spots and what waits to be sent")
    incidents = verbs.add_parser("incidents", help="list problems, or show one")
    incidents.add_argument("incident", nargs="?", default="", metavar="ID", help="show this one whole")
    incidents.add_argument("--open", action="store_true", dest="open_only", help="only those still open")
    report = verbs.add_parser("report", help="the week: what went wrong, what still is")
    for verb in (status, incidents, report):
        _common(verb)
    _window(incidents)
    _window(report)


def _changes(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = verbs.add_parser(
        "changes",
        help="what was changed, and what came of it",
        description="Settings with their values before and after, reloads, restarts, releases and deploys of the last "
        "week, and the verdicts on changes that were recommended.",
    )
    _common(listing)
    _window(listing)
    listing.add_argument("--app", default="", metavar="APP", help="only this app's")
    deploy = verbs.add_parser(
        "deploy",
        help="tell analyzerd that a deploy begins or has ended",
        description="Errors during a deploy are no problem of the app, and what is seen after it may come from it. "
        "Needs to be allowed to write analyzerd's database: root, or its user.",
    )
    _common(deploy)
    actions = deploy.add_subparsers(dest="action", metavar="ACTION", required=True)
    start = actions.add_parser("start", help="a deploy begins")
    start.add_argument("name", nargs="?", default="", metavar="NAME", help="what is deployed, to show beside problems")
    start.add_argument(
        "--ttl",
        dest="ttl_s",
        type=_seconds,
        default=900.0,
        metavar="TIME",
        help="it ends after this; default 15m, at most 4h",
    )
    actions.add_parser("finish", help="it has ended")
    for action in actions.choices.values():
        _common(action)
        action.add_argument("--app", default="", metavar="APP", help="only this app's; default: all")


def _recommendations(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("recommendations", help="list, show and dismiss what was recommended; the diff of each")
    _common(verb)
    actions = verb.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="everything recommended, and how far it came")
    for name, said in (
        ("show", "one recommendation with its value, its place and its diff"),
        ("diff", "the diff alone: for patch -p0 -d / or git apply -p0"),
        ("dismiss", "say that it will not be done"),
    ):
        actions.add_parser(name, help=said).add_argument("id", metavar="ID")
    for name, said in (
        ("apply", "change the files as a recommendation says, after asking"),
        ("rollback", "bring back the files as they were before an apply"),
    ):
        part = verbs.add_parser(name, help=said, description=f"{said[0].upper()}{said[1:]}. Needs root.")
        _common(part)
        part.add_argument("id", metavar="ID", help="as `recommendations list` shows it")
        part.add_argument("--yes", action="store_true", help="do not ask")
        part.add_argument("--reload", action="store_true", help="run the commands that put it into effect")


def _loadtest(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser(
        "loadtest",
        help="send requests to your own app at a stated rate, and keep the guide's five figures",
        description="Lets wrk or hey send requests, after asking, and keeps latency, failures, CPU and memory. Two "
        "tests are compared by the same statistics as a change in production; that takes 12 half-minutes each.",
        epilog="analyzerctl loadtest https://shop.example/ --rate 20, change one setting, then the same with --compare",
    )
    _common(verb)
    verb.add_argument("url", metavar="URL", help="an address of yours: it gets real load")
    verb.add_argument("--rate", type=float, default=10.0, metavar="N", help="requests a second; default 10")
    verb.add_argument("--connections", type=int, default=20, metavar="N", help="at most so many at once; default 20")
    verb.add_argument(
        "--for",
        dest="for_s",
        type=_seconds,
        default=360.0,
        metavar="TIME",
        help="how long; default 6m, in half-minutes",
    )
    verb.add_argument("--with", dest="tool", choices=("wrk", "hey"), default="", help="default: wrk, else hey")
    verb.add_argument("--yes", action="store_true", help="do not ask before sending")
    verb.add_argument("--compare", action="store_true", help="with the last test of this URL")
    verb.add_argument("--fail-on", choices=("worse",), help="exit 1 when the comparison says so")


if __name__ == "__main__":
    sys.exit(main())
