"""``analyzerctl replay``: what would have been posted in a stretch of the past, by the same engine. Posts nothing."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from analyzerd.cli.findings import Findings
from analyzerd.cli.inputs import Given, flow, given, window
from analyzerd.cli.replay_words import DAY_S, as_json, as_text
from analyzerd.cli.replayed import Replayed, Told
from analyzerd.cli.rules import rules_in_force
from analyzerd.cli.terminal import Progress
from analyzerd.cli.trial import Trial, trial
from analyzerd.core.engine import Engine, Options
from analyzerd.core.replay import advance, settle
from analyzerd.errors import RuleError
from analyzerd.model import (
    AccessTally,
    Event,
    Input,
    Sample,
)
from analyzerd.rules.schema import RuleSet

WINDOW_S = 14 * DAY_S


def run(arguments: argparse.Namespace) -> int:
    """Replay and print."""
    source, options, rules = _opened(arguments)
    tried = trial(arguments.rule, rules) if arguments.rule else None
    progress = Progress("replaying", source.size_bytes, quiet=arguments.quiet)
    done = replayed(source, rules, options, tried, progress)
    progress.end()
    since_s = done.first_s if source.since_s is None else source.since_s
    until_s = source.until_s or (done.last_s if arguments.paths else time.time())  # noqa: TID251 - the window's end
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(done, since_s, until_s), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(as_text(done, since_s, until_s, everything=arguments.verbose)) + "\n")
    return 0


def _opened(arguments: argparse.Namespace) -> tuple[Given, Options, RuleSet]:
    """What to read, and how the daemon would judge it: by its configuration, unless only PATHs were given."""
    if arguments.paths and not arguments.config:
        return given(arguments, WINDOW_S), Options(), _sound(rules_in_force(arguments.rules_dir))
    from analyzerd.cli import machine  # noqa: PLC0415 - only here the daemon's configuration is needed
    from analyzerd.config import load  # noqa: PLC0415
    from analyzerd.daemon import wiring  # noqa: PLC0415

    config = load(Path(arguments.config) if arguments.config else None)
    rules = _sound(wiring.load_rules(config, folders=tuple(map(Path, arguments.rules_dir))))
    if arguments.paths:
        return given(arguments, WINDOW_S), wiring.options(config), rules
    since_s, until_s, now_s = window(arguments)
    source = machine.history(config, now_s - WINDOW_S if since_s is None else since_s, until_s)
    return source, wiring.options(config), rules


def _sound(rules: RuleSet) -> RuleSet:
    if rules.problems:
        raise RuleError(rules.problems[0])
    return rules


def replayed(
    source: Given, rules: RuleSet, options: Options, tried: Trial | None = None, progress: Progress | None = None
) -> Replayed:
    """Drive one engine through the past, or two side by side when a rule is on trial."""
    found = Findings()
    read_with = tried.added if tried else rules
    done = Replayed(Told(Engine(read_with, options)), None, found, tried)
    if tried:
        done.before = Told(Engine(tried.without, options))
    both = [told for told in (done.now, done.before) if told]
    for item in _noted(flow(source, read_with, found, progress), source, done, progress):
        for told in both:
            told.take(advance(told.engine, item))
    for told in both:
        told.take(settle(told.engine))
    return done


def _noted(items: Iterable[Input], source: Given, done: Replayed, progress: Progress | None) -> Iterator[Input]:
    """Remember first and last time; without known sizes the progress is that of time."""
    since_s, until_s = source.since_s, source.until_s or time.time()  # noqa: TID251 - the window's end
    for item in items:
        if isinstance(item, Event | AccessTally | Sample):
            done.first_s, done.last_s = done.first_s or item.time_s, max(done.last_s, item.time_s)
            if progress and since_s is not None and not source.size_bytes and until_s > since_s:
                progress.reach((item.time_s - since_s) / (until_s - since_s))
        yield item
