"""The plain words of the model: values, fields and enumerations."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | None
Fields: TypeAlias = Mapping[str, Value]


class Truth(StrEnum):
    """Three-valued: a missing measurement is UNKNOWN, never FALSE."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """How sure a hypothesis is."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"
    POSSIBLE = "possible"
    RULED_OUT = "ruled out"


class Severity(StrEnum):
    """How much an incident matters to the person who is woken."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class State(StrEnum):
    """Life of an incident."""

    OPEN = "open"
    RESOLVED = "resolved"
