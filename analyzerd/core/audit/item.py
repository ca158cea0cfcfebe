"""What an audit is made of: items, what they may look at, and their answers. Judges nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from analyzerd.core import estimators as estimate
from analyzerd.core.case import Case
from analyzerd.core.ledger import address_of
from analyzerd.core.measure import BUCKET_S, Load, clocks_of
from analyzerd.core.plan import Want
from analyzerd.formats.clock import merge
from analyzerd.formats.control_socket import ORIGIN as IN_MEMORY
from analyzerd.formats.nginx_routes import NginxConf, Route
from analyzerd.formats.settings import DEFAULT_ORIGIN
from analyzerd.model import AccessTally, Clock, Sample, Setting, Value

LEAST_REQUESTS = 50
"""Fewer in the window and no latency is judged."""
LEAST_FOR_SIZE = 300
"""Fewer and no number of workers or threads is worked out."""
LEAST_FOR_CLASS = 500
LEAST_FOR_TAIL = 1000
"""Fewer and the slowest requests are not known."""
LEAST_WATCHED_S = 15.0
SUSTAINED_S = 55.0
"""What lasts a minute is not a moment."""


class Outcome(StrEnum):
    """What an item says."""

    FAIL = "fail"
    UNKNOWN = "cannot tell"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True)
class Answer:
    """An item's answer for one app. ``reason`` is one sentence with what was measured or read.

    ``change`` is the exact line to write, '' where there is none; ``places`` are ``file:line`` of what was judged.
    ``wants``: the value in it, to be decided beside those of all other items.
    """

    outcome: Outcome
    reason: str
    change: str = ""
    places: tuple[str, ...] = ()
    wants: tuple[Want, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One question. ``guide`` is where the tuning guide asks it, '' where it does not; ``causes`` have pages."""

    id: str
    question: str
    guide: str
    causes: tuple[str, ...]
    references: tuple[str, ...]
    judge: Judge = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """An item answered for one app ('' where no app was found)."""

    app: str
    item: Item
    answer: Answer


@dataclass(frozen=True, slots=True)
class Ground:
    """What only a look at the machine itself tells; everything is empty or None for files from elsewhere.

    ``file_systems``: mount point to type. ``temporary``: the folder gunicorn takes without worker_tmp_dir.
    ``written_s``: when configuration files were last written, ``started_s`` when processes started (Unix time).
    ``copies``: configuration file to what holds an older version of it.
    """

    live: bool = False
    file_systems: Mapping[str, str] = field(default_factory=dict)
    temporary: str = ""
    somaxconn: int | None = None
    written_s: Mapping[str, float] = field(default_factory=dict)
    started_s: Mapping[int, float] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    nginx_version: tuple[int, ...] = ()
    nginx_fd_limit: int | None = None


