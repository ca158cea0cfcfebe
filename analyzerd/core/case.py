"""All evidence that bears on one question: its signals, processes, settings and readings, in one place.

Asked by facts and by the judge; answers None where it cannot know. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from analyzerd.core.baselines import Baseline
from analyzerd.core.defaults import in_effect
from analyzerd.core.growth import Curve
from analyzerd.core.ledger import AppLedger, address_of, worker_of
from analyzerd.core.measure import EVERYTHING, Load, Ours, measure, threads_of
from analyzerd.core.past import Compared, compare
from analyzerd.core.signals import AppSignals, signal_key
from analyzerd.core.state import Focus
from analyzerd.model import AccessTally, Health, ProcessReading, Sample, Setting, Signal, Value


@dataclass(slots=True)
class Witnesses:
    """Which kinds of source are being read."""

    health: Mapping[str, Health]

    def reads(self, source: str) -> bool:
        """Whether silence of this source means something."""
        health = self.health.get(source)
        return health is not None and health.state != "blind"


@dataclass
class Case:
    """The evidence for one focus; ``view`` holds the signals of its app and of the host."""

    app: str
    focus: Focus
    now_s: float
    view: AppSignals
    ledger: AppLedger
    settings: Mapping[str, Setting]
    witnesses: Witnesses
    samples: Sequence[Sample]
    tallies: Sequence[AccessTally] = ()
    curves: Mapping[int, Curve] = field(default_factory=dict)
    ours: Ours = EVERYTHING
    baseline: Baseline | None = None
    endings: Sequence[AccessTally] = ()
    remembered: dict[str, object] = field(default_factory=dict)

    @cached_property
    def worker(self) -> int | None:
        """The worker the question is about."""
        return int(self.focus.key) if self.focus.kind == "worker" else None

    @cached_property
    def load(self) -> Load:
        """The window in question as numbers: the one a derived signal named, else the minute before the end."""
        spans = [s.fields for rule in self.focus.rules for s in self.find(rule, within_s=0.0) if "from_s" in s.fields]
        known = [(float(f["from_s"] or 0.0), float(f["to_s"] or 0.0)) for f in spans]
        from_s, to_s = known[-1] if known else (self.focus.t1_s - 60.0, self.focus.t1_s)
        tallies = [t for t in self.tallies if from_s - 5.0 <= t.time_s + 5.0 and t.time_s < to_s]
        samples = [s for s in self.samples if from_s - 0.5 <= s.time_s <= to_s + 0.5]
        return measure(samples, tallies, self.ours, self.threads)

    @cached_property
    def compared(self) -> tuple[Compared, ...]:
        """What requests take now and what they took before, by endpoint."""
        return compare(self.tallies, self.ours, self.baseline, self.focus.t1_s)

    @cached_property
    def threads(self) -> int | None:
        """How many requests one worker runs at once; None where that is not a number of threads, or unknown."""
        return threads_of(self.ledger.worker_class, self.settings)

    def distance_s(self, time_s: float) -> float:
        """How far a moment lies outside the span of the question, 0 inside."""
        return max(self.focus.t0_s - time_s, time_s - self.focus.t1_s, 0.0)

    def find(self, rule: str, *, worker: int | None = None, within_s: float = 30.0) -> list[Signal]:
        """Signals of a rule near the question, about one worker when given, oldest first."""
        return [
            s
            for s in self.view.of(rule)
            if self.distance_s(s.time_s) <= within_s and (worker is None or worker_of(s) == worker)
        ]

    def opening(self) -> list[Signal]:
        """The signals that raised the question."""
        found = [s for rule in sorted(self.focus.rules) for s in self.find(rule, worker=self.worker, within_s=0.0)]
        return sorted(found, key=signal_key)

    def setting(self, name: str) -> Value:
        """A setting in effect, gunicorn's or nginx's default where their configuration is known, else None."""
        if name == "gunicorn.worker_class" and self.ledger.worker_class:
            return self.ledger.worker_class
        return in_effect(self.settings, name)

    def number(self, name: str) -> float | None:
        """A setting as a number."""
        value = self.setting(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def origin(self, name: str) -> tuple[str, int | None]:
        """File and line a setting was read from, ('', None) where it is a default or unknown."""
        found = self.settings.get(name)
        if found is None:
            return "", None
        path, _, line = found.origin.rpartition(":")
        return (path, int(line)) if path and line.isdigit() else (found.origin, None)

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """Where gunicorn listens: printed at its start, else as seen on its sockets, else as configured."""
        if self.ledger.addresses:
            return self.ledger.addresses
        bind = self.setting("gunicorn.bind")
        if isinstance(bind, str) and bind:
            return tuple(address_of(part) for part in bind.split(","))
        return ()

    def readings(self, pid: int, from_s: float, to_s: float) -> Iterator[tuple[float, ProcessReading]]:
        """Readings of one process in a window of event time."""
        for sample in self.samples:
            if from_s <= sample.time_s <= to_s:
                for reading in sample.processes:
                    if reading.pid == pid:
                        yield sample.time_s, reading


def version_tuple(text: str) -> tuple[int, ...]:
    """``'22.0.0'`` as (22, 0, 0); () when unknown."""
    parts = []
    for part in text.split("."):
        digits = "".join(ch for ch in part if ch.isdigit())
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)
