"""From settled answers to incidents: opens, updates, corrects, merges and resolves them.

One incident per app, cause and key; what it says is derived anew from its evidence at every step, so that the
order of arrival cannot show. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analyzerd.core import patience
from analyzerd.core.advise import recommend
from analyzerd.core.agree import agreed, asked_by
from analyzerd.core.baselines import HISTORY_S, Baseline, Gathered, encode_baseline, gather, learn
from analyzerd.core.case import Case
from analyzerd.core.correlate import SLOWNESS, Answer, Timing, is_slow
from analyzerd.core.describe import Group, Rules, beside, describe, fuller
from analyzerd.core.facts import FACTS
from analyzerd.core.measure import Ours
from analyzerd.core.patience import Spell
from analyzerd.core.state import EngineState, Focus, OpenIncident, incident_id
from analyzerd.model import (
    Benign,
    Effect,
    Incident,
    Recommendation,
    SaveBaseline,
    SaveBenign,
    SaveIncident,
    Severity,
    State,
    Verdict,
)
from analyzerd.units import format_duration

TREND = "derived.memory-growth"
"""What is foretold has not happened yet: it slows no request."""


def publish(
    state: EngineState,
    app: str,
    answers: Sequence[Answer],
    cases: Mapping[int, Case],
    rules: Rules,
    timing: Timing,
) -> list[Effect]:
    """Bring the incidents of one app up to date with its judged questions."""
    effects: list[Effect] = []
    groups = _groups(app, answers, cases)
    told = {id(g): [a.focus.incident for a in g.live if a.focus.incident] for g in groups}
    for group in groups:
        if group.rule.benign:
            effects += _withdraw_for_benign(state, group)
        elif not any(a.focus.due_s <= state.now_s for a in group.live):
            continue  # nothing in it was judged anew
        elif told[id(group)] or any(a.settled(state.now_s, timing) for a in group.roots):
            effects += _converge(state, group, cases, rules)
    effects += _late_consequences(state, answers, cases, rules)
    return effects


def _groups(app: str, answers: Sequence[Answer], cases: Mapping[int, Case]) -> list[Group]:
    groups: dict[tuple[str, str], Group] = {}
    by_root: dict[int, Group] = {}
    for answer in sorted(answers, key=lambda a: a.strength):
        if answer.root is not None or answer.best is None:
            continue
        rule = answer.best.rule
        key = "|".join(str(FACTS[name](cases[id(answer.focus)]) or "") for name in rule.key)
        group = groups.setdefault((rule.id, key), Group(app, rule, key, [], []))
        group.roots.append(answer)
        by_root[id(answer.focus)] = group
    for answer in answers:
        if answer.root is not None and id(answer.root.focus) in by_root:
            by_root[id(answer.root.focus)].folded.append(answer)
    return [g for g in groups.values() if _enough(g)]


def _enough(group: Group) -> bool:
    return sum(sum(a.focus.rules.values()) for a in group.roots) >= group.rule.min_count


def _converge(state: EngineState, group: Group, cases: Mapping[int, Case], rules: Rules) -> list[Effect]:
    entry, reason = _entry(state, group)
    before = entry.incident
    after = describe(state, entry, group, cases, rules)
    effects = _merge_others(state, group, entry)
    for answer in group.live:
        answer.focus.incident, answer.focus.leads = after.id, answer.root is None
    if reason == "opened":
        effects.append(SaveIncident(after, reason))
    elif replace(after, revision=before.revision) != before:
        after = replace(after, revision=before.revision + 1)
        effects.append(SaveIncident(after, "corrected" if after.cause != before.cause else "updated"))
    entry.incident = after
    return effects + _agree(state, entry)


def _agree(state: EngineState, newest: OpenIncident) -> list[Effect]:
    """No two open incidents of an app give two values for one setting."""
    effects: list[Effect] = []
    for other in state.incidents.values():
        if other is newest or other.closed or other.incident.app != newest.incident.app:
            continue
        after = agreed(other.incident, newest.incident)
        if after.recommendations != other.incident.recommendations:
            other.incident = replace(after, revision=after.revision + 1)
            other.told = None if other.told is None else agreed(other.told, newest.incident)
            effects.append(SaveIncident(other.incident, "updated"))
    return effects


def _entry(state: EngineState, group: Group) -> tuple[OpenIncident, str]:
    """The incident this group counts towards: the same problem, one it corrects or explains, or a new one."""
    for entry in state.incidents.values():
        same = entry.incident.app == group.app and entry.incident.cause == group.rule.id and entry.key == group.key
        if same and not entry.closed:
            return entry, "updated"
    for entry in state.incidents.values():
        if not entry.closed and (_corrects(state, group, entry) or _explains(group, entry)):
            entry.key = group.key
            return entry, "corrected"
    return _new_entry(state, group), "opened"


def _corrects(state: EngineState, group: Group, entry: OpenIncident) -> bool:
    """Whether every question the incident was about has turned out to be of this group."""
    mine = {id(a.focus) for a in group.roots}
    leading = [f for f in state.foci if f.incident == entry.incident.id and f.leads and not f.sealed]
    return bool(leading) and not entry.sealed_occurrences and all(id(f) in mine for f in leading)


def _explains(group: Group, entry: OpenIncident) -> bool:
    """Whether the incident's cause is one that this cause explains, at the same endpoint or in the same moment."""
    if entry.incident.app != group.app or entry.incident.cause not in group.rule.explains_away:
        return False
    first_s = min(a.focus.t0_s for a in group.roots)
    near = abs(first_s - entry.incident.last_seen_s) <= group.rule.folds_within_s
    return near or bool(group.key and entry.key == group.key)


