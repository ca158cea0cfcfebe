"""The edges' contracts: what the shells plug together. Protocols only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from analyzerd.model import Batch, Checkpoint, Sample, Setting

Emit = Callable[[Batch], None]
"""Hands a batch to the inbox; blocks while the inbox is full. Raises Stopped when the daemon ends."""


class Source(Protocol):
    """Reads text for ever in a thread of its own."""

    def run(self, emit: Emit, resume: tuple[Checkpoint, ...]) -> None:
        """Read until stop() is called; expected failures are emitted as Health, never raised."""
        ...

    def stop(self) -> None:
        """Make run() return soon; safe from any thread."""
        ...


class Probe(Protocol):
    """Takes one reading of the machine."""

    def sample(self) -> Sample:
        """Read now; what may not be read is None."""
        ...

    def settings(self) -> tuple[Setting, ...]:
        """Settings in effect of the processes found, read without executing anything of the app."""
        ...
