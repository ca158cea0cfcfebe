"""What people read, kept as files: run with ACCEPT_SNAPSHOTS=1 to accept a change, then read the diff."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.model import Benign, Health, Incident
from analyzerd.render import blocks
from analyzerd.render.report import report
from analyzerd.render.text import incident_text
from tests.made_incidents import OUT_OF_MEMORY, RESOLVED, START_S, UNKNOWN, numbered

HERE = Path(__file__).parent / "snapshots"
CASES = {
    "out-of-memory": (OUT_OF_MEMORY, "opened"),
    "resolved": (RESOLVED, "resolved"),
    "unknown": (UNKNOWN, "opened"),
    "merged": (replace(UNKNOWN, resolution="INC-7KQ2M4XW9A (out of memory)"), "merged"),
}


def check(name: str, text: str) -> None:
    """Compare with the accepted file."""
    path = HERE / name
    if os.environ.get("ACCEPT_SNAPSHOTS"):
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("name", CASES)
def test_slack_message(name: str) -> None:
    """The channel's message and its thread."""
    incident, reason = CASES[name]
    shown = {"message": blocks.message(incident, reason), "thread": blocks.thread(incident)}
    check(f"{name}.json", json.dumps(shown, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", CASES)
def test_terminal_text(name: str) -> None:
    """The same on a terminal, in full."""
    incident, reason = CASES[name]
    check(f"{name}.txt", incident_text(incident, reason, full=True) + "\n")


def test_report() -> None:
    """The week."""
    incidents: list[Incident] = [OUT_OF_MEMORY, UNKNOWN, numbered(1), replace(RESOLVED, id="INC-OTHER")]
    benign = [Benign("deploy", "shop.service", 4, "a reload by HUP")]
    blind = [Health(START_S, "kernel", "blind", "the kernel's log cannot be read", "add the user to systemd-journal")]
    counts = {("shop.service", "kernel.oom-kill"): 6}
    week = report(incidents, benign, blind, since_s=START_S - 86400, until_s=START_S + 7200, signal_counts=counts)
    check("report.txt", week)
    check("report-empty.txt", report([], since_s=START_S - 86400, until_s=START_S))


def test_colour_only_when_asked() -> None:
    """A pipe gets no escape codes."""
    assert "\x1b" not in incident_text(OUT_OF_MEMORY, full=True)
    assert incident_text(OUT_OF_MEMORY, colour=True).startswith("\x1b[1;31mCRITICAL")


def test_no_line_is_wider_than_a_terminal() -> None:
    """80 columns, log lines apart."""
    wide = [line for line in incident_text(OUT_OF_MEMORY).split("\n") if len(line) > 80]
    assert wide == []


def test_the_headline_has_no_digits_of_confidence_and_names_the_app() -> None:
    """A phone shows what is wrong and for whom."""
    text = blocks.message(OUT_OF_MEMORY)["text"]
    assert "shop.service" in text
    assert "97" not in text
    assert len(text) <= 150
