"""What depends on the terminal: colours, and a progress line on standard error. Silent in pipes."""

from __future__ import annotations

import argparse
import os
import sys
import time


def colour(arguments: argparse.Namespace) -> bool:
    """Whether to colour: only on a terminal, and not when NO_COLOR or --no-color says no."""
    return sys.stdout.isatty() and not arguments.no_color and "NO_COLOR" not in os.environ


class Progress:
    """One line that says how far long work has come; nothing unless standard error is a terminal."""

    def __init__(self, what: str, total: int, *, quiet: bool) -> None:
        self._what, self._total, self._done = what, total, 0
        self._shown = not quiet and sys.stderr.isatty()
        self._next_s = time.monotonic() + 0.5

    def add(self, amount: int) -> None:
        """Count work done."""
        self._done += amount
        if self._shown and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + 0.2
            share = f"{min(1.0, self._done / self._total):4.0%}" if self._total else f"{self._done >> 20} MiB"
            sys.stderr.write(f"\r{self._what} {share}")
            sys.stderr.flush()

    def end(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
