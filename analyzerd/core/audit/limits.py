"""Audit of time limits: each must be longer than the one inside it, and none so long that it limits nothing."""

from __future__ import annotations

import math

from analyzerd.core.audit.item import (
    GUNICORN,
    LEAST_FOR_TAIL,
    NGINX,
    SYSTEMD,
    Answer,
    Item,
    Subject,
    failed,
    passed,
    setting_page,
    unknown,
    unread,
)
from analyzerd.core.estimators import percentile, queue_wait
from analyzerd.core.plan import Want, formulas
from analyzerd.formats.nginx_routes import Route
from analyzerd.units import format_duration

LONGEST_TIMEOUT_S = 120
QUEUE_MARGIN_S = 2.0
STOP_MARGIN_S = 5.0
SYSTEMD_STOP_S = 90.0
CONNECT_S = 5.0
LONG_REQUEST_S = 60.0
NO_NGINX = "no nginx configuration with a proxy_pass to this app was read"


def set_deliberately(s: Subject) -> Answer:
    """Both limits stand somewhere, whatever they are."""
    names = ("gunicorn.timeout", "gunicorn.graceful_timeout")
    known = [s.written(name) for name in names]
    missing = [name.partition(".")[2] for name, written in zip(names, known, strict=True) if written is False]
    if missing:
        values = ", ".join(f"{name} = {s.number('gunicorn.' + name) or 0:g}" for name in missing)
        which = " and ".join(missing)
        return failed(f"{which} not set: gunicorn's default is in force", values)
    if None in known:
        return unread("timeout or graceful_timeout")
    return passed("timeout and graceful_timeout are both set", s.places(*names))


def timeout(s: Subject) -> Answer:
    """Not endless, and not so long that stuck requests keep their workers for minutes."""
    limit, places = s.number("gunicorn.timeout"), s.places("gunicorn.timeout")
    if limit is None:
        return unread("timeout")
    longest = s.longest_s()
    usual = f"; 99.9 % of requests take under {format_duration(longest)}" if longest is not None else ""
    if limit == 0:
        return failed("timeout = 0: a worker that hangs is never replaced", "timeout = 30", places)
    if limit > LONGEST_TIMEOUT_S:
        kept = "a request that is stuck keeps its worker" if s.worker_class == "sync" else "a dead worker stays"
        reason = f"timeout = {limit:g}: {kept} for {format_duration(limit)}{usual}"
        want = Want("timeout", _shorter(s), "see timeout")
        return failed(reason, f"timeout = {want.value}  # and move longer work to a background job", places, want)
    if longest is not None and s.worker_class == "sync" and longest > 0.9 * limit:
        want = Want("timeout", formulas.timeout(longest, len(s.binds)), "see timeout")
        reason = f"timeout = {limit:g} cuts requests that would finish{usual}"
        return failed(reason, f"timeout = {want.value}", places, want)
    return passed(f"timeout = {limit:g}{usual}", places)


def _shorter(s: Subject) -> int:
    """What a timeout that limits nothing should be: enough for the measured requests, 30 to 120 s."""
    return max(30, min(LONGEST_TIMEOUT_S, math.ceil(1.3 * (s.longest_s() or 0.0))))


def ladder(s: Subject) -> Answer:
    """Nginx waits longer than gunicorn works: at every place that passes requests to this app."""
    limit = s.number("gunicorn.timeout")
    if not s.routes:
        return unknown(NO_NGINX, "give nginx.conf and what it includes")
    if not s.worker_class or limit is None:
        return unread("gunicorn's worker class or timeout")
    queue_s = queue_wait(percentile(s.upstream, 0.99), percentile(s.service, 0.99)) or 0.0
    if s.worker_class != "sync":
        return _ladder_of_threads(s)
    needed = formulas.read_timeout(limit, queue_s)
    sums = f"gunicorn's timeout {limit:g} s + {queue_s + QUEUE_MARGIN_S:.0f} s for the queue"
    if limit <= LONGEST_TIMEOUT_S:
        return _routes_waiting(s, float(needed), sums, f"proxy_read_timeout {needed}s;")
    proposed = formulas.read_timeout(_shorter(s), queue_s)
    return _routes_waiting(s, float(needed), sums, f"proxy_read_timeout {proposed}s;  # with timeout = {_shorter(s)}")


