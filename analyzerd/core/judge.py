"""Weighs the suspects of one question: three-valued evidence in, a verdict and a confidence out.

Knows how to weigh, nothing about gunicorn: what counts as evidence stands in the cause rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analyzerd.core.case import Case
from analyzerd.core.facts import FACTS
from analyzerd.model import Evidence, Hypothesis, Signal, Truth, Value, Verdict
from analyzerd.rules.comparison import holds as comparison_holds
from analyzerd.rules.comparison import version_holds
from analyzerd.rules.schema import Applies, CauseRule, Condition, SignalRule
from analyzerd.rules.template import fill as fill_template

POINTS = {"weak": 1.0, "medium": 2.0, "strong": 4.0}
LIKELY_SHARE = 0.6
MISSING_FACTOR = 0.85
RIVAL_FACTOR = 0.7
UNSURE = 0.6
VERDICT_RANK = {Verdict.CONFIRMED: 0, Verdict.LIKELY: 1, Verdict.POSSIBLE: 2, Verdict.RULED_OUT: 3}


@dataclass(frozen=True, slots=True)
class Judged:
    """A weighed suspect, with the rule it came from."""

    rule: CauseRule
    hypothesis: Hypothesis

    supported: bool
    """Whether anything measured speaks for it; an unsupported suspect is listed, never chosen."""

    @property
    def order(self) -> tuple[int, bool, int, float, str]:
        """Sorting key: surer first, then the rule's rank, then confidence."""
        h = self.hypothesis
        return (VERDICT_RANK[h.verdict], not self.supported, self.rule.rank, -h.confidence, self.rule.id)


def judge(case: Case, causes: Mapping[str, CauseRule], signals: Mapping[str, SignalRule]) -> list[Judged]:
    """Weigh every cause that this question puts on the suspect list, surest first."""
    suspects = [r for r in causes.values() if r.status != "shadow" and set(r.opens_on) & set(case.focus.rules)]
    judged = [_weigh(rule, case, signals) for rule in suspects if applies(rule.applies, case)]
    away = {cause for j in judged if j.hypothesis.verdict is Verdict.CONFIRMED for cause in j.rule.explains_away}
    judged = [_explained(j) if j.rule.id in away else j for j in judged]
    return sorted(judged, key=lambda j: j.order)


def applies(limits: Applies, case: Case) -> bool:
    """Whether a rule is about this gunicorn version and worker class; what is unknown does not exclude it."""
    worker_class = case.setting("gunicorn.worker_class")
    if limits.worker_class and worker_class is not None and worker_class not in limits.worker_class:
        return False
    running = case.ledger.version
    return not (limits.gunicorn and running) or version_holds(limits.gunicorn, running)


def _explained(judged: Judged) -> Judged:
    h = judged.hypothesis
    return Judged(judged.rule, Hypothesis(h.cause, Verdict.RULED_OUT, 0.0, h.because, h.evidence), judged.supported)


def _weigh(rule: CauseRule, case: Case, signals: Mapping[str, SignalRule]) -> Judged:
    for_, against = (
        [_check(c, case, signals, supports=supports) for c in conditions]
        for conditions, supports in ((rule.evidence, True), (rule.against, False))
    )
    verdict, confidence = weigh(rule, for_, against)
    supported = any(e.truth is Truth.TRUE and e.weight != "weak" for e in for_)
    because = next((b.id for b in rule.because if b.when is None or holds(b.when, case, signals)), "")
    return Judged(rule, Hypothesis(rule.id, verdict, round(confidence, 2), because, (*for_, *against)), supported)


def weigh(rule: CauseRule, for_: list[Evidence], against: list[Evidence]) -> tuple[Verdict, float]:
    """What a cause's evidence amounts to: a verdict and a confidence from 0 to 1."""
    verdict = _verdict(rule, for_, against)
    confidence = _confidence(rule.prior, verdict, for_, against)
    if confidence < UNSURE and verdict in (Verdict.CONFIRMED, Verdict.LIKELY):
        verdict = Verdict.POSSIBLE
    return verdict, confidence


def _verdict(rule: CauseRule, for_: list[Evidence], against: list[Evidence]) -> Verdict:
    required = {c.id for c in rule.evidence if c.required}
    if any(e.truth is Truth.FALSE for e in for_ if e.id in required):
        return Verdict.RULED_OUT
    if any(e.truth is Truth.TRUE and e.decisive for e in against):
        return Verdict.RULED_OUT
    met = all(e.truth is Truth.TRUE for e in for_ if e.id in required)
    if met and any(e.truth is Truth.TRUE and e.decisive for e in for_):
        return Verdict.CONFIRMED
    balance = sum(_points(e) for e in (*for_, *against))
    possible = sum(POINTS[e.weight] for e in for_)
    if balance <= 0:
        refuted = any(e.truth is (Truth.FALSE if e.supports else Truth.TRUE) for e in (*for_, *against))
        return Verdict.RULED_OUT if refuted else Verdict.POSSIBLE
    return Verdict.LIKELY if met and balance / possible >= LIKELY_SHARE else Verdict.POSSIBLE


