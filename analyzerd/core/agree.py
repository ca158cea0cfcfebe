"""Open incidents of one app give one value for one setting: what the others ask for, and what they now have to say.

Compares recommendations; what the common value is has been solved before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from analyzerd.model import Incident, Recommendation


def asked_by(others: Iterable[Incident]) -> tuple[Recommendation, ...]:
    """What incidents ask for themselves, each marked with its incident; the oldest first."""
    ordered = sorted(others, key=lambda i: (i.first_seen_s, i.id))
    return tuple(replace(r, agreed_with=i.id) for i in ordered for r in i.recommendations if _is_own(r))


def _is_own(advice: Recommendation) -> bool:
    return advice.proposed is not None and not advice.tied_to and not advice.agreed_with


def agreed(older: Incident, newer: Incident) -> Incident:
    """The older incident with the values the newer one, decided later and with all wants in view, has for them."""
    values = {r.setting: r for r in newer.recommendations if r.proposed is not None}
    found = tuple(_advice(r, values.get(r.setting), newer.id) for r in older.recommendations)
    return replace(older, recommendations=tuple(_with_leaders(found)))


def _advice(advice: Recommendation, value: Recommendation | None, by: str) -> Recommendation:
    if value is None or advice.proposed is None or advice.current != value.current or advice.proposed == value.proposed:
        return advice
    if _rises(advice) is not None and _rises(advice) != _rises(value):
        why = f"not computed: another incident ({by}) asks for {value.proposed}, see to that first"
        return replace(advice, proposed=None, arithmetic=why, agreed_with=by)
    return replace(advice, proposed=value.proposed, arithmetic=f"{by}: {value.arithmetic}", agreed_with=by)


def _with_leaders(found: tuple[Recommendation, ...]) -> Iterator[Recommendation]:
    """Without what was tied to a change that is no more."""
    gone = {r.setting for r in found if r.proposed is None}
    for advice in found:
        if advice.tied_to in gone:
            gone.add(advice.setting)
        else:
            yield advice


def _rises(advice: Recommendation) -> bool | None:
    """Whether a number goes up; None where it is no number."""
    before, after = (_number(v) for v in (advice.current, advice.proposed))
    return None if before is None or after is None else after > before


def _number(value: object) -> int | None:
    text = str(value).rstrip("s%")
    return int(text) if text.isdecimal() and len(text) < 16 else None