def _routes_waiting(s: Subject, needed_s: float, sums: str, change: str) -> Answer:
    waits = [(route, route.told["proxy_read_timeout"].seconds) for route in s.routes]
    short = [(route, wait) for route, wait in waits if wait is not None and wait < needed_s]
    if short:
        where = "; ".join(f"{_name(route)} waits {wait:g} s" for route, wait in short[:5])
        reason = f"nginx gives up before gunicorn ({sums}): {where}"
        places = tuple(_read_place(route) for route, _ in short)
        return failed(reason, change, places)
    if any(wait is None for _, wait in waits):
        return unknown("proxy_read_timeout may stand in an included file that was not read")
    least = min(wait for _, wait in waits if wait is not None)
    return passed(f"nginx waits {least:g} s or longer at every location; it takes {needed_s:.0f} s ({sums})")


def _ladder_of_threads(s: Subject) -> Answer:
    """Where timeout does not end requests only the app's own limits do, and those are in its code."""
    longest, n = percentile(s.service, 0.999), s.service.n
    waits = [wait for route in s.routes if (wait := route.told["proxy_read_timeout"].seconds) is not None]
    if waits and longest is not None and longest > min(waits):
        reason = f"requests run up to {format_duration(longest)} after nginx has given up at {min(waits):g} s"
        places = tuple(_read_place(route) for route in s.routes)
        return failed(reason, f"proxy_read_timeout {math.ceil(1.3 * longest) + 2}s;", places)
    measured = f"; of {n} requests the slowest took {format_duration(longest)}" if longest is not None else ""
    kind = s.worker_class
    reason = f"{kind}: gunicorn's timeout ends no request; only limits in the app do, which are not read{measured}"
    return unknown(reason, "give every database and HTTP call a time limit below proxy_read_timeout")


def _name(route: Route) -> str:
    return route.location or "a server block"


def _read_place(route: Route) -> str:
    place = route.told["proxy_read_timeout"].place
    return place if ":" in place else route.place


def graceful(s: Subject) -> Answer:
    """A stop or reload leaves requests the time they take."""
    limit, longest = s.number("gunicorn.graceful_timeout"), s.longest_s()
    places = s.places("gunicorn.graceful_timeout")
    if limit is None:
        return unread("graceful_timeout")
    if longest is None:
        reason = f"graceful_timeout = {limit:g}; the slowest requests are not known from {s.service.n} durations"
        return unknown(reason, f"log %(D)s; it takes {LEAST_FOR_TAIL} requests", places)
    if limit < longest:
        want = Want("graceful_timeout", formulas.graceful_timeout(longest), "see graceful-timeout")
        reason = f"graceful_timeout = {limit:g} cuts requests at every deploy: 99.9 % take up to"
        return failed(f"{reason} {format_duration(longest)}", f"graceful_timeout = {want.value}", places, want)
    return passed(f"graceful_timeout = {limit:g}; 99.9 % of requests take under {format_duration(longest)}", places)


def stop(s: Subject) -> Answer:
    """Systemd waits longer for the whole stop than gunicorn for its workers."""
    limit, found = s.number("gunicorn.graceful_timeout"), s.value("unit.TimeoutStopSec")
    if not s.unit_read:
        return unknown("the unit's file was not read", "give the .service file and its drop-ins")
    if limit is None:
        return unread("graceful_timeout")
    if found == "infinity":
        return passed("systemd waits for ever (TimeoutStopSec=infinity)", s.places("unit.TimeoutStopSec"))
    wait_s = found if isinstance(found, int | float) else SYSTEMD_STOP_S
    how = f"TimeoutStopSec={wait_s:g}" + ("" if isinstance(found, int | float) else ", systemd's default")
    places = s.places("unit.TimeoutStopSec", "gunicorn.graceful_timeout")
    if wait_s < limit + STOP_MARGIN_S:
        reason = f"{how}: systemd kills what graceful_timeout = {limit:g} still allows"
        want = Want("stop_timeout", math.ceil(limit + STOP_MARGIN_S), "see stop-timeout")
        return failed(reason, f"TimeoutStopSec={want.value}", places, want)
    return passed(f"{how} for graceful_timeout = {limit:g}", places)


