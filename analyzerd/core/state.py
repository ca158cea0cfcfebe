"""What the engine remembers between two steps, as plain data that survives a restart (msgspec JSON)."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from analyzerd.core.baselines import Baseline, Gathered
from analyzerd.core.buckets import Bucket
from analyzerd.core.growth import Curve
from analyzerd.core.intake import StreamState
from analyzerd.core.ledger import AppLedger
from analyzerd.core.promises import Promised
from analyzerd.core.readings import tallies_worth_saving, worth_saving
from analyzerd.core.watch import Watched
from analyzerd.model import AccessTally, Change, Health, Incident, Sample, Setting, Signal

FORMAT = "analyzerd.engine/6"
"""Bumped when the shape below changes: the store sets an older state aside and the engine starts fresh."""


@dataclass(slots=True)
class Focus:
    """One question: what happened to this worker, why this line.

    ``kind`` is worker, app or upstream; ``key`` the worker pid or the signal rule. ``t0_s`` and ``t1_s`` span its
    opening signals in event time; ``asked_s`` is the engine's time when it was opened.
    ``incident``: id of the incident it counts towards, '' before it is published. ``due_s``: when it has to be
    judged next. ``app``: whom it concerns, as resolved when it was last judged. ``leads``: it is what its incident
    is about, not a consequence (as last told); ``folded``: it is a consequence as last judged.
    """

    kind: str
    key: str
    scope: str
    t0_s: float
    t1_s: float
    asked_s: float
    rules: dict[str, int] = field(default_factory=dict)
    cause: str = ""
    verdict: str = ""
    incident: str = ""
    leads: bool = False
    folded: bool = False
    sealed: bool = False
    due_s: float = 0.0
    app: str = ""


@dataclass(slots=True)
class OpenIncident:
    """An incident that can still change, with what sealed questions contributed to it.

    ``told``: what it said when the last of them was sealed. ``near_s``: when it was last seen not to be over yet.
    """

    incident: Incident
    key: str
    sealed_counts: dict[str, int] = field(default_factory=dict)
    sealed_occurrences: int = 0
    sealed_consequences: dict[str, int] = field(default_factory=dict)
    told: Incident | None = None
    closed: bool = False
    near_s: float = 0.0

    @property
    def quiet_since_s(self) -> float:
        """Since when nothing was seen of it."""
        return max(self.incident.last_seen_s, self.near_s)


@dataclass(slots=True)
class EngineState:
    """All of it. Bounded: every list here is pruned by time and capped by count."""

    now_s: float = 0.0
    ledgers: dict[str, AppLedger] = field(default_factory=dict)
    signals: dict[str, list[Signal]] = field(default_factory=dict)
    foci: list[Focus] = field(default_factory=list)
    incidents: dict[str, OpenIncident] = field(default_factory=dict)
    settings: dict[str, dict[str, Setting]] = field(default_factory=dict)
    witnesses: dict[str, Health] = field(default_factory=dict)
    tallies: list[AccessTally] = field(default_factory=list)
    logged: dict[str, tuple[float, float]] = field(default_factory=dict)
    benign: dict[str, dict[str, int]] = field(default_factory=dict)
    streams: dict[str, StreamState] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    heard: dict[str, Health] = field(default_factory=dict)
    curves: dict[int, Curve] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)
    hours: dict[str, Gathered] = field(default_factory=dict)
    baselines: dict[str, Baseline] = field(default_factory=dict)
    endings: list[AccessTally] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    promises: dict[str, Promised] = field(default_factory=dict)
    measured: dict[str, list[Bucket]] = field(default_factory=dict)


def encode(state: EngineState) -> bytes:
    """The state as JSON. Samples are large: only those still in use are saved; what grows slowly is saved by itself."""
    oldest_s = min((f.t0_s for f in state.foci if not f.sealed), default=None)
    samples, tallies = worth_saving(state.samples, oldest_s), tallies_worth_saving(state.tallies)
    hot = replace(state, samples=samples, tallies=tallies, baselines={}, measured={})
    return msgspec.json.encode(hot, enc_hook=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(type(value).__name__)


def decode(blob: bytes) -> EngineState | None:
    """The saved state, or None when it does not have this program's shape."""
    try:
        return msgspec.json.decode(blob, type=EngineState)
    except msgspec.MsgspecError:
        return None


def incident_id(app: str, kind: str, key: str, t0_s: float) -> str:
    """A short copyable id that depends on nothing but what was seen first."""
    seed = f"{app}|{kind}|{key}|{t0_s:.6f}".encode()
    return "INC-" + b32encode(hashlib.sha256(seed).digest())[:8].decode()
