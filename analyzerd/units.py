"""Durations, sizes and times: text to numbers and back. Knows no configuration and no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)", re.ASCII)
_DURATION_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.ASCII)
_SIZE_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_duration_s(text: str) -> float:
    """Read ``30s``, ``5m``, ``1h30m``, ``250ms`` or a bare number of seconds.

    Raises ValueError with the accepted forms.
    """
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        raise ValueError(f"{text!r} is not a duration; write it like 250ms, 30s, 5m, 1h30m or 7d")
    return float(sum(float(number) * _DURATION_S[unit] for number, unit in parts))


def parse_size_bytes(text: str) -> int:
    """Read ``512M``, ``2GiB``, ``1.5 GB`` (powers of 1024, as systemd reads them). Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size; write it like 512M or 2GiB")
    return int(float(match[1]) * _SIZE_BYTES[match[2]])


def format_duration(seconds: float) -> str:
    """Show a duration in at most two units: ``0.25 s``, ``42 s``, ``4 min 10 s``, ``3 h 5 min``, ``2 d``."""
    if seconds < 10:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size, name, below, below_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name}" + (f" {rest} {below_name}" if rest else "")
    return f"{whole} s"


def format_bytes(count: float) -> str:
    """Show a size with one decimal in powers of 1024: ``310.0 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def format_day(time_s: float) -> str:
    """Show a Unix time as people plan by it, in UTC: ``Thursday 2026-11-26 14:00 UTC``."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%A %Y-%m-%d %H:%M UTC")


def format_time(time_s: float) -> str:
    """Show a Unix time as RFC 3339 in UTC with milliseconds: ``2026-11-23T07:05:20.256Z``."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
