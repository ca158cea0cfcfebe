"""Whose stack would tell what no log will: the trigger and the budget of dumps. Takes none itself.

Asked about are workers whose heartbeat nears gunicorn's limit (the abort may leave no traceback), workers that boot for
too long (nothing ends them), and workers of threads or loops that hold requests nginx has given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from analyzerd.core.apps import Apps
from analyzerd.core.state import EngineState, Focus
from analyzerd.model import Effect, Probe, ProcessReading, Sample, Setting

SHARE = 0.8
"""A heartbeat this share of ``timeout`` old is worth a look: what is late will mostly be killed."""
SUSPICIOUS_SHARE = 0.5
"""An idle sync worker beats every half of ``timeout``; older than that it is busy, and the look is planned."""
HOUR_S = 3600.0
PER_MINUTE = 3
"""Workers that hang together hang at the same line: a few of them tell it."""
GIVEN_UP = "nginx.read-timeout"
UNLIMITED = ("gthread", "gevent", "eventlet", "tornado", "asgi")
DEFAULT_TIMEOUT_S = 30.0
MAX_REMEMBERED = 1024


@dataclass(slots=True)
class Asked:
    """What was asked in the last hour. ``since_s``: by pid, the beginning of the state it was asked in."""

    per_hour: int = 0
    at_s: list[float] = field(default_factory=list)
    since_s: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wish:
    reading: ProcessReading
    since_s: float
    due_s: float
    silent_s: float


def about(
    sample: Sample,
    state: EngineState,
    apps: Apps,
    asked: Asked,
    settings_of: Callable[[str], Mapping[str, Setting]],
    app_of: Callable[[Focus], str | None],
) -> list[Effect]:
    """Name the workers to be looked at after this sample, within the budget."""
    if not asked.per_hour:
        return []
    found: list[Effect] = []
    for app in sorted({apps.of_unit(p.unit) for p in sample.processes if p.role == "worker"}):
        crew = [p for p in sample.processes if p.role == "worker" and apps.of_unit(p.unit) == app]
        settings = settings_of(app)
        wishes = [w for p in crew if (w := _late(p, sample.time_s, state, app, _timeout_s(settings)))]
        if _class_of(state, app, settings) in UNLIMITED and _given_up(state, app, app_of):
            wishes += _holding(crew, sample.time_s)
        found += [_probe(w) for w in wishes if _granted(w, asked, sample.time_s)]
    return found


def _timeout_s(settings: Mapping[str, Setting]) -> float | None:
    found = settings.get("gunicorn.timeout")
    if found is None:
        return DEFAULT_TIMEOUT_S if any(name.startswith("gunicorn.") for name in settings) else None
    return float(found.value) if isinstance(found.value, int | float) and found.value > 0 else None


def _class_of(state: EngineState, app: str, settings: Mapping[str, Setting]) -> str:
    configured = settings.get("gunicorn.worker_class")
    return state.ledgers[app].worker_class or str(configured.value if configured else "")


def _late(p: ProcessReading, now_s: float, state: EngineState, app: str, limit_s: float | None) -> _Wish | None:
    """A worker that will be given up before it has been looked at again, or that has never beaten."""
    age_s = p.heartbeat_age_s
    if age_s is None or limit_s is None:
        return None
    if age_s < 0:
        worker = state.ledgers[app].workers.get(p.pid)
        booted_s = worker.booted_s if worker else now_s
        return _Wish(p, booted_s, now_s, 0.0) if now_s - booted_s >= SHARE * limit_s else None
    if age_s <= SUSPICIOUS_SHARE * limit_s:
        return None
    beat_s = now_s - age_s
    return _Wish(p, beat_s, max(now_s, beat_s + SHARE * limit_s), SHARE * limit_s)


def _given_up(state: EngineState, app: str, app_of: Callable[[Focus], str | None]) -> bool:
    questions = [focus for focus in state.foci if GIVEN_UP in focus.rules and not focus.sealed]
    return any(app_of(focus) == app for focus in questions)


def _holding(crew: list[ProcessReading], now_s: float) -> Iterator[_Wish]:
    """The workers that hold most connections; they are asked about once a minute while requests are given up."""
    busy = sorted((p for p in crew if p.connections), key=lambda p: (-(p.connections or 0), p.pid))
    for p in busy[:PER_MINUTE]:
        yield _Wish(p, now_s // 60.0 * 60.0, now_s, 0.0)


def _granted(wish: _Wish, asked: Asked, now_s: float) -> bool:
    """Whether it was not asked already and the budget allows it; a granted wish is noted."""
    asked.at_s = [at_s for at_s in asked.at_s if now_s - HOUR_S < at_s <= now_s]
    known_s = asked.since_s.get(wish.reading.pid)
    if wish.reading.start_s is None or (known_s is not None and abs(known_s - wish.since_s) <= 1.0):
        return False
    if len(asked.at_s) >= asked.per_hour or sum(at_s > now_s - 60.0 for at_s in asked.at_s) >= PER_MINUTE:
        return False
    asked.at_s.append(now_s)
    asked.since_s.pop(wish.reading.pid, None)
    asked.since_s[wish.reading.pid] = wish.since_s
    while len(asked.since_s) > MAX_REMEMBERED:
        del asked.since_s[next(iter(asked.since_s))]
    return True


def _probe(wish: _Wish) -> Probe:
    return Probe(wish.reading.unit, wish.reading.pid, wish.reading.start_s or 0.0, wish.due_s, wish.silent_s)
