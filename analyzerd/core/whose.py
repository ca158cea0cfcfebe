"""Which app a question is about, as far as is known by now. Knows processes and addresses, no causes."""

from __future__ import annotations

from collections.abc import Mapping

from analyzerd.core.apps import Apps, app_of
from analyzerd.core.correlate import NOWHERE
from analyzerd.core.ledger import AppLedger, address_of
from analyzerd.core.state import Focus
from analyzerd.model import Signal


def app_of_focus(focus: Focus, ledgers: Mapping[str, AppLedger], apps: Apps) -> str | None:
    """The app a question is about; None while it concerns nobody we watch."""
    if focus.kind == "worker":
        pid = int(focus.key)
        if focus.scope not in ("", NOWHERE):
            return focus.scope if _is_of(focus, pid, ledgers, apps) else None
        return next((app for app, ledger in ledgers.items() if ledger.knows(pid)), None)
    if focus.scope.startswith("@"):
        address = address_of(focus.scope[1:])
        fields = {"upstream_address": address} if address else {}
        return app_of(Signal(0.0, "", "", "nginx.error", None, fields, ""), ledgers)
    return focus.scope if focus.scope in ledgers or _watched(focus.scope, apps) else None


def _is_of(focus: Focus, pid: int, ledgers: Mapping[str, AppLedger], apps: Apps) -> bool:
    """Whether a worker is of the app its witnesses name; the kernel's word for a unit needs a pid we know."""
    ledger = ledgers.get(focus.scope)
    if all(rule.startswith("kernel.") for rule in focus.rules):
        return ledger is not None and ledger.knows(pid)
    return ledger is not None or _watched(focus.scope, apps)


def _watched(app: str, apps: Apps) -> bool:
    return apps.is_watched(app) or app in apps.by_unit.values()
