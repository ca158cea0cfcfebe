"""What was changed about an app, learnt from its settings, its master's words and what people announce.

Judges nothing. A change is remembered once; a crash loop does not fill the memory.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from analyzerd.core.apps import leads_to
from analyzerd.core.ledger import AppLedger, is_forged
from analyzerd.formats.nginx_settings import OF
from analyzerd.model import Change, Command, Setting, Signal, Value
from analyzerd.units import format_duration

KEPT = 200
AGAIN_S = 60.0
TOLD_WITHIN_S = 3600.0
TOLD_MOST = 3
TOGETHER_S = 120.0
"""A setting is read now and then: it was changed by the reload that was at most so long before or after."""
DEPLOY_S, DEPLOY_MOST_S = 900.0, 4 * 3600.0
RELEASE = "release."
_SIGNALS = {"hup": "reload", "usr2": "reload", "ttin": "workers", "ttou": "workers"}
_WORDS = {
    "restart": "a restart",
    "reload": "a reload",
    "workers": "a signal for more or fewer workers",
    "release": "another release",
    "deploy": "a deploy",
    "setting": "a change",
}


def of_setting(known: Setting | None, new: Setting, app: str) -> Change | None:
    """A setting or a release with another value than before; what was not known before has not changed."""
    if known is None or known.value is None or new.value is None or known.value == new.value:
        return None
    kind = "release" if new.name.startswith(RELEASE) else "setting"
    return Change(new.time_s, app, kind, new.name, known.value, new.value, new.origin)


def of_nginx(change: Change, known: Mapping[str, Setting], ledgers: Mapping[str, AppLedger]) -> Change | None:
    """A change of nginx's as the app's it is about; one of all apps is none where it is told for each."""
    base, _, addresses = change.what.partition(OF)
    if not addresses:
        return None if any(name.startswith(f"{base}{OF}") for name in known) else change
    app = next((app for app, ledger in ledgers.items() if leads_to(addresses, ledger.addresses)), "")
    return replace(change, app=app, what=base)


def of_signal(signal: Signal, ledger: AppLedger) -> Change | None:
    """A reload, a restart, or another number of workers by a signal, as the master says it."""
    if is_forged(ledger, signal):
        return None
    if signal.rule == "gunicorn.signal-received":
        name = str(signal.fields.get("signal") or "")
        kind = _SIGNALS.get(name, "")
        return Change(signal.time_s, signal.app, kind, f"SIG{name.upper()}") if kind else None
    if signal.rule != "gunicorn.starting":
        return None
    earlier = any(m.pid != signal.pid and m.started_s < signal.time_s for m in ledger.masters.values())
    return Change(signal.time_s, signal.app, "restart") if earlier else None


def of_command(command: Command, ledgers: Iterable[AppLedger]) -> Change | None:
    """A deploy that somebody announces or ends; its window counts as one in each ledger, and always ends."""
    if command.kind not in ("deploy-start", "deploy-finish"):
        return None
    starts = command.kind == "deploy-start"
    until_s = command.time_s + (min(command.for_s, DEPLOY_MOST_S) if command.for_s > 0 else DEPLOY_S)
    for ledger in ledgers:
        ended = [(a, min(b, command.time_s)) for a, b in ledger.announced if a <= command.time_s]
        ledger.announced = [*ended, (command.time_s, until_s)] if starts else ended
        ledger.changes += 1
    said = "started" if starts else "finished"
    return Change(command.time_s, command.app, "deploy", command.note, None, said, command.actor)


def remember(changes: list[Change], change: Change) -> bool:
    """Put a change in its place; False for one that is there already, by another witness or moments ago."""
    same = (change.app, change.kind, change.what if change.kind in ("setting", "release") else "", change.after)
    for known in reversed(changes):
        if abs(known.time_s - change.time_s) > AGAIN_S:
            continue
        what = known.what if known.kind in ("setting", "release") else ""
        if (known.app, known.kind, what, known.after) == same:
            return False
    insort(changes, change, key=lambda c: (c.time_s, c.app, c.kind, c.what))
    del changes[:-KEPT]
    return True


# ---- in words -------------------------------------------------------------------------------------------


def told(changes: Sequence[Change], app: str, before_s: float) -> Iterator[tuple[float, str]]:
    """What was changed in the hour before a problem, the last three of it: when, and how long before."""
    mine = [c for c in changes if c.app in (app, "") and before_s - TOLD_WITHIN_S <= c.time_s <= before_s]
    events = [c for c in mine if c.kind != "setting"]
    alone = [c for c in mine if c.kind == "setting" and not any(_together(c, e) for e in events)]
    for change in sorted([*events, *alone], key=lambda c: c.time_s)[-TOLD_MOST:]:
        near = [c for c in changes if c.kind == "setting" and change in events and c.app in (app, "")]
        values = [values_of(c) for c in near if _together(c, change)] or [values_of(change)]
        words = f"{_WORDS[change.kind]} with {', '.join(values)}" if any(values) else _WORDS[change.kind]
        yield change.time_s, f"{words}, {format_duration(round(before_s - change.time_s))} before the problem"


def _together(setting: Change, event: Change) -> bool:
    return event.kind in ("restart", "reload") and abs(setting.time_s - event.time_s) <= TOGETHER_S


def values_of(change: Change) -> str:
    """``timeout 30 -> 10``; what was announced; '' where there is nothing to say."""
    if change.kind in ("setting", "release"):
        return f"{short(change.what)} {shown(change.before)} -> {shown(change.after)}"
    if change.kind != "deploy":
        return ""
    return " ".join(text for text in (change.what, shown(change.after)) if text)


def short(setting: str) -> str:
    """A setting's name as people say it."""
    return setting.removeprefix("gunicorn.").removeprefix(RELEASE)


def shown(value: Value) -> str:
    """A value in few characters."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)[:80]
