"""Takes secrets out of what is about to be stored and shown. Knows where log text stands in an effect."""

from __future__ import annotations

from dataclasses import replace

from analyzerd.model import (
    Advised,
    Blind,
    Change,
    Effect,
    Incident,
    Recommendation,
    SaveAdvised,
    SaveChange,
    SaveIncident,
    SaveVerified,
    Value,
    Verified,
)
from analyzerd.render.redact import redact


def redacted(effect: Effect) -> Effect:
    """Give the effect without secrets: neither incidents nor sinks ever hold one."""
    if isinstance(effect, SaveIncident):
        return replace(effect, incident=_incident(effect.incident))
    if isinstance(effect, Blind):
        return replace(effect, health=replace(effect.health, why=redact(effect.health.why)))
    if isinstance(effect, SaveChange):
        return replace(effect, change=_change(effect.change))
    if isinstance(effect, SaveAdvised):
        return replace(effect, advised=_advised(effect.advised))
    if isinstance(effect, SaveVerified):
        return replace(effect, verified=_verified(effect.verified))
    return effect


def _change(change: Change) -> Change:
    what, where = redact(change.what), redact(change.where)
    return replace(change, what=what, where=where, before=_value(change.before), after=_value(change.after))


def _advised(one: Advised) -> Advised:
    promise, because = redact(one.promise), redact(one.because)
    values = (_value(one.current), _value(one.proposed))
    return replace(one, promise=promise, because=because, current=values[0], proposed=values[1])


def _verified(one: Verified) -> Verified:
    before, after, proposed = (_value(value) for value in (one.before, one.after, one.proposed))
    because, rollback = redact(one.because), redact(one.rollback)
    return replace(one, before=before, after=after, proposed=proposed, because=because, rollback=rollback)


def _incident(incident: Incident) -> Incident:
    hypotheses = tuple(
        replace(h, evidence=tuple(replace(e, says=redact(e.says)) for e in h.evidence)) for h in incident.hypotheses
    )
    return replace(
        incident,
        app=redact(incident.app),
        title=redact(incident.title),
        summary=redact(incident.summary),
        samples_of_log=tuple(redact(text) for text in incident.samples_of_log),
        hypotheses=hypotheses,
        recommendations=tuple(_recommendation(r) for r in incident.recommendations),
        consequences=tuple(redact(text) for text in incident.consequences),
        timeline=tuple((time_s, redact(text)) for time_s, text in incident.timeline),
        resolution=redact(incident.resolution),
    )


def _recommendation(advice: Recommendation) -> Recommendation:
    return replace(
        advice,
        says=redact(advice.says),
        verify=redact(advice.verify),
        arithmetic=redact(advice.arithmetic),
        diff=redact(advice.diff),
        rollback=redact(advice.rollback),
        no_diff_because=redact(advice.no_diff_because),
        current=_value(advice.current),
        proposed=_value(advice.proposed),
    )


def _value(value: Value) -> Value:
    return redact(value) if isinstance(value, str) else value