def _new_entry(state: EngineState, group: Group) -> OpenIncident:
    first = min((a.focus for a in group.roots), key=lambda f: (f.t0_s, f.kind, f.key))
    blank = Incident(
        id=incident_id(group.app, first.kind, first.key, first.t0_s),
        app=group.app,
        cause=group.rule.id,
        title=group.rule.title,
        severity=group.rule.severity,
        verdict=Verdict.POSSIBLE,
        confidence=0.0,
        state=State.OPEN,
        first_seen_s=first.t0_s,
        last_seen_s=first.t1_s,
        guide_cause=group.rule.guide_cause,
        occurrences=0,
    )
    entry = OpenIncident(blank, group.key)
    state.incidents[blank.id] = entry
    return entry


def _merge_others(state: EngineState, group: Group, entry: OpenIncident) -> list[Effect]:
    """An incident whose questions all turned out to belong to this one says so and ends."""
    effects: list[Effect] = []
    for other_id in sorted({a.focus.incident for a in group.live} - {"", entry.incident.id}):
        other = state.incidents.get(other_id)
        others_left = [f for f in state.foci if f.incident == other_id and f not in [a.focus for a in group.live]]
        if other is None or other.closed or others_left or other.sealed_occurrences:
            continue
        other.closed = True
        merged = replace(
            other.incident,
            state=State.RESOLVED,
            resolved_s=state.now_s,
            resolution=f"part of {entry.incident.id}",
            revision=other.incident.revision + 1,
        )
        other.incident = merged
        effects.append(SaveIncident(merged, "merged"))
    return effects


def _withdraw_for_benign(state: EngineState, group: Group) -> list[Effect]:
    """A question that was told and then turned out benign closes its incident with the reason."""
    effects: list[Effect] = []
    for incident in sorted({a.focus.incident for a in group.live} - {""}):
        entry = state.incidents.get(incident)
        if entry is None or entry.closed or entry.sealed_occurrences:
            continue
        entry.closed = True
        entry.incident = replace(
            entry.incident,
            state=State.RESOLVED,
            resolved_s=state.now_s,
            resolution=f"not a problem: {group.rule.title}",
            revision=entry.incident.revision + 1,
        )
        effects.append(SaveIncident(entry.incident, "resolved"))
    for answer in group.live:
        answer.focus.incident = ""
    return effects


def _late_consequences(
    state: EngineState, answers: Sequence[Answer], cases: Mapping[int, Case], rules: Rules
) -> list[Effect]:
    """Consequences that arrive after their root was sealed count towards its incident."""
    effects: list[Effect] = []
    for answer in answers:
        root = answer.root
        entry = state.incidents.get(root.focus.incident) if root is not None and not root.judged else None
        if entry is None or entry.closed or answer.focus.incident == entry.incident.id:
            continue
        answer.focus.incident = entry.incident.id
        last = max(entry.incident.last_seen_s, answer.focus.t1_s)
        advice = _advice(state, entry, answer, cases, rules)
        revision = entry.incident.revision + 1
        entry.incident = replace(entry.incident, last_seen_s=last, recommendations=advice, revision=revision)
        effects.append(SaveIncident(entry.incident, "updated"))
    return effects


def _advice(
    state: EngineState, entry: OpenIncident, answer: Answer, cases: Mapping[int, Case], rules: Rules
) -> tuple[Recommendation, ...]:
    """What was advised; where it goes on for the same cause, with values that were not known at first."""
    known, best = entry.incident.recommendations, answer.best
    if best is None or best.rule.id != entry.incident.cause or all(r.proposed is not None for r in known):
        return known
    return fuller(known, recommend(best.rule, cases[id(answer.focus)], rules.signals, asked_by(beside(state, entry))))


