"""Which app a unit, a pid or an upstream address belongs to. Knows names, no causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache

from analyzerd.core.ledger import AppLedger, address_of, worker_of
from analyzerd.core.measure import Ours
from analyzerd.formats.nginx_settings import OF
from analyzerd.model import AccessTally, Setting, Signal

DEFAULT_APP = "gunicorn"
WEB_SERVERS = ("nginx",)
ANY_HOST = ("", "*", "0.0.0.0", "[::]")  # noqa: S104 - names to compare with
HERE = ("127.0.0.1", "[::1]", "localhost")


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


def ours_of(app: str, apps: Apps, ledgers: Mapping[str, AppLedger], tallies: Iterable[AccessTally]) -> Ours:
    """Which readings and access logs are an app's.

    A line of nginx's log is the app's whose address it was passed on to, else the app's whose log it is said to be;
    where neither is known, the app's if there is just one, and else nobody's.
    """
    known, alone = ledgers[app].addresses if app in ledgers else (), len(ledgers) <= 1
    proved = any(leads_to(upstream, known) for upstream in {t.upstream for t in tallies if t.upstream})

    def log(tally: AccessTally) -> bool:
        if not tally.source.startswith("nginx."):
            return apps.of_unit(tally.unit) == app
        if tally.upstream and known:
            # An only app may be reached by an address it does not know itself, behind another proxy.
            return leads_to(tally.upstream, known) or (alone and not proved)
        if tally.unit and apps.of_unit(tally.unit) in ledgers:
            return apps.of_unit(tally.unit) == app
        return alone

    return Ours(lambda unit: apps.of_unit(unit) == app, log)


def nginx_settings_for(
    settings: Mapping[str, Setting], known: tuple[str, ...], *, alone: bool
) -> Mapping[str, Setting]:
    """Nginx's settings as they hold for the app at ``known`` addresses; what holds only for others is left out.

    ``alone``: there is one app, whose address nginx may know by another name.
    """
    apart = {name: one for name, one in settings.items() if OF in name}
    if not apart:
        return settings
    plain = {name: one for name, one in settings.items() if OF not in name}
    mine: dict[str, Setting] = {}
    for name, one in apart.items():
        base, _, addresses = name.partition(OF)
        if one.value is not None and known and leads_to(addresses, known):
            mine[base] = min((one, mine.get(base, one)), key=_number)
    others = {name.partition(OF)[0] for name in apart} - mine.keys()
    kept = {name: one for name, one in plain.items() if alone or name not in others}
    return {**kept, **{base: replace(one, name=base) for base, one in mine.items()}}


def _number(setting: Setting) -> float:
    return setting.value if isinstance(setting.value, int | float) else 0.0


@lru_cache(maxsize=1024)
def leads_to(upstream: str, known: tuple[str, ...]) -> bool:
    """Whether all the addresses a request may have gone to are among those known."""
    return all(any(_same_place(address_of(one), other) for other in known) for one in upstream.split(","))


def _same_place(one: str, other: str) -> bool:
    if one == other or one.startswith("unix:") or other.startswith("unix:"):
        return one == other
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    same_host = host == other_host or other_host in ANY_HOST or (host in HERE and other_host in HERE)
    return same_host and port == other_port and port.isdigit()
