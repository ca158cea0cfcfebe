"""How long ago a worker last told its master that it is alive, from its heartbeat file. Reads nothing."""

from __future__ import annotations

import stat

MARK = "wgunicorn-"
NEVER_BEATEN_S = -1e6
_JITTER_S = 1.0  # the beat may come between reading the clock and the file
_PLAUSIBLE_S = 400 * 86400.0


def heartbeat_age_s(mode: int, modified_s: float, changed_s: float, monotonic_s: float, wall_s: float) -> float | None:
    """Return the age in seconds; below -1e6 when the worker has never beaten (it is still booting).

    Newer releases write the monotonic clock into the file's mtime, which before the first beat holds the
    wall clock: hence the large negative age. Up to 21.2 they flip the file's mode between 0 and 1, so its
    ctime is the beat. None when neither reading is plausible.
    """
    old_release = stat.S_IMODE(mode) <= 1
    age = wall_s - changed_s if old_release else monotonic_s - modified_s
    if NEVER_BEATEN_S <= age <= -_JITTER_S or age > _PLAUSIBLE_S:
        return None
    return round(age if age < NEVER_BEATEN_S else max(age, 0.0), 3)
