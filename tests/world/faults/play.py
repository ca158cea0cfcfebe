"""Plays one scenario against the real daemon and notes everything it tells, when, and what it takes back."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.slack_rules import incident_of
from tests.world.faults.scenario import Scenario
from tests.world.faults.site import Site, now_s, site
from tests.world.faults.verdict import Result, Told

STOPPING = threading.Event()
"""Set when the run is broken off: every scenario ends where it is and takes its world down."""
_PLAYING: set[Site] = set()
EVERY_S = 0.5
AFTERWARDS_S = 12.0
MORE_PATIENCE_S = 20.0
"""How long a message that is late already is waited for, to say how late."""


def play(scenario: Scenario, keep: Path | None = None) -> Result:
    """Build the site, do what is to be done, listen until all is told (or, where nothing may be, long enough).

    `keep`: the folder in which logs and incidents are left for reading.
    """
    try:
        if STOPPING.is_set():
            return Result(scenario, (), 0.0, "broken off")
        with site(scenario) as one:
            listening = Listening(one)
            with playing(one):
                for step in scenario.act:
                    if not STOPPING.is_set():
                        step(one)
                        listening.listen()
                _listen(scenario, one, listening)
            if keep:
                keep_all(one, keep / scenario.name)
            trouble = _trouble(one)
            return Result(scenario, tuple(listening.told), one.symptom_s(), trouble, str(one.home))
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        return Result(scenario, (), 0.0, f"not played: {type(error).__name__}: {str(error)[:300]}")


def keep_all(one: Site, folder: Path) -> None:
    """Copy the logs, what clients saw, and what the daemon made of it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (one.nginx.conf, one.nginx.error_log, one.nginx.access_log, one.app.access_log):
        if path.exists():
            shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
    (folder / "clients.txt").write_text(f"{one.client.counts()} unsent {one.client.unsent}\n")
    shutil.copytree(one.home / "state", folder / "state", dirs_exist_ok=True)
    (folder / "daemon.txt").write_text(one.daemon.said)
    with contextlib.suppress(AssertionError):
        (folder / "incidents.json").write_text(one.daemon.ctl("--json", "incidents"))
        (folder / "report.txt").write_text(one.daemon.ctl("report"))
    argv = ["journalctl", "--quiet", "-D", str(one.journal), "-o", "short-unix", "--no-hostname"]
    (folder / "journal.txt").write_bytes(subprocess.run(argv, check=False, capture_output=True).stdout)


def break_off() -> None:
    """End what is being played, at once but cleanly."""
    STOPPING.set()
    for one in list(_PLAYING):
        one.client.over.set()


@contextlib.contextmanager
def playing(one: Site) -> Iterator[None]:
    """Let break_off() end what is done to a site; end it and what was started for it."""
    _PLAYING.add(one)
    try:
        yield
    finally:
        _PLAYING.discard(one)
        one.client.over.set()
        one.stack.close()


def _trouble(one: Site) -> str:
    if STOPPING.is_set():
        return "broken off"
    if one.daemon.process_ended():
        return f"the daemon ended: {one.daemon.said[-300:]}"
    return "; ".join(one.slack.violations)


def _listen(scenario: Scenario, one: Site, listening: Listening) -> None:
    """Wait for the right message and a little longer for wrong ones beside it; for silence the whole time."""
    if not scenario.causes:
        _until(now_s() + scenario.quiet_s, listening)
        return
    patience_s = scenario.within_s + MORE_PATIENCE_S
    while not listening.right(scenario) and now_s() < one.symptom_s() + patience_s and not STOPPING.wait(EVERY_S):
        listening.listen()
    _until(now_s() + AFTERWARDS_S, listening)


def _until(moment_s: float, listening: Listening) -> None:
    while now_s() < moment_s and not STOPPING.wait(EVERY_S):
        listening.listen()


class Listening:
    """Follows the messages that stand in Slack; asks the daemon's store what an incident says only when one changed."""

    def __init__(self, one: Site) -> None:
        self._site, self._seen, self.told = one, dict[str, int](), list[Told]()

    def listen(self) -> None:
        """Note what was posted or edited since."""
        news = {}
        for message in self._site.slack.messages():
            if self._seen.get(message["ts"]) != len(message["edits"]):
                self._seen[message["ts"]] = len(message["edits"])
                news[incident_of(message)] = _moment(message)
        if news:
            self._note(news)

    def right(self, scenario: Scenario) -> bool:
        """Say whether an expected cause stands."""
        return any(one.cause in scenario.causes for one in self.told)

    def _note(self, news: Mapping[str, float]) -> None:
        with contextlib.suppress(AssertionError):
            answer = json.loads(self._site.daemon.ctl("--json", "incidents"))
            for incident in answer["incidents"] if isinstance(answer, dict) else answer:
                if incident["id"] in news:
                    self._add(incident, news[incident["id"]])

    def _add(self, incident: Mapping[str, Any], at_s: float) -> None:
        withdrawn = str(incident.get("resolution", "")).startswith(("part of", "not a problem"))
        told = Told(at_s, incident["id"], incident["cause"], incident["verdict"], withdrawn)
        before = next((one for one in reversed(self.told) if one.incident == told.incident), None)
        if before is None or replace(told, at_s=before.at_s) != before:
            self.told.append(told)


def _moment(message: Mapping[str, Any]) -> float:
    return float(message["edits"][-1]["at"] if message["edits"] else message["ts"])