@dataclass
class Subject:
    """One app and everything known of it. ``nginx`` None: no configuration was read; ``routes`` are the app's own.

    ``alone``: it is the only app that was found. ``unit_read``: the text of its systemd unit was read. ``heard``:
    how often each signal rule matched a line about it.
    """

    app: str
    case: Case
    load: Load
    nginx: NginxConf | None = None
    routes: tuple[Route, ...] = ()
    alone: bool = True
    unit_read: bool = False
    heard: Mapping[str, int] = field(default_factory=dict)
    ground: Ground = field(default_factory=Ground)

    def setting(self, name: str) -> Setting | None:
        """A setting as read, defaults included where nothing unread can have replaced them."""
        if name == "gunicorn.worker_class" and self.case.ledger.worker_class:
            found = self.case.settings.get(name)
            origin = found.origin if found else "gunicorn's log"
            return Setting(0.0, "", name, self.case.ledger.worker_class, origin)
        return self.case.settings.get(name)

    def value(self, name: str) -> Value:
        """Its value, None where it is unknown."""
        found = self.setting(name)
        return None if found is None else found.value

    def number(self, name: str) -> float | None:
        """Its value as a number."""
        value = self.value(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def places(self, *names: str) -> tuple[str, ...]:
        """Where settings were read, each place once."""
        found = (self.setting(name) for name in names)
        return tuple(dict.fromkeys(one.origin for one in found if one is not None))

    def written(self, name: str) -> bool | None:
        """Whether somebody set it; None where that is unknown."""
        found = self.setting(name)
        return None if found is None or found.origin == IN_MEMORY else found.origin != DEFAULT_ORIGIN

    @cached_property
    def worker_class(self) -> str:
        """The class in effect by its short name, '' where it is unknown."""
        value = str(self.value("gunicorn.worker_class") or "")
        known = ("sync", "gthread", "gevent", "eventlet", "tornado", "asgi")
        return next((name for name in known if name == value or f".{_module(name)}." in value), value)

    @cached_property
    def binds(self) -> tuple[str, ...]:
        """Addresses gunicorn listens at: as it printed them or as configured."""
        if self.case.ledger.addresses:
            return self.case.ledger.addresses
        value = self.value("gunicorn.bind")
        return tuple(address_of(part) for part in value.split(",")) if isinstance(value, str) and value else ()

    @cached_property
    def tallies(self) -> tuple[AccessTally, ...]:
        """The app's requests, by ten seconds."""
        return tuple(t for t in self.case.tallies if self.case.ours.log(t))

    @cached_property
    def service(self) -> Clock:
        """How long gunicorn worked on the requests of all that was read."""
        return clocks_of(self.tallies, "gunicorn.access")

    @cached_property
    def upstream(self) -> Clock:
        """How long nginx waited for them."""
        return clocks_of(self.tallies, "nginx.access")

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """Requests per second of each ten seconds in which there were any."""
        by_start: dict[float, dict[str, int]] = {}
        for t in self.tallies:
            sources = by_start.setdefault(t.time_s, {})
            sources[t.source] = sources.get(t.source, 0) + t.requests
        return tuple(max(sources.values()) / BUCKET_S for _, sources in sorted(by_start.items()))

    @cached_property
    def requests(self) -> int:
        """All requests that were read, whatever their status."""
        return round(sum(self.rates) * BUCKET_S)

    @property
    def peak_rate(self) -> float | None:
        """Requests per second that 95 % of the ten-second spans stay below."""
        ordered = sorted(self.rates)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered else None

    @property
    def rate_per_worker(self) -> float | None:
        """Requests per second of one worker at the peak."""
        return self.peak_rate / self.workers if self.peak_rate is not None and self.workers else None

    @property
    def workers(self) -> float | None:
        """Workers as configured, else as many as were seen."""
        return self.number("gunicorn.workers") or self.load.workers

    def endpoints(self, source: str) -> Iterator[tuple[str, Clock]]:
        """Clocks by endpoint of one kind of log."""
        names = dict.fromkeys(n for t in self.tallies if t.source == source for n in t.clocks)
        for name in names:
            yield name, merge(t.clocks[name] for t in self.tallies if t.source == source and name in t.clocks)

    def longest_s(self, share: float = 0.999) -> float | None:
        """What nearly all requests stay below, in gunicorn's own time; None with too few of them."""
        return estimate.percentile(self.service, share) if self.service.n >= LEAST_FOR_TAIL else None

    @property
    def watched(self) -> bool:
        """Whether processes and host were read long enough to speak of shares of time."""
        samples = self.case.samples
        return len(samples) >= 2 and samples[-1].time_s - samples[0].time_s >= LEAST_WATCHED_S

    @property
    def watched_s(self) -> float:
        """How long they were."""
        samples = self.case.samples
        return samples[-1].time_s - samples[0].time_s if samples else 0.0

    @property
    def last(self) -> Sample | None:
        """The newest reading."""
        return self.case.samples[-1] if self.case.samples else None


Judge = Callable[[Subject], Answer]


def _module(name: str) -> str:
    return {"gevent": "ggevent", "eventlet": "geventlet", "tornado": "gtornado", "asgi": "gasgi"}.get(name, name)


def failed(reason: str, change: str = "", places: tuple[str, ...] = (), *wants: Want) -> Answer:
    """It is not as it should be."""
    return Answer(Outcome.FAIL, reason, change, places, wants)


def passed(reason: str, places: tuple[str, ...] = ()) -> Answer:
    """It is as it should be, or does not arise."""
    return Answer(Outcome.PASS, reason, "", places)


def unknown(reason: str, change: str = "", places: tuple[str, ...] = ()) -> Answer:
    """What would decide it was not read; ``change`` says how to get it."""
    return Answer(Outcome.UNKNOWN, reason, change, places)


def unread(what: str) -> Answer:
    """A configuration that was not given or may be set where it cannot be read."""
    return unknown(f"{what} is not known: it was not given, or is set where only running the file could tell")


GUNICORN = "https://docs.gunicorn.org/en/stable/"
NGINX = "https://nginx.org/en/docs/"
SYSTEMD = "https://www.freedesktop.org/software/systemd/man/latest/"


def log_upstream(s: Subject) -> str:
    """How to learn what nginx waited for this app."""
    if s.alone:
        return "log $upstream_response_time in nginx and %(D)s in gunicorn; audit under load"
    return "log $upstream_response_time and $upstream_addr in nginx, to tell the apps apart, and %(D)s in gunicorn"


def setting_page(name: str) -> str:
    """Where gunicorn documents a setting."""
    return f"{GUNICORN}settings.html#{name.replace('_', '-')}"