def _points(evidence: Evidence) -> float:
    points = POINTS[evidence.weight]
    if evidence.supports:
        return {Truth.TRUE: points, Truth.FALSE: -points / 2, Truth.UNKNOWN: 0.0}[evidence.truth]
    return -points if evidence.truth is Truth.TRUE else 0.0


def _confidence(prior: float, verdict: Verdict, for_: list[Evidence], against: list[Evidence]) -> float:
    """The rule's prior, less for every witness that is missing and every rival that could not be excluded."""
    if verdict is Verdict.RULED_OUT:
        return 0.0
    if verdict is Verdict.CONFIRMED:
        return prior
    unknown = [e for e in (*for_, *against) if e.truth is Truth.UNKNOWN and e.weight != "weak"]
    rivals = sum(not e.supports for e in unknown)
    return float(prior * MISSING_FACTOR ** (len(unknown) - rivals) * RIVAL_FACTOR**rivals)


def holds(condition: Condition, case: Case, signals: Mapping[str, SignalRule]) -> bool:
    """Whether a condition is TRUE (not unknown)."""
    return truth_of(condition, case, signals)[0] is Truth.TRUE


def _check(condition: Condition, case: Case, signals: Mapping[str, SignalRule], *, supports: bool) -> Evidence:
    truth, value, found = truth_of(condition, case, signals)
    template = {
        Truth.TRUE: condition.says,
        Truth.FALSE: condition.says_not or f"not so: {condition.says}",
        Truth.UNKNOWN: condition.missing or _default_missing(condition, signals),
    }[truth]
    says = fill(template, case, value, found)
    return Evidence(condition.id, truth, supports, condition.weight, condition.decisive, says)


def _default_missing(condition: Condition, signals: Mapping[str, SignalRule]) -> str:
    name = condition.signal or condition.absent
    if name:
        return f"not read: {' or '.join(signals[name].sources) if name in signals else name} log"
    return f"not known: {condition.fact or condition.setting}"


def truth_of(condition: Condition, case: Case, signals: Mapping[str, SignalRule]) -> tuple[Truth, Value, Signal | None]:
    """Truth of a condition, the value it was decided on, and the signal it was joined to."""
    if condition.signal or condition.absent:
        return _signal_truth(condition, case, signals)
    value = FACTS[condition.fact](case) if condition.fact else case.setting(condition.setting)
    if value is None:
        return Truth.UNKNOWN, None, None
    fits = bool(value) if condition.compare is None else comparison_holds(condition.compare, value)
    return (Truth.TRUE if fits else Truth.FALSE), value, None


def _signal_truth(
    condition: Condition, case: Case, signals: Mapping[str, SignalRule]
) -> tuple[Truth, Value, Signal | None]:
    name = condition.signal or condition.absent
    worker = case.worker if condition.join == "worker" else None
    found = [
        s
        for s in case.find(name, worker=worker, within_s=condition.within_s)
        if all(comparison_holds(c, s.fields.get(field)) for field, c in condition.where.items())
    ]
    present = len(found) >= condition.min_count
    if not present and not _source_read(name, case, signals):
        return Truth.UNKNOWN, None, None
    truth = Truth.TRUE if present == bool(condition.signal) else Truth.FALSE
    return truth, len(found), found[0] if found else None


def _source_read(rule: str, case: Case, signals: Mapping[str, SignalRule]) -> bool:
    sources = signals[rule].sources if rule in signals else ()
    return any(case.witnesses.reads(source) for source in sources)


def fill(template: str, case: Case, value: Value = None, found: Signal | None = None) -> str:
    """Put measured values into a rule's sentence: ``{value}``, facts, settings, fields of the joined signal."""
    return fill_template(template, lambda name: _lookup(name, case, value, found))


def _lookup(name: str, case: Case, value: Value, found: Signal | None) -> Value:
    if name == "value":
        return value
    if name == "app":
        return case.app
    if name == "worker":
        return case.worker
    if found is not None and name in found.fields:
        return found.fields[name]
    if name in FACTS:
        return FACTS[name](case)
    if "." in name:
        return case.setting(name)
    opening = case.opening()
    return opening[0].fields.get(name) if opening else None
