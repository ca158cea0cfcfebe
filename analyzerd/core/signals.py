"""The signals of the last minutes, by rule, bounded; and the view one app has of them.

Bounded by count per rule: in a storm the newest MAX_PER_RULE of a window are kept, the rest is only counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analyzerd.core.apps import app_of
from analyzerd.core.ledger import AppLedger, is_forged
from analyzerd.model import Signal

MAX_PER_RULE = 300
NOTHING: tuple[Signal, ...] = ()

ByRule = dict[str, list[Signal]]


def keep(kept: ByRule, signal: Signal) -> None:
    """Remember a signal; of a rule that has enough of them the oldest is forgotten."""
    bucket = kept.setdefault(signal.rule, [])
    bucket.append(signal)
    if len(bucket) > MAX_PER_RULE:
        del bucket[0]


def prune(kept: ByRule, oldest_s: float) -> None:
    """Forget signals before a time."""
    for rule, bucket in list(kept.items()):
        if any(s.time_s < oldest_s for s in bucket):
            kept[rule] = [s for s in bucket if s.time_s >= oldest_s]
            if not kept[rule]:
                del kept[rule]


def signal_key(signal: Signal) -> tuple[float, str, int, str]:
    """Total order of signals that does not depend on arrival."""
    return (signal.time_s, signal.rule, signal.pid or 0, signal.text)


class AppSignals:
    """What one app may take as evidence: its own signals and the host's, forged ones left out.

    Kept from one judgement to the next; what a rule's signals looked like is remembered until one is added or
    the processes and addresses known of any app change.
    """

    def __init__(self, kept: ByRule, app: str, ledgers: Mapping[str, AppLedger]) -> None:
        self._kept, self._app, self._ledgers = kept, app, ledgers
        self._own = ledgers.get(app) or AppLedger(app)
        self._found: dict[str, tuple[int, object, tuple[Signal, ...]]] = {}
        self._apps: dict[tuple[str, object], bool] = {}
        self._deploys: dict[float, tuple[tuple[float, float], ...]] = {}
        self._known: object = None

    def refresh(self) -> AppSignals:
        """Forget what was remembered if the ledgers have changed since; to be called before each judgement."""
        known = [(name, x.changes) for name, x in self._ledgers.items()]
        if known != self._known:
            self._known = known
            self._own = self._ledgers.get(self._app) or AppLedger(self._app)
            self._found, self._apps, self._deploys = {}, {}, {}
        return self

    def of(self, rule: str) -> tuple[Signal, ...]:
        """Signals of a rule, oldest first."""
        bucket = self._kept.get(rule)
        if not bucket:
            return NOTHING
        newest, count = bucket[-1], len(bucket)
        found = self._found.get(rule)
        if found is None or found[0] != count or found[1] is not newest:
            mine = [s for s in bucket if self._mine(s) and not is_forged(self._own, s)]
            found = self._found[rule] = (count, newest, tuple(sorted(mine, key=signal_key)))
        return found[2]

    def deploys(self, grace_s: float) -> tuple[tuple[float, float], ...]:
        """Windows in which a person was stopping, restarting or reloading the app."""
        if grace_s not in self._deploys:
            self._deploys[grace_s] = tuple(self._own.deploys(grace_s))
        return self._deploys[grace_s]

    def family(self, prefix: str) -> Iterator[Signal]:
        """Signals of all rules whose id begins so, rule by rule."""
        for rule in self._kept:
            if rule.startswith(prefix):
                yield from self.of(rule)

    def _mine(self, signal: Signal) -> bool:
        if signal.app:
            return signal.app == self._app
        what = signal.fields.get("pid" if signal.source == "kernel" else "upstream_address")
        known = self._apps.get((signal.source, what))
        if known is None:
            known = self._apps[signal.source, what] = app_of(signal, self._ledgers) in (self._app, "")
        return known