def connect(s: Subject) -> Answer:
    """A full accept queue is seen in seconds."""
    if not s.routes:
        return unknown(NO_NGINX, "give nginx.conf and what it includes")
    routes = [r for r in s.routes if any(not server.startswith("unix:") for server in r.servers)]
    if not routes:
        return passed("does not arise: nginx reaches the app by unix sockets, which refuse at once")
    waits = [(r, r.told["proxy_connect_timeout"]) for r in routes]
    slow = [(r, told) for r, told in waits if (told.seconds or 0.0) > CONNECT_S]
    if slow:
        longest = max(told.seconds or 0.0 for _, told in slow)
        places = tuple(told.place if ":" in told.place else r.place for r, told in slow)
        reason = f"nginx tries for {longest:g} s to connect: a full accept queue stays hidden that long"
        return failed(reason, "proxy_connect_timeout 5s;", places)
    if any(told.seconds is None for _, told in waits):
        return unknown("proxy_connect_timeout may stand in an included file that was not read")
    return passed("nginx gives up connecting within 5 s at every location")


def several_binds(s: Subject) -> Answer:
    """Sync workers with more than one bind report in half as often."""
    if not s.worker_class or not s.binds:
        return unread("the worker class or the binds")
    places = s.places("gunicorn.bind")
    if s.worker_class != "sync" or len(s.binds) < 2:
        return passed(f"{s.worker_class} with {len(s.binds)} bind", places)
    limit = s.number("gunicorn.timeout") or 0.0
    reason = f"sync with {len(s.binds)} binds: timeout = {limit:g} can fire after {limit / 2:g} s"
    return failed(reason, f"one bind, or timeout = {2 * limit:g}", places)


def long_requests(s: Subject) -> Answer:
    """Nothing in the request path runs for a minute."""
    if not s.service.n:
        return unknown("no durations of requests were read", "log gunicorn's own time, %(D)s")
    slow = [(name, percentile(clock, 0.999) or 0.0) for name, clock in s.endpoints("gunicorn.access")]
    worst = [(name, took) for name, took in slow if took > LONG_REQUEST_S]
    if worst:
        shown = ", ".join(f"{name} {format_duration(took)}" for name, took in worst[:3])
        return failed(f"requests run for over a minute: {shown}", "move this work to a background job")
    took = percentile(s.service, 0.999) or 0.0
    shown = f"the slowest of {s.service.n} requests took {format_duration(took)}"
    if s.service.n < LEAST_FOR_TAIL:
        return unknown(f"{shown}; the slow tail takes {LEAST_FOR_TAIL} requests to see")
    return passed(shown)


ITEMS = (
    Item(
        "timeouts-set",
        "Are timeout and graceful_timeout set deliberately?",
        "Checklist: timeout and graceful-timeout are set deliberately",
        (),
        (setting_page("timeout"), setting_page("graceful_timeout")),
        set_deliberately,
    ),
    Item(
        "timeout",
        "Does timeout end what hangs, and spare what works?",
        "Common causes: timeout too low, timeout too high",
        ("timeout-too-low", "stuck-requests"),
        (setting_page("timeout"),),
        timeout,
    ),
    Item(
        "timeout-ladder",
        "Does nginx wait longer than gunicorn works, at every location?",
        "Common causes: Nginx timeout mismatch",
        ("nginx-timeout-mismatch",),
        (f"{NGINX}http/ngx_http_proxy_module.html#proxy_read_timeout",),
        ladder,
    ),
    Item(
        "graceful-timeout",
        "Does a reload leave requests the time they take?",
        "",
        ("deploy",),
        (setting_page("graceful_timeout"),),
        graceful,
    ),
    Item(
        "stop-timeout",
        "Does systemd wait longer for a stop than gunicorn for its workers?",
        "",
        ("deploy",),
        (f"{SYSTEMD}systemd.service.html#TimeoutStopSec=",),
        stop,
    ),
    Item(
        "connect-timeout",
        "Does nginx notice within seconds that nobody accepts?",
        "",
        ("backlog-overflow",),
        (f"{NGINX}http/ngx_http_proxy_module.html#proxy_connect_timeout",),
        connect,
    ),
    Item(
        "several-binds",
        "Is timeout as long as it says, not halved by several binds?",
        "",
        ("multiple-binds-halve-timeout",),
        (setting_page("bind"), f"{GUNICORN}design.html"),
        several_binds,
    ),
    Item(
        "long-requests",
        "Is long-running work out of the request path?",
        "Checklist: long-running work is removed from request/response paths",
        ("app-slow",),
        (f"{GUNICORN}design.html",),
        long_requests,
    ),
)
