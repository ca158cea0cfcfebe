"""Reads the time stamps that logs print. Knows no clock: every answer is Unix seconds, or None."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}


@lru_cache(maxsize=1024)
def zoned_s(stamp: bytes) -> float | None:
    """Read gunicorn's ``2026-11-23 07:05:12 +0000``."""
    return _local_s(stamp[:19], _zone_s(stamp[20:25]))


@lru_cache(maxsize=1024)
def local_s(stamp: bytes, utc_offset_s: int) -> float | None:
    """Read ``2026/11/23 07:05:12`` (nginx) or ``2026-11-23 07:05:12`` (Flask) of a known offset."""
    return _local_s(stamp[:19], utc_offset_s)


@lru_cache(maxsize=1024)
def common_log_s(stamp: bytes) -> float | None:
    """Read ``23/Nov/2026:07:05:13 +0000`` of access logs."""
    month = _MONTHS.get(stamp[3:6])
    if month is None:
        return None
    try:
        day, year = int(stamp[:2]), int(stamp[7:11])
        hour, minute, second = int(stamp[12:14]), int(stamp[15:17]), int(stamp[18:20])
        return _unix(year, month, day, hour, minute, second, _zone_s(stamp[21:26]))
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def iso_s(stamp: bytes) -> float | None:
    """Read ISO 8601 with a zone (``2026-11-23T07:05:13.25+00:00``, ``+0000`` or ``Z``)."""
    try:
        moment = datetime.fromisoformat(stamp.decode("ascii").replace(",", "."))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _local_s(stamp: bytes, offset_s: int | None) -> float | None:
    try:
        date = (int(stamp[0:4]), int(stamp[5:7]), int(stamp[8:10]))
        return _unix(*date, int(stamp[11:13]), int(stamp[14:16]), int(stamp[17:19]), offset_s)
    except (ValueError, OverflowError):
        return None


def _unix(year: int, month: int, day: int, hour: int, minute: int, second: int, offset_s: int | None) -> float | None:
    if offset_s is None:
        return None
    moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    return (moment - timedelta(seconds=offset_s)).timestamp()


def _zone_s(zone: bytes) -> int | None:
    if len(zone) != 5 or zone[:1] not in (b"+", b"-") or not zone[1:].isdigit():
        return None
    seconds = int(zone[1:3]) * 3600 + int(zone[3:5]) * 60
    return -seconds if zone[:1] == b"-" else seconds
