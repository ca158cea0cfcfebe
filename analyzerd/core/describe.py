"""What an incident says: derived anew from its open questions, with what sealed ones have left.

Decides nothing: which questions belong to it stands in lifecycle.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzerd.core import changes
from analyzerd.core.advise import recommend
from analyzerd.core.agree import asked_by
from analyzerd.core.case import Case
from analyzerd.core.correlate import Answer
from analyzerd.core.impact import impact
from analyzerd.core.judge import VERDICT_RANK, Judged, fill, holds
from analyzerd.core.state import EngineState, Focus, OpenIncident
from analyzerd.model import (
    Hypothesis,
    Incident,
    Recommendation,
    Severity,
    Signal,
    Verdict,
)
from analyzerd.rules.schema import CauseRule, SignalRule

MAX_TIMELINE = 12
MAX_SAMPLES = 5
MAX_SAMPLE_CHARS = 500
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rules:
    """The two kinds of rules, as lifecycle needs them."""

    signals: Mapping[str, SignalRule]
    causes: Mapping[str, CauseRule]


@dataclass(slots=True)
class Group:
    """Answers of one app that name the same cause and key, strongest first, with what folds into them."""

    app: str
    rule: CauseRule
    key: str
    roots: list[Answer]
    folded: list[Answer]

    @property
    def live(self) -> list[Answer]:
        """Everything in it."""
        return [*self.roots, *self.folded]


def describe(
    state: EngineState, entry: OpenIncident, group: Group, cases: Mapping[int, Case], rules: Rules
) -> Incident:
    """Say what is known now: from the open questions, and what sealed ones have left."""
    fresh = _from_live(state, entry, group, cases, rules)
    return fresh if entry.told is None else _with_sealed(fresh, entry.told, entry)


def beside(state: EngineState, entry: OpenIncident) -> list[Incident]:
    """The other open incidents of the app."""
    app, others = entry.incident.app, state.incidents.values()
    return [o.incident for o in others if o is not entry and not o.closed and o.incident.app == app]


def _with_sealed(fresh: Incident, told: Incident, entry: OpenIncident) -> Incident:
    """Keep what sealed questions have shown; their answer too, unless the open ones have a surer one."""
    moments = dict.fromkeys((*told.timeline, *fresh.timeline))
    samples = dict.fromkeys((*told.samples_of_log, *fresh.samples_of_log))
    whole = replace(
        fresh,
        timeline=tuple(sorted(moments, key=lambda moment: moment[0]))[:MAX_TIMELINE],
        samples_of_log=tuple(samples)[:MAX_SAMPLES],
    )
    if not entry.sealed_occurrences or told.cause != fresh.cause or _surety(fresh) > _surety(told):
        return whole
    return replace(
        whole,
        title=told.title,
        summary=told.summary if told.severity is fresh.severity else fresh.summary,
        verdict=told.verdict,
        confidence=told.confidence,
        because=told.because,
        hypotheses=told.hypotheses,
        recommendations=fuller(told.recommendations, fresh.recommendations),
    )


def fuller(told: tuple[Recommendation, ...], fresh: tuple[Recommendation, ...]) -> tuple[Recommendation, ...]:
    """What was told stays, unless by now values are known that were not."""
    known = [sum(r.proposed is not None for r in advice) for advice in (told, fresh)]
    return fresh if known[1] > known[0] else told


def _surety(incident: Incident) -> tuple[int, float]:
    return -VERDICT_RANK[incident.verdict], incident.confidence


def _from_live(
    state: EngineState, entry: OpenIncident, group: Group, cases: Mapping[int, Case], rules: Rules
) -> Incident:
    lead = group.roots[0]
    case, best = cases[id(lead.focus)], lead.best
    assert best is not None  # noqa: S101 - a group holds answered questions only
    old, live = entry.incident, group.live
    foci = _open_questions(state, entry, group)
    signals = _signals_of(live, cases)
    only = entry.key if best.rule.key == ("endpoint",) else ""
    severity, why = _severity(best.rule, case, rules)
    failed, all_requests = impact(state.tallies, foci, case, only, (old.failed_requests, old.all_requests))
    return replace(
        old,
        cause=best.rule.id,
        title=fill(best.rule.title, case),
        severity=severity,
        verdict=best.hypothesis.verdict,
        confidence=best.hypothesis.confidence,
        because=best.hypothesis.because,
        guide_cause=best.rule.guide_cause,
        summary=" ".join(fill(text, case) for text in (_first_words(best), why) if text),
        first_seen_s=min([old.first_seen_s, *(f.t0_s for f in foci)]),
        last_seen_s=max([old.last_seen_s, *(f.t1_s for f in foci)]),
        occurrences=entry.sealed_occurrences + len(group.roots),
        counts=_counts(entry, foci),
        hypotheses=_hypotheses(lead),
        recommendations=recommend(best.rule, case, rules.signals, asked_by(beside(state, entry))),
        consequences=tuple(_consequences(entry, foci, group, rules)),
        timeline=(*changes.told(state.changes, group.app, min(f.t0_s for f in foci)), *_timeline(signals, rules)),
        samples_of_log=tuple(_samples(signals, rules)),
        failed_requests=failed,
        all_requests=all_requests,
        references=best.rule.references,
    )


def _severity(rule: CauseRule, case: Case, rules: Rules) -> tuple[Severity, str]:
    """How bad it is, and the sentence that says why it is milder or graver than usual."""
    for severity, when in ((Severity.CRITICAL, rule.critical_when), (Severity.INFO, rule.info_when)):
        if when is not None and holds(when, case, rules.signals):
            return severity, when.says
    return rule.severity, ""


def _first_words(best: Judged) -> str:
    """The refinement that holds, else the first paragraph of the description."""
    because = next((b for b in best.rule.because if b.id == best.hypothesis.because), None)
    return because.says if because else best.rule.description.split("\n\n")[0].strip()


def _open_questions(state: EngineState, entry: OpenIncident, group: Group) -> list[Focus]:
    """Those of the group, and those that follow from a sealed question of the same incident."""
    ours = [a.focus for a in group.live]
    late = [f for f in state.foci if f.folded and not f.sealed and f.incident == entry.incident.id and f not in ours]
    return ours + late


def _signals_of(live: Iterable[Answer], cases: Mapping[int, Case]) -> list[Signal]:
    found = {id(s): s for a in live if id(a.focus) in cases for s in cases[id(a.focus)].opening()}
    return sorted(found.values(), key=lambda s: (s.time_s, s.rule, s.pid or 0, s.text))


def _hypotheses(lead: Answer) -> tuple[Hypothesis, ...]:
    """The suspects, those nothing is known of last; 'unknown' is an answer only where it is the best one."""
    shown = [j for j in lead.judged if j is lead.best or j.rule.id != UNKNOWN]
    told = [j for j in shown if j.supported or j.hypothesis.verdict is Verdict.RULED_OUT]
    silent = [j for j in shown if j not in told]
    return tuple(j.hypothesis for j in (*told, *silent))


def _counts(entry: OpenIncident, foci: Iterable[Focus]) -> dict[str, int]:
    counts = dict(entry.sealed_counts)
    for focus in foci:
        for rule, n in focus.rules.items():
            counts[rule] = counts.get(rule, 0) + n
    return dict(sorted(counts.items()))


def _consequences(entry: OpenIncident, foci: Iterable[Focus], group: Group, rules: Rules) -> list[str]:
    counts, roots = dict(entry.sealed_consequences), [a.focus for a in group.roots]
    for focus in foci:
        for rule, n in focus.rules.items() if focus not in roots else ():
            counts[rule] = counts.get(rule, 0) + n
    known = [(rules.signals[rule], n) for rule, n in sorted(counts.items()) if rule in rules.signals]
    return [f"{n} x {rule.title}" for rule, n in known if rule.severity is not Severity.INFO]


def _timeline(signals: Sequence[Signal], rules: Rules) -> Iterable[tuple[float, str]]:
    for signal in signals[:MAX_TIMELINE]:
        rule = rules.signals.get(signal.rule)
        title = rule.title if rule else signal.rule
        worker = signal.fields.get("worker")
        yield signal.time_s, f"{title} (worker {worker})" if worker else title


def _samples(signals: Sequence[Signal], rules: Rules) -> list[str]:
    """Log lines to show: what happened first, what merely belongs to it only where nothing else is there."""
    loud = [s for s in signals if s.rule in rules.signals and rules.signals[s.rule].severity is not Severity.INFO]
    return list(dict.fromkeys(s.text[:MAX_SAMPLE_CHARS] for s in loud or signals))[:MAX_SAMPLES]
