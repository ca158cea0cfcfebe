"""What was changed on purpose, what was promised of it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from analyzerd.model.words import Value


@dataclass(frozen=True, slots=True)
class Change:
    """Something about an app that is not as it was. ``app`` '' : the host's, or nginx's.

    ``kind``: setting, restart, reload, workers (TTIN, TTOU), release, deploy. ``what``: the setting, or what was
    announced. ``where``: file and line, or who said it.
    """

    time_s: float
    app: str
    kind: str
    what: str = ""
    before: Value = None
    after: Value = None
    where: str = ""


class Outcome(StrEnum):
    """The words of a verdict on a change."""

    BETTER = "better"
    NO_EFFECT = "no effect"
    WORSE = "worse"
    UNDECIDED = "not decidable yet"
    UNEXPLAINED = "improved but not explained by the change"


@dataclass(frozen=True, slots=True)
class Figures:
    """The guide's five figures (latency by average and percentiles, failures, CPU, memory) of a stretch of time.

    Durations in seconds, ``cpu`` in cores, ``rate`` per second. None: not measured.
    """

    seconds: float = 0.0
    requests: int = 0
    rate: float | None = None
    mean_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    failed_share: float | None = None
    cpu: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of one change of a recommended setting. ``id``: the recommendation's with the change's number.

    ``before`` and ``after``: the setting's values; ``rollback``: how to undo it, where it made things worse.
    """

    id: str
    recommendation: str
    incident: str
    app: str
    cause: str
    setting: str
    before: Value
    after: Value
    proposed: Value
    changed_s: float
    decided_s: float
    outcome: Outcome
    because: str
    was: Figures = field(default_factory=Figures)
    now: Figures = field(default_factory=Figures)
    rollback: str = ""


@dataclass(frozen=True, slots=True)
class Advised:
    """One row of the ledger: a recommendation and how far it has come.

    ``state``: proposed, applied, verified better, no effect, worse, undecided, dismissed.
    """

    id: str
    incident: str
    app: str
    cause: str
    setting: str
    current: Value
    proposed: Value
    promise: str
    state: str
    made_s: float
    changed_s: float | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class SaveChange:
    """Remember a change."""

    change: Change


@dataclass(frozen=True, slots=True)
class SaveAdvised:
    """Write a row of the ledger; the newest state stays."""

    time_s: float
    advised: Advised


@dataclass(frozen=True, slots=True)
class SaveVerified:
    """Keep a verdict and bring it to the thread of its incident, once."""

    time_s: float
    verified: Verified


@dataclass(frozen=True, slots=True)
class SaveBucket:
    """Half a minute of an app's life as the core encodes it: kept beside the state, which is written all the time."""

    time_s: float
    app: str
    content: bytes
