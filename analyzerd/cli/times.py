"""journalctl's words for points in time: '-1h', 'yesterday', '2026-11-20 10:00', '@1795417440'."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from analyzerd.errors import AnalyzerdError
from analyzerd.units import parse_duration_s

_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def parse_when(text: str, now_s: float) -> float:
    """Unix seconds of a point in time, relative words counted from ``now_s`` in local time.

    Raises AnalyzerdError with the accepted forms.
    """
    now = datetime.fromtimestamp(now_s).astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    words = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    text = text.strip()
    if text in words:
        return words[text].timestamp()
    if re.fullmatch(r"@\d+(\.\d+)?", text):
        return float(text[1:])
    if text[:1] in "+-" and text[1:]:
        return now_s + _relative_s(text)
    if text.endswith(" ago"):
        return now_s - _relative_s("+" + text[:-4].replace(" ", ""))
    return _absolute_s(text, midnight)


def _relative_s(text: str) -> float:
    try:
        seconds = parse_duration_s(text[1:])
    except ValueError as error:
        raise AnalyzerdError(str(error)) from None
    return seconds if text[0] == "+" else -seconds


def _absolute_s(text: str, midnight: datetime) -> float:
    for form in ("%H:%M:%S", "%H:%M"):
        try:
            clock = datetime.strptime(text, form)  # noqa: DTZ007 - a time of day has no zone
        except ValueError:
            continue
        return midnight.replace(hour=clock.hour, minute=clock.minute, second=clock.second).timestamp()
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).astimezone().timestamp()
        except ValueError:
            continue
    raise AnalyzerdError(
        f"{text!r} is not a time; write it like '2026-11-20 10:00', 10:00, yesterday, today, -1h or @1795417440"
    )
