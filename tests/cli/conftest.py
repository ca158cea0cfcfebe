"""Runs analyzerctl as a function and gives what it printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.cli import main

Ran = tuple[int, str, str]
Ctl = Callable[..., Ran]


@pytest.fixture
def ctl(capsys: pytest.CaptureFixture[str]) -> Ctl:
    """Return a function that runs analyzerctl and returns exit code, output and errors."""

    def run(*arguments: str | Path) -> Ran:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run
