"""The live shell: threads, signals and the clock around the engine. Decides nothing about causes."""

from __future__ import annotations

from analyzerd.daemon.supervisor import run

__all__ = ["run"]
