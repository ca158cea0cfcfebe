"""Fixtures of the tests that run real programs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzerd.model import Stream
from analyzerd.sources.logfile import LogFileSource
from tests.world.journald import Journald, why_not


@pytest.fixture(scope="session")
def journald() -> Iterator[Journald]:
    """One private journald for the tests that only add to it, each under unit names of its own."""
    with _started() as running:
        yield running


@pytest.fixture
def own_journald() -> Iterator[Journald]:
    """Give the test a private journald of its own, to rotate, damage and stop."""
    with _started() as running:
        yield running


@pytest.fixture
def journald_with_kernel() -> Iterator[Journald]:
    """Give a private journald that reads the kernel's log."""
    with _started(kernel=True) as running:
        yield running


def _started(*settings: str, kernel: bool = False) -> Journald:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    return Journald(*settings, kernel=kernel)


@pytest.fixture(params=["events", "polling"])
def follow(request: pytest.FixtureRequest) -> Callable[..., LogFileSource]:
    """Make sources of one log file, once woken by events and once by polling alone."""

    def made(path: Path, **options: Any) -> LogFileSource:
        stream = Stream(f"file:{path}", "nginx.error", "nginx.service")
        values = {"watch": request.param == "events", "poll_s": 0.2, "grace_s": 0.3, **options}
        return LogFileSource([(str(path), stream)], **values)

    return made


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Give a directory that any user may enter (pytest's own are closed to others)."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become a user without permission")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
