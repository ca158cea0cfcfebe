"""A diagnosis as JSON (schema analyzerd.diagnosis/1) and as text. Redacts; computes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from analyzerd.model import Benign, Health, Hypothesis, Incident, Recommendation, Truth
from analyzerd.render.redact import redact
from analyzerd.render.text import incident_text
from analyzerd.units import format_time

SCHEMA = "analyzerd.diagnosis/1"


@dataclass(slots=True)
class Findings:
    """What a diagnosis found: final incidents, benign counts, and what was read."""

    incidents: list[Incident] = field(default_factory=list)
    benign: list[Benign] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    matched: dict[str, int] = field(default_factory=dict)
    blind: list[Health] = field(default_factory=list)


def as_json(found: Findings) -> str:
    """The documented JSON; the same input gives the same bytes."""
    whole = {
        "schema": SCHEMA,
        "incidents": [incident_json(i) for i in found.incidents],
        "benign": [{"id": b.id, "app": redact(b.app), "count": b.count, "because": b.because} for b in found.benign],
        "coverage": coverage_json(found),
    }
    return json.dumps(whole, indent=2, ensure_ascii=True) + "\n"


def incident_json(i: Incident) -> dict[str, Any]:
    """One incident in the documented form."""
    return {
        "id": i.id,
        "app": redact(i.app),
        "cause": i.cause,
        "because": i.because,
        "guide_cause": i.guide_cause,
        "title": redact(i.title),
        "summary": redact(i.summary),
        "severity": i.severity.value,
        "verdict": i.verdict.value,
        "confidence": i.confidence,
        "state": i.state.value,
        "first_seen": format_time(i.first_seen_s),
        "last_seen": format_time(i.last_seen_s),
        "occurrences": i.occurrences,
        "counts": dict(i.counts),
        "impact": {"failed_requests": i.failed_requests, "all_requests": i.all_requests},
        "hypotheses": [_hypothesis(h) for h in i.hypotheses],
        "recommendations": [_recommendation(r) for r in i.recommendations],
        "consequences": list(i.consequences),
        "timeline": [{"time": format_time(t), "what": redact(text)} for t, text in i.timeline],
        "samples_of_log": [redact(text) for text in i.samples_of_log],
        "references": list(i.references),
    }


def _hypothesis(h: Hypothesis) -> dict[str, Any]:
    speaks = [(e.truth is Truth.TRUE) == e.supports for e in h.evidence]
    known = [e.truth is not Truth.UNKNOWN for e in h.evidence]
    texts = [redact(e.says) for e in h.evidence]
    return {
        "cause": h.cause,
        "verdict": h.verdict.value,
        "confidence": h.confidence,
        "for": [t for t, s, k in zip(texts, speaks, known, strict=True) if k and s],
        "against": [t for t, s, k in zip(texts, speaks, known, strict=True) if k and not s],
        "missing": [t for t, k in zip(texts, known, strict=True) if not k],
    }


def _recommendation(r: Recommendation) -> dict[str, Any]:
    return {
        "setting": r.setting,
        "says": redact(r.says),
        "file": r.file,
        "line": r.line,
        "current": r.current,
        "proposed": r.proposed,
        "arithmetic": redact(r.arithmetic),
        "diff": r.diff,
        "rollback": r.rollback,
        "no_diff_because": r.no_diff_because,
        "verify": redact(r.verify),
        "tied_to": r.tied_to,
    }


def coverage_json(found: Findings) -> list[dict[str, Any]]:
    """What was read and what could not be, in the documented form."""
    blind: dict[str, list[str]] = {}
    for health in found.blind:
        blind.setdefault(health.source, []).append(f"{health.why}; {health.mend}" if health.mend else health.why)
    rows = [
        {"source": name, "read": read, "matched": found.matched.get(name, 0), "blind_spots": []}
        for name, read in sorted(found.read.items())
    ]
    rows += [{"source": s, "read": 0, "matched": 0, "blind_spots": why} for s, why in sorted(blind.items())]
    return rows


def as_text(found: Findings, colour: bool, full: bool) -> str:
    """The same for a person: problems first, then what was harmless, then what could not be seen."""
    parts = [incident_text(i, colour=colour, full=full) for i in found.incidents] or ["No problem was found."]
    if found.benign:
        parts.append("Harmless: " + "; ".join(f"{b.count} x {b.id} ({b.because})" for b in found.benign))
    lines = sum(found.read.values())
    parts.append(f"Read {lines:,} records of {len(found.read)} sources, {sum(found.matched.values()):,} of interest.")
    if found.blind:
        parts.append("Not seen:\n" + "\n".join(f"  - {h.source}: {h.why}" for h in found.blind))
    return "\n\n".join(parts) + "\n"
