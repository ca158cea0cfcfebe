"""What depends on the terminal: colours, and a progress bar on standard error. Silent in pipes."""

from __future__ import annotations

import argparse
import os
import sys
import time


def colour(arguments: argparse.Namespace) -> bool:
    """Whether to colour: only on a terminal, and not when NO_COLOR or --no-color says no."""
    return sys.stdout.isatty() and not arguments.no_color and "NO_COLOR" not in os.environ


BAR = 30
EVERY_S = 0.2


class Progress:
    """A bar that says how far long work has come; nothing unless standard error is a terminal.

    ``total``: the amount of all work, 0 where that is not known and ``reach`` is told the share instead.
    ``wait_s``: work that ends sooner shows no bar.
    """

    def __init__(self, what: str, total: int, *, quiet: bool, wait_s: float = 0.5) -> None:
        self._what, self._total, self._done = what, total, 0
        self._shown = not quiet and sys.stderr.isatty()
        self._next_s = time.monotonic() + wait_s

    def add(self, amount: int) -> None:
        """Count work done."""
        self._done += amount
        if self._total:
            self.reach(self._done / self._total)

    def reach(self, share: float) -> None:
        """Say how much of the whole is done, from 0 to 1."""
        if self._shown and time.monotonic() >= self._next_s:
            self._show(share)

    def _show(self, share: float) -> None:
        self._next_s = time.monotonic() + EVERY_S
        done = min(BAR, max(0, round(BAR * share)))
        sys.stderr.write(f"\r{self._what} [{'#' * done}{'.' * (BAR - done)}] {min(1.0, share):4.0%}")
        sys.stderr.flush()

    def end(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