# ---- time passes ---------------------------------------------------------------------------------------


def seal(state: EngineState, focus: Focus, rules: Rules) -> list[Effect]:
    """Close a question for good: its counts stay with its incident or with its benign finding."""
    focus.sealed = True
    rule = rules.causes.get(focus.cause)
    if rule is not None and rule.benign and not focus.folded:
        return [count_benign(state, focus.app, rule.id, sum(focus.rules.values()), rule.title)]
    entry = state.incidents.get(focus.incident)
    if entry is not None:
        for name, n in focus.rules.items():
            entry.sealed_counts[name] = entry.sealed_counts.get(name, 0) + n
            if focus.folded:
                entry.sealed_consequences[name] = entry.sealed_consequences.get(name, 0) + n
        entry.sealed_occurrences += 0 if focus.folded else 1
        effects = _count_sealed(entry, focus)
        entry.told = entry.incident
        return effects
    return []


def _count_sealed(entry: OpenIncident, focus: Focus) -> list[Effect]:
    """What followed from a sealed question is described no more; its numbers still have to be told."""
    old, total = entry.incident, entry.sealed_counts
    counts = {name: max(old.counts.get(name, 0), total.get(name, 0)) for name in sorted({*old.counts, *total})}
    after = replace(old, counts=counts, last_seen_s=max(old.last_seen_s, focus.t1_s))
    if entry.closed or after == old:
        return []
    entry.incident = replace(after, revision=old.revision + 1)
    return [SaveIncident(entry.incident, "updated")]


def count_benign(state: EngineState, app: str, finding: str, n: int, because: str) -> SaveBenign:
    """Add to a benign finding's count."""
    table = state.benign.setdefault(app, {})
    table[finding] = table.get(finding, 0) + n
    return SaveBenign(state.now_s, Benign(finding, app, table[finding], because))


def resolve_quiet(state: EngineState, timing: Timing) -> list[Effect]:
    """End incidents that have been quiet long enough, and forget ended ones."""
    effects: list[Effect] = []
    for incident, entry in list(state.incidents.items()):
        quiet_s = state.now_s - entry.quiet_since_s
        if entry.closed:
            if not any(f.incident == incident for f in state.foci):
                del state.incidents[incident]
        elif quiet_s >= timing.resolve_after_s:
            effects.append(_resolve(state, entry, f"quiet for {format_duration(quiet_s)}, assumed over"))
    return effects


def keep_open(state: EngineState, app: str, spell: Spell) -> None:
    """What was measured to be slow is not over while it is still near to it."""
    for entry in state.incidents.values():
        if is_slow(entry, app):
            entry.near_s = max(entry.near_s, spell.near_s)


def resolve_by(state: EngineState, incident: str, actor: str) -> list[Effect]:
    """End an incident because a person says so."""
    entry = state.incidents.get(incident)
    if entry is None or entry.closed:
        return []
    return [_resolve(state, entry, f"closed by {actor or 'the operator'}")]


def _resolve(state: EngineState, entry: OpenIncident, resolution: str) -> SaveIncident:
    entry.closed = True
    if entry.incident.app in state.watched and SLOWNESS in entry.incident.counts:
        patience.end(state.watched[entry.incident.app].spell)
    entry.incident = replace(
        entry.incident,
        state=State.RESOLVED,
        resolved_s=state.now_s,
        resolution=resolution,
        revision=entry.incident.revision + 1,
    )
    return SaveIncident(entry.incident, "resolved")


# ---- what is usual -------------------------------------------------------------------------------------


def learn_usual(state: EngineState, app: str, ours: Ours, time_s: float) -> list[Effect]:
    """Gather the hour under way; keep what it taught when it has ended."""
    hour, deploys = state.hours.setdefault(app, Gathered()), tuple(state.ledgers[app].deploys())
    hour.spoilt = hour.spoilt or is_troubled(state, app)
    ended = gather(hour, state.tallies, ours, deploys, time_s)
    before = state.baselines.get(app, Baseline())
    after = before if ended is None else learn(before, ended)
    if after == before:
        return []
    state.baselines[app] = after
    return [SaveBaseline(time_s, app, encode_baseline(after))]


def is_troubled(state: EngineState, app: str) -> bool:
    """Whether an incident of the app is open that can make requests slow; what has lasted a week has become usual."""
    return any(
        not entry.closed
        and entry.incident.app == app
        and entry.incident.severity is not Severity.INFO
        and entry.incident.counts.keys() != {TREND}
        and state.now_s - entry.incident.first_seen_s < HISTORY_S
        for entry in state.incidents.values()
    )
