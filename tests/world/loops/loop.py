"""Plays one loop against the real daemon: fault, diagnosis, recommendation, apply, reload, verdict in the thread."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.slack_rules import incident_of
from tests.world.faults.play import STOPPING, keep_all, playing
from tests.world.faults.scenario import Scenario, Step
from tests.world.faults.site import Site, site
from tests.world.faults.steps import reload

EVERY_S = 20.0
"""Asking costs half a second of a CPU, which the loops beside this one would notice."""
DECIDED = ("verified", "improved", "not decidable")


@dataclass(frozen=True)
class Loop:
    """A fault and the change that ends it.

    `setting`: the recommendation that is applied; `effect`: what puts the written files into effect.
    `by_hand`: where the change is not one of files that analyzerctl writes, what a person does instead.
    `before_s`: how long the fault is watched before anything is changed: the verdict needs as much on both sides.
    `expected`: the verdict; after `worse` the change is rolled back.
    """

    name: str
    scenario: Scenario
    setting: str
    expected: str = "better"
    before_s: float = 540.0
    detect_s: float = 600.0
    verdict_s: float = 2400.0
    effect: Step = reload
    by_hand: Step | None = None


@dataclass(frozen=True)
class Played:
    """What came of a loop. `verdict`: the reply in the incident's thread, whole; `trouble`: why it is not right."""

    loop: Loop
    change: str = ""
    verdict: str = ""
    trouble: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    home: str = ""


class NotAsExpectedError(Exception):
    """The loop cannot go on."""


def play(loop: Loop, keep: Path | None = None) -> Played:
    """Build the site and go the whole way round; whatever stops it is the trouble."""
    seconds: dict[str, float] = {}
    home = change = verdict = trouble = ""
    try:
        with site(loop.scenario) as one:
            home = str(one.home)
            with playing(one):
                try:
                    change = _changed(loop, one, seconds)
                    verdict = _verdict(loop, one, seconds)
                except (NotAsExpectedError, AssertionError) as error:
                    trouble = str(error)
            if keep:
                keep_all(one, keep / loop.name)
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        trouble = f"not played: {type(error).__name__}: {str(error)[:300]}"
    return Played(loop, change, verdict, trouble, seconds, home)


def _changed(loop: Loop, one: Site, seconds: dict[str, float]) -> str:
    """From the fault to the change; gives the change in words."""
    began_s = time.monotonic()
    for step in loop.scenario.act:
        step(one)
    advised = _wait(lambda: _advice(one, loop), loop.detect_s, lambda: f"{loop.setting} recommended; {_standing(one)}")
    seconds["advised"] = time.monotonic() - began_s
    _sleep(one, began_s + loop.before_s - time.monotonic())
    if not loop.by_hand:
        advised = _wait(lambda: _advice(one, loop, valued=True), 120.0, lambda: f"a value; {_advice(one, loop)}")
    before = _files(one)
    if loop.by_hand:
        loop.by_hand(one)
    else:
        one.daemon.ctl("apply", advised["id"], "--yes")
        if _files(one) == before:
            raise NotAsExpectedError("apply changed no file")
        loop.effect(one)
    seconds["changed"] = time.monotonic() - began_s
    one.before = before
    return f"{advised['setting']} {advised['current']} -> {advised['proposed']} ({advised['id']})"


def _verdict(loop: Loop, one: Site, seconds: dict[str, float]) -> str:
    """Wait for the verdict in the thread; after `worse` take the change back and compare every byte."""
    began_s = time.monotonic()
    advised = _wait(lambda: _decided(one, loop), loop.verdict_s, lambda: f"a verdict; {_advice(one, loop)}")
    reply = _wait(lambda: _reply(one, advised), 60.0, lambda: "the verdict in the thread")
    seconds["decided"] = time.monotonic() - began_s
    if loop.expected not in advised["state"]:
        raise NotAsExpectedError(f"{advised['state']}: {advised['because']}")
    if loop.expected == "worse":
        if "undo" not in reply.lower():
            raise NotAsExpectedError(f"the reply does not say how to undo it: {reply[:300]}")
        one.daemon.ctl("rollback", advised["id"], "--yes")
        if _files(one) != one.before:
            raise NotAsExpectedError("the rollback did not restore the files byte for byte")
        loop.effect(one)
    return reply


def _rows(one: Site) -> list[dict[str, Any]]:
    return list(json.loads(one.daemon.ctl("--json", "recommendations", "list"))["recommendations"])


def _advice(one: Site, loop: Loop, *, valued: bool = False) -> dict[str, Any] | None:
    """Give the newest recommendation of the setting; `valued`: one that has a value to write."""
    mine = [row for row in _rows(one) if row["setting"] == loop.setting and row["cause"] == loop.scenario.causes[0]]
    mine = [row for row in mine if row["proposed"] is not None or not valued]
    return max(mine, key=lambda row: str(row["made"]), default=None)


def _decided(one: Site, loop: Loop) -> dict[str, Any] | None:
    mine = _advice(one, loop)
    return mine if mine and mine["state"].startswith(DECIDED) else None


def _reply(one: Site, advised: Mapping[str, Any]) -> str:
    """Give the reply that tells the verdict, from the thread of its incident."""
    for message in one.slack.messages():
        if incident_of(message) == advised["incident"]:
            told = [_words(reply) for reply in one.slack.replies(message["ts"])]
            return next((words for words in told if advised["id"] in words), "")
    return ""


def _words(message: Mapping[str, Any]) -> str:
    """All text of a message's blocks."""
    found: list[str] = [str(message.get("text", ""))]

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("text"), str):
                found.append(node["text"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(message.get("blocks", []))
    return "\n".join(dict.fromkeys(found))


def _files(one: Site) -> dict[str, bytes]:
    """Give the configuration as it stands."""
    paths = (one.home / "gunicorn.conf.py", one.nginx.conf)
    return {str(path): path.read_bytes() for path in paths if path.exists()}


def _standing(one: Site) -> str:
    answer = json.loads(one.daemon.ctl("--json", "incidents"))
    rows = answer["incidents"] if isinstance(answer, dict) else answer
    return "; ".join(f"{row['cause']} ({row['verdict']}, {row['state']})" for row in rows) or "no incident"


def _wait(done: Callable[[], Any], patience_s: float, what: Callable[[], str]) -> Any:
    end_s = time.monotonic() + patience_s
    while not (found := done()):
        if time.monotonic() > end_s or STOPPING.wait(EVERY_S):
            raise NotAsExpectedError(f"not within {patience_s:g} s: {what()}")
    return found


def _sleep(one: Site, seconds: float) -> None:
    if seconds > 0 and one.client.over.wait(seconds):
        raise NotAsExpectedError("broken off")
