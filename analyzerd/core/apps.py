"""Which app a unit, a pid or an upstream address belongs to. Knows names, no causes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from analyzerd.core.ledger import AppLedger, address_of, worker_of
from analyzerd.model import Signal

DEFAULT_APP = "gunicorn"
WEB_SERVERS = ("nginx",)


@dataclass(frozen=True, slots=True)
class Apps:
    """Names of apps by unit pattern, as configured; other units are named after themselves.

    ``watched``: patterns of units that are apps even before they print a line (their start may fail).
    """

    by_unit: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[str, ...] = ()

    def of_unit(self, unit: str) -> str:
        """The app of a systemd unit: its configured name, else the unit's own without ``.service``."""
        for pattern, name in self.by_unit.items():
            if fnmatchcase(unit, pattern):
                return name
        return unit.removesuffix(".service") or DEFAULT_APP

    def is_watched(self, unit: str) -> bool:
        """Whether a unit is one of ours by configuration or by its name, before it ever printed a line."""
        names = (unit, f"{unit}.service")
        patterns = (*self.by_unit, *self.watched)
        return "gunicorn" in unit or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def app_of(signal: Signal, ledgers: Mapping[str, AppLedger]) -> str | None:
    """The app a signal is about as far as is known now; '' means the host, None somebody else's."""
    if signal.app:
        return signal.app
    if signal.source in ("nginx.error", "nginx.access"):
        return _by_address(signal, ledgers)
    if signal.source == "kernel":
        pid = worker_of(signal)
        return next((app for app, ledger in ledgers.items() if ledger.knows(pid)), "")
    return ""


def _by_address(signal: Signal, ledgers: Mapping[str, AppLedger]) -> str:
    address = address_of(str(signal.fields.get("upstream_address") or ""))
    for app, ledger in ledgers.items():
        if address and address in ledger.addresses:
            return app
    serving = [app for app, ledger in ledgers.items() if ledger.masters or ledger.workers]
    if len(serving) == 1:
        return serving[0]
    return "nginx" if serving else DEFAULT_APP
