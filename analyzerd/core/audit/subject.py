"""From an engine that has read everything, and the configurations beside it, to what the audit is asked about.

One subject for each app. Decides nothing but what belongs to whom.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from analyzerd.core.apps import DEFAULT_APP, app_of, ours_of
from analyzerd.core.audit.item import LEAST_WATCHED_S, Ground, Subject
from analyzerd.core.case import Case, Witnesses
from analyzerd.core.engine import Engine
from analyzerd.core.ledger import AppLedger, address_of, is_forged, worker_of
from analyzerd.core.measure import Load, Ours, measure, threads_of
from analyzerd.core.signals import AppSignals
from analyzerd.core.state import EngineState, Focus
from analyzerd.formats.nginx_routes import NginxConf, Route
from analyzerd.model import AccessTally, Sample, Setting, Signal

KEEP_S = 8 * 86400.0
"""How long the engine has to keep signals (Timing.keep_s): an audit counts them over all that was read."""
_ANY_HOST = ("0.0.0.0", "", "[::]", "*")  # noqa: S104 - compared with, not bound


@dataclass(frozen=True, slots=True)
class Beside:
    """What was read beside the engine's inputs.

    ``nginx``: every configuration that was found. ``grounds``: by app. ``units``: those whose text was read.
    """

    nginx: Sequence[NginxConf] = ()
    grounds: Mapping[str, Ground] = field(default_factory=dict)
    units: Collection[str] = ()


def subjects(engine: Engine, beside: Beside) -> tuple[Subject, ...]:
    """Every app the engine knows of; one of the default name where it knows none."""
    apps = apps_of(engine) or (DEFAULT_APP,)
    return tuple(_subject(engine, app, beside, alone=len(apps) == 1) for app in apps)


def apps_of(engine: Engine) -> tuple[str, ...]:
    """Apps with a gunicorn: seen as a process, in a log, or in settings."""
    return tuple(sorted(app for app, ledger in engine.state.ledgers.items() if _is_app(engine, app, ledger)))


def _is_app(engine: Engine, app: str, ledger: AppLedger) -> bool:
    return bool(ledger.masters or ledger.workers) or any(
        name.startswith("gunicorn.") for name in _settings(engine, app, alone=False)
    )


def _subject(engine: Engine, app: str, beside: Beside, *, alone: bool) -> Subject:
    state = engine.state
    ledger = state.ledgers.get(app) or AppLedger(app)
    settings = _settings(engine, app, alone=alone)
    ours = ours_of(app, engine.options.apps, {app: ledger} if alone else state.ledgers, state.tallies)
    samples = _samples(state, ours)
    view = AppSignals(state.signals, app, state.ledgers).refresh()
    focus = Focus("app", "audit", app, 0.0, state.now_s, state.now_s)
    witnesses = Witnesses(state.witnesses)
    case = Case(app, focus, state.now_s, view, ledger, settings, witnesses, samples, state.tallies, state.curves, ours)
    case.load = load = _load(samples, state.tallies, ours, threads_of(ledger.worker_class, settings))
    of_unit = engine.options.apps.of_unit
    read = any(of_unit(unit) == app for unit in beside.units) or (alone and bool(beside.units))
    heard, ground = _heard(state, app, ledger), beside.grounds.get(app, Ground())
    subject = Subject(app, case, load, alone=alone, unit_read=read, heard=heard, ground=ground)
    return _with_nginx(subject, beside.nginx)


def _with_nginx(subject: Subject, confs: Sequence[NginxConf]) -> Subject:
    """Take the configuration that leads to the app; of one that does not only where it is the only one."""
    for conf in confs:
        subject.routes = _routes(conf, subject.binds)
        if subject.routes:
            subject.nginx = conf
            return subject
    subject.nginx = confs[0] if len(confs) == 1 else None
    return subject


def _settings(engine: Engine, app: str, *, alone: bool) -> Mapping[str, Setting]:
    """What is known of the app: of its units, and what names no unit where it is the only one."""
    merged: dict[str, Setting] = {}
    for unit, settings in engine.state.settings.items():
        if engine.options.apps.of_unit(unit) == app or (alone and not unit):
            merged.update({name: one for name, one in settings.items() if not name.startswith("nginx.")})
    return merged


def _samples(state: EngineState, ours: Ours) -> tuple[Sample, ...]:
    """Readings of the app's processes alone; hosts are everybody's."""
    return tuple(
        Sample(
            s.time_s,
            s.host,
            tuple(p for p in s.processes if ours.unit(p.unit)),
            tuple(x for x in s.listeners if ours.unit(x.unit)),
            tuple(c for c in s.cgroups if ours.unit(c.unit)),
            s.disks,
        )
        for s in state.samples
    )


def _load(samples: Sequence[Sample], tallies: Sequence[AccessTally], ours: Ours, threads: int | None) -> Load:
    """Requests and readings of the same stretch of time; all requests where processes were not read for long."""
    if len(samples) < 2 or samples[-1].time_s - samples[0].time_s < LEAST_WATCHED_S:
        return measure(samples, () if samples else tallies, ours, threads)
    from_s, to_s = samples[0].time_s, samples[-1].time_s
    inside = [t for t in tallies if ours.log(t) and t.first_s >= from_s - 1 and t.last_s <= to_s + 1]
    if inside:
        first_s, last_s = min(t.first_s for t in inside), max(t.last_s for t in inside) + 1.0
        beside = [s for s in samples if first_s - 0.5 <= s.time_s <= last_s + 0.5]
        samples = beside if len(beside) >= 2 and beside[-1].time_s - beside[0].time_s >= LEAST_WATCHED_S else samples
    return measure(samples, inside, ours, threads)


def _heard(state: EngineState, app: str, ledger: AppLedger) -> dict[str, int]:
    """Signals that are about this app: of the kernel's only those that name one of its processes."""
    found: dict[str, int] = {}
    for rule, signals in state.signals.items():
        count = sum(_is_about(s, state, app, ledger) for s in signals)
        if count:
            found[rule] = count
    return found


def _is_about(signal: Signal, state: EngineState, app: str, ledger: AppLedger) -> bool:
    if signal.source == "kernel":
        return ledger.knows(worker_of(signal))
    return app_of(signal, state.ledgers) == app and not is_forged(ledger, signal)


def _routes(nginx: NginxConf, binds: Sequence[str]) -> tuple[Route, ...]:
    return tuple(r for r in nginx.routes if any(_leads_to(server, bind) for server in r.servers for bind in binds))


def _leads_to(server: str, bind: str) -> bool:
    """Whether an address nginx passes to is one gunicorn listens at, as far as text tells."""
    server, bind = _plain(server), _plain(bind)
    if server.startswith("unix:") or bind.startswith("unix:"):
        return server == bind
    host, _, port = bind.rpartition(":")
    return server == bind or (host in _ANY_HOST and server.rpartition(":")[2] == port)


def _plain(address: str) -> str:
    address = address_of(address)
    if address.startswith("unix:"):
        return "unix:" + address[5:].replace("//", "/").replace("/var/run/", "/run/")
    host, colon, port = address.rpartition(":")
    if not colon or host.endswith("]") != address.startswith("["):
        host, port = address, "80"
    return f"{'127.0.0.1' if host in ('localhost', '[::1]') else host}:{port}"
