"""What the engine concludes, and what the shell has to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from analyzerd.model.changes import SaveAdvised, SaveBucket, SaveChange, SaveVerified
from analyzerd.model.inputs import Health
from analyzerd.model.words import Fields, Severity, State, Truth, Value, Verdict


@dataclass(frozen=True, slots=True)
class Signal:
    """What was seen, never why."""

    time_s: float
    rule: str
    app: str
    source: str
    pid: int | None
    fields: Fields
    text: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One checked condition. ``says`` is the sentence to show; ``weight`` is weak, medium or strong."""

    id: str
    truth: Truth
    supports: bool
    weight: str
    decisive: bool
    says: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One change worth making. ``current`` or ``proposed`` None: not a value that can be computed here.

    ``arithmetic``: how ``proposed`` was worked out, or why there is none. ``tied_to``: the setting it has to be
    changed together with. ``diff`` and ``rollback``: unified diffs of this machine's files, '' where there is none, and
    then ``no_diff_because`` where one was tried. ``agreed_with``: the open incident of the same app whose value for the
    setting this is.
    """

    setting: str
    says: str
    current: Value = None
    proposed: Value = None
    arithmetic: str = ""
    file: str = ""
    line: int | None = None
    diff: str = ""
    rollback: str = ""
    no_diff_because: str = ""
    verify: str = ""
    tied_to: str = ""
    agreed_with: str = ""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One suspect with what speaks for it, against it, and what is missing to decide."""

    cause: str
    verdict: Verdict
    confidence: float
    because: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """One problem of one app. Everything a message or a report shows of it.

    ``id`` is stable for its life (``INC-`` and ten base-32 characters of a hash).
    ``impact``: failed and all requests seen while it was open, or None where no access log is read.
    ``revision`` grows with every visible change.
    """

    id: str
    app: str
    cause: str
    title: str
    severity: Severity
    verdict: Verdict
    confidence: float
    state: State
    first_seen_s: float
    last_seen_s: float
    because: str = ""
    guide_cause: str = ""
    summary: str = ""
    resolved_s: float | None = None
    resolution: str = ""
    occurrences: int = 1
    counts: Mapping[str, int] = field(default_factory=dict)
    hypotheses: tuple[Hypothesis, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    consequences: tuple[str, ...] = ()
    timeline: tuple[tuple[float, str], ...] = ()
    samples_of_log: tuple[str, ...] = ()
    failed_requests: int | None = None
    all_requests: int | None = None
    references: tuple[str, ...] = ()
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Benign:
    """Seen, understood, not a problem, with the reason."""

    id: str
    app: str
    count: int
    because: str


@dataclass(frozen=True, slots=True)
class SaveIncident:
    """Store the incident and converge its message to it.

    ``reason``: opened, updated, corrected, resolved, merged (``merged``: it turned out to be part of another
    incident, named in ``incident.resolution``; its message says so).
    """

    incident: Incident
    reason: str


@dataclass(frozen=True, slots=True)
class CountSignals:
    """How often each signal rule matched since the last such effect, per app."""

    time_s: float
    counts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class SaveBenign:
    """Cumulative count of a benign finding."""

    time_s: float
    benign: Benign


@dataclass(frozen=True, slots=True)
class Blind:
    """A blind spot appeared (``open``) or closed."""

    health: Health
    open: bool


@dataclass(frozen=True, slots=True)
class SaveBaseline:
    """What is usual for an app, as the core encodes it: changes once an hour, so it is kept beside the state."""

    time_s: float
    app: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for evidence that the inputs do not hold: where the threads of a worker stand, at ``due_s``.

    ``start_s``: the worker's start since boot, which tells it from a later process with the same pid. ``silent_s``:
    only if its heartbeat is at least that old by then. The answer, if any, is an Event of source ``stack``.
    """

    unit: str
    pid: int
    start_s: float
    due_s: float
    silent_s: float


Kept: TypeAlias = SaveChange | SaveAdvised | SaveVerified | SaveBucket
Effect: TypeAlias = SaveIncident | CountSignals | SaveBenign | Blind | SaveBaseline | Probe | Kept
