"""Turns signals into questions (foci), settles them, and folds consequences into their root.

Knows windows, joins and ranks; what causes mean stands in the rules, what incidents are in lifecycle.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analyzerd.core.judge import VERDICT_RANK, Judged
from analyzerd.core.ledger import worker_of
from analyzerd.core.state import EngineState, Focus, OpenIncident
from analyzerd.model import Signal, Verdict
from analyzerd.rules.schema import CauseRule, SignalRule

SLOWNESS = "derived.latency"
SLOW_AROUND_S = 120.0
NOBODY_LISTENS = frozenset(
    ("nginx.connect-refused", "nginx.connect-missing", "nginx.no-live-upstreams", "nginx.peer-disabled")
)
"""What nginx says, as long as it lasts, of an app that is not there."""
NOT_IN_TIME = frozenset(("nginx.read-timeout", "nginx.peer-disabled"))
"""What nginx says of an app that is too slow."""
NOWHERE = "@"
"""Scope of a witness that knows neither app nor address, as the kernel."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the engine waits, in seconds.

    ``settle_s``: before a confirmed answer is told; ``patience_s``: before one that rests on silence is told;
    ``window_s``: how long late evidence can still change an answer; ``keep_s``: how long signals are kept;
    ``resolve_after_s``: how long quiet must last before an incident counts as over.
    """

    settle_s: float = 5.0
    patience_s: float = 20.0
    window_s: float = 30.0
    keep_s: float = 660.0
    resolve_after_s: float = 900.0

    @property
    def seal_s(self) -> float:
        """When a question is closed for good."""
        return max(self.window_s, self.patience_s)


def open_focus(state: EngineState, rule: SignalRule, signal: Signal, scope: str, timing: Timing) -> Focus | None:
    """Attach a signal to the question it raises, opening the question when it is new.

    ``scope``: the app where it is known already, else the witness's own name (resolved when judged).
    """
    worker = worker_of(signal)
    kind, key = ("worker", str(worker)) if rule.opens == "worker" else (rule.opens, rule.id)
    if kind == "worker" and worker is None:
        return None
    focus = _find(state, kind, key, scope, signal.time_s, timing)
    asked_s = max(state.now_s, signal.time_s)
    if focus is None:
        focus = Focus(kind, key, scope, signal.time_s, signal.time_s, asked_s)
        state.foci.append(focus)
    if asked_s < focus.asked_s:  # input that stands in the future came first
        focus.asked_s, focus.due_s = asked_s, 0.0
    focus.t0_s, focus.t1_s = min(focus.t0_s, signal.time_s), max(focus.t1_s, signal.time_s)
    focus.rules[rule.id] = focus.rules.get(rule.id, 0) + 1
    if focus.scope in ("", NOWHERE):
        focus.scope = scope or focus.scope
    return focus


def _find(state: EngineState, kind: str, key: str, scope: str, time_s: float, timing: Timing) -> Focus | None:
    for focus in state.foci:
        here = focus.scope == scope or (kind == "worker" and not {focus.scope, scope}.isdisjoint(("", NOWHERE)))
        same = focus.kind == kind and focus.key == key and here
        if same and not focus.sealed and focus.t0_s - timing.window_s <= time_s <= focus.t0_s + timing.window_s:
            return focus
    return None


class Told(NamedTuple):
    """A sealed question and the cause of the incident it counts towards: its own, or that of what it follows from."""

    focus: Focus
    cause: str


@dataclass(slots=True)
class Answer:
    """A judged question: its suspects, the surest one, and the root it was folded into, if any."""

    focus: Focus
    judged: Sequence[Judged]
    root: Answer | None = None

    @property
    def best(self) -> Judged | None:
        """The surest suspect that is not ruled out."""
        top = self.judged[0] if self.judged else None
        chosen = top is not None and top.supported and top.hypothesis.verdict is not Verdict.RULED_OUT
        if top is None or not chosen or (_measured(self.focus) and top.hypothesis.verdict is Verdict.POSSIBLE):
            return None  # what only numbers speak of, and not clearly, is no incident
        return top

    @property
    def strength(self) -> tuple[int, int, bool, float, tuple[str, str, str]]:
        """Sorting key: surer, then lower rank, then what names a worker, then earlier; never the order of arrival."""
        focus = self.focus
        name = (focus.kind, focus.key, focus.scope)
        if self.best is None:
            return (9, 99, focus.kind != "worker", focus.t0_s, name)
        verdict = self.best.hypothesis.verdict
        return (VERDICT_RANK[verdict], self.best.rule.rank, focus.kind != "worker", focus.t0_s, name)

    def settled(self, now_s: float, timing: Timing) -> bool:
        """Whether it may be told: confirmed and settled, or patience is over."""
        if self.best is not None and self.best.hypothesis.verdict is Verdict.CONFIRMED:
            return now_s >= self.focus.asked_s + timing.settle_s
        return now_s >= self.focus.asked_s + timing.patience_s


def fold(answers: list[Answer], sealed: Sequence[Told], causes: Mapping[str, CauseRule]) -> None:
    """Give every answer that is a consequence of a stronger one its root: the nearest in time, one level deep.

    While nobody listens, what was a consequence before goes on being one.
    """
    answers.sort(key=lambda a: a.strength)
    roots: list[Answer] = []
    for answer in answers:
        live = [r for r in roots if r.best and _is_consequence(answer, r.focus, r.best.rule)]
        old = [Answer(t.focus, ()) for t in sealed if not live and _follows(answer, t, causes.get(t.cause))]
        answer.root = min(live or old, key=lambda r: _gap_s(answer.focus, r.focus), default=None)
        if answer.root is None and answer.best is not None:
            roots.append(answer)


def told(state: EngineState, app: str) -> list[Told]:
    """Sealed questions of an app that count towards an incident, and slowness that was told and is not over."""
    sealed = [Told(f, _told_cause(state, f)) for f in state.foci if f.sealed and f.incident and f.app == app]
    return sealed + [_standing(entry) for entry in state.incidents.values() if is_slow(entry, app)]


def is_slow(entry: OpenIncident, app: str) -> bool:
    """Whether an open incident is about nothing but slowness, and what nginx gives up because of it."""
    counts = entry.incident.counts.keys()
    return not entry.closed and entry.incident.app == app and {SLOWNESS} <= counts <= {SLOWNESS, *NOT_IN_TIME}


def _standing(entry: OpenIncident) -> Told:
    one = entry.incident
    span = (one.first_seen_s, entry.quiet_since_s, one.first_seen_s)
    focus = Focus("app", SLOWNESS, one.app, *span, {SLOWNESS: 1}, one.cause, incident=one.id, sealed=True, app=one.app)
    return Told(focus, one.cause)


def _told_cause(state: EngineState, focus: Focus) -> str:
    entry = state.incidents.get(focus.incident)
    return entry.incident.cause if focus.folded and entry is not None else focus.cause


def _follows(answer: Answer, told: Told, rule: CauseRule | None) -> bool:
    goes_on = not told.focus.folded or {*answer.focus.rules, *told.focus.rules} <= NOBODY_LISTENS
    return goes_on and _is_consequence(answer, told.focus, rule)


def _measured(focus: Focus) -> bool:
    """Whether no log line raised the question, only readings and request times."""
    return all(rule.startswith("derived.") for rule in focus.rules)


def _gap_s(one: Focus, other: Focus) -> float:
    """Seconds between two questions, 0 where they overlap."""
    return max(other.t0_s - one.t1_s, one.t0_s - other.t1_s, 0.0)


def _is_consequence(answer: Answer, root: Focus, rule: CauseRule | None) -> bool:
    if rule is None or root is answer.focus or (rule.benign and not _benign_covers(answer, rule)):
        return False
    if not rule.benign and answer.focus.rules.keys() == {SLOWNESS} and not _measured(root):
        return _gap_s(answer.focus, root) <= SLOW_AROUND_S  # requests are slow around every real fault
    if not rule.benign and SLOWNESS in root.rules and _measured(root) and answer.focus.rules.keys() <= NOT_IN_TIME:
        return not _is_sure(answer) and _gap_s(answer.focus, root) <= SLOW_AROUND_S
    if not set(answer.focus.rules) <= set(rule.folds) or _gap_s(answer.focus, root) > rule.folds_within_s:
        return False
    own = answer.best
    if own is None or own.hypothesis.verdict is not Verdict.CONFIRMED:
        return True
    if own.rule.id == rule.id:  # the unit reports the death of the worker that is known already
        return (answer.focus.kind, root.kind) == ("app", "worker")
    other_worker = answer.focus.kind == root.kind == "worker" and answer.focus.key != root.key
    return own.rule.id in rule.explains_away and not other_worker


def _is_sure(answer: Answer) -> bool:
    """Whether a question has an answer of its own that is more than possible."""
    return answer.best is not None and answer.best.hypothesis.verdict is not Verdict.POSSIBLE


def _benign_covers(answer: Answer, rule: CauseRule) -> bool:
    """A benign root (a deploy) only swallows what could be its own and has no surer answer."""
    if any(j.rule.id == rule.id and j.hypothesis.verdict is Verdict.RULED_OUT for j in answer.judged):
        return False
    return answer.best is None or answer.best.hypothesis.verdict is not Verdict.CONFIRMED
