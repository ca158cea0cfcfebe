"""How many requests an incident cost, of how many: from nginx's access log, nothing where it is not read."""

from __future__ import annotations

from collections.abc import Sequence

from analyzerd.core.case import Case
from analyzerd.core.signals import MAX_PER_RULE
from analyzerd.core.state import Focus
from analyzerd.model import AccessTally

BUCKET_S = 10.0
BEFORE_S, AFTER_S = 1.0, 3.0
"""A request is logged when it ends: with the fault or shortly after it."""

Impact = tuple[int | None, int | None]


def impact(tallies: Sequence[AccessTally], foci: Sequence[Focus], case: Case, endpoint: str, before: Impact) -> Impact:
    """(failed, all) requests while the incident lasted; never less than was said before.

    ``endpoint``: count failures of this path only, '' for all. In a storm the ten-second tallies stand in for
    single requests.
    """
    if not case.witnesses.reads("nginx.access"):
        return before
    from_s, to_s = min(f.t0_s for f in foci), max(f.t1_s for f in foci)
    near = _near(tallies, from_s, to_s)
    mine = [t for t in near if case.ours.log(t)]
    if near and not mine:
        return before  # several apps share the log, and nothing in it tells them apart
    failed = _failed_one_by_one(foci, case, endpoint)
    if failed is None:
        failed = sum(n for t in mine for status, n in t.by_status.items() if status.startswith("5"))
    total = max(failed, sum(t.requests for t in mine))
    return max(failed, before[0] or 0), max(total, before[1] or 0)


def _near(tallies: Sequence[AccessTally], from_s: float, to_s: float) -> list[AccessTally]:
    found: list[AccessTally] = []
    for tally in reversed(tallies):
        if tally.time_s < from_s - 2 * BUCKET_S:
            break
        if tally.source == "nginx.access" and tally.time_s + BUCKET_S >= from_s and tally.time_s <= to_s + AFTER_S:
            found.append(tally)
    return found


def _failed_one_by_one(foci: Sequence[Focus], case: Case, endpoint: str) -> int | None:
    seen = case.view.of("nginx.request-failed")
    if len(seen) >= MAX_PER_RULE:
        return None
    spans = [(f.t0_s - BEFORE_S, f.t1_s + AFTER_S) for f in foci]
    return sum(
        any(a <= s.time_s <= b for a, b in spans) and (not endpoint or s.fields.get("endpoint") == endpoint)
        for s in seen
    )
