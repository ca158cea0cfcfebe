"""Audit of nginx before gunicorn: where it leads, what it keeps open, buffers, counts and logs."""

from __future__ import annotations

import math

from analyzerd.core.audit.item import (
    LEAST_FOR_SIZE,
    NGINX,
    Answer,
    Item,
    Subject,
    failed,
    log_upstream,
    passed,
    setting_page,
    unknown,
    unread,
)
from analyzerd.core.audit.limits import NO_NGINX
from analyzerd.core.estimators import percentile
from analyzerd.formats.nginx_routes import Route
from analyzerd.formats.settings import DEFAULT_ORIGIN

GIVE_CONF = "give nginx.conf and what it includes"
KEEPALIVE_BY_DEFAULT = (1, 29, 7)
DEFAULT_CONNECTIONS = 512
ANYWHERE = ("0.0.0.0", "[::]", "::", "")  # noqa: S104 - compared with, not bound
LOOPBACK = ("127.", "localhost", "[::1]", "::1")


def target(s: Subject) -> Answer:
    """What nginx passes on arrives at this app."""
    if s.nginx is None or not (s.nginx.routes or s.routes):
        return unknown(NO_NGINX, GIVE_CONF)
    if not s.binds:
        return unread("where gunicorn listens")
    if s.routes:
        shown = ", ".join(dict.fromkeys(server for route in s.routes for server in route.servers))
        return passed(f"nginx passes to {shown}, where gunicorn listens")
    elsewhere = [server for route in s.nginx.routes for server in route.servers]
    if s.nginx.unread or not s.alone or not all(_is_literal(server) for server in elsewhere):
        return unknown(f"none of the proxy_pass that were read leads to {', '.join(s.binds)}", GIVE_CONF)
    shown = ", ".join(dict.fromkeys(elsewhere))
    places = tuple(route.place for route in s.nginx.routes)
    change = f"proxy_pass http://{s.binds[0]};"
    return failed(f"nginx passes to {shown}, gunicorn listens at {', '.join(s.binds)}", change, places)


def _is_literal(server: str) -> bool:
    """Whether it is an address and not a name that may lead anywhere."""
    host = _host(server)
    return server.startswith("unix:") or host == "localhost" or not host.strip("0123456789abcdef.:[]")


def localhost(s: Subject) -> Answer:
    """No name stands for two addresses, of which one refuses."""
    if not s.routes:
        return unknown(NO_NGINX, GIVE_CONF)
    named = [route for route in s.routes if any(_host(server) == "localhost" for server in route.servers)]
    if named:
        port = next(server for server in named[0].servers if _host(server) == "localhost").rpartition(":")[2]
        own = next((b for b in s.binds if b.startswith(("127.", "unix:"))), f"127.0.0.1:{port}")
        reason = "nginx passes to localhost, which is 127.0.0.1 and ::1: one refusal can take the app out for 10 s"
        return failed(reason, f"proxy_pass http://{own};", tuple(route.place for route in named))
    return passed("nginx passes to addresses, not to localhost")


def _host(server: str) -> str:
    return "" if server.startswith("unix:") else server.rpartition(":")[0] or server


def private(s: Subject) -> Answer:
    """Only nginx reaches gunicorn."""
    if not s.binds:
        return unread("where gunicorn listens")
    places = s.places("gunicorn.bind")
    public = [bind for bind in s.binds if not bind.startswith("unix:") and _host(bind) in ANYWHERE]
    if public:
        port = public[0].rpartition(":")[2]
        shown = ", ".join(public)
        reason = f"gunicorn listens on every address ({shown}): unless a firewall stops them, clients go past nginx"
        return failed(reason, f'bind = "127.0.0.1:{port}"', places)
    return passed(f"gunicorn listens at {', '.join(s.binds)}", places)


def forwarded(s: Subject) -> Answer:
    """Nobody but a proxy may say who the client is."""
    value, places = s.value("gunicorn.forwarded_allow_ips"), s.places("gunicorn.forwarded_allow_ips")
    if not isinstance(value, str):
        return unread("forwarded_allow_ips")
    if value != "*":
        return passed(f"forwarded_allow_ips = {value}", places)
    if not s.binds:
        return unread("where gunicorn listens")
    if all(bind.startswith(("unix:", *LOOPBACK)) for bind in s.binds):
        return passed("forwarded_allow_ips = *, but only this machine reaches gunicorn", places)
    reason = "forwarded_allow_ips = * while others than nginx can connect: they may forge address and scheme"
    return failed(reason, 'forwarded_allow_ips = "127.0.0.1"', places)


def keepalive(s: Subject) -> Answer:
    """Nginx does not reuse a connection that gunicorn is about to close."""
    if not s.routes:
        return unknown(NO_NGINX, GIVE_CONF)
    if not s.worker_class:
        return unread("the worker class")
    if s.worker_class == "sync":
        return passed("does not arise: sync workers close every connection")
    version = s.ground.nginx_version
    old = bool(version) and version < KEEPALIVE_BY_DEFAULT
    kept = [r for r in s.routes if r.keepalive and (r.told["proxy_http_version"].value == "1.1" or not old)]
    if not kept and not version:
        return unknown("no upstream keepalive is set; from nginx 1.29.7 on it is on by default, the version is unknown")
    if not kept and old:
        return passed(f"nginx {'.'.join(map(str, version))} closes its connections to the app after each request")
    own = s.number("gunicorn.keepalive")
    return unread("gunicorn's keepalive") if own is None else _kept(s, kept or list(s.routes), own)


def _kept(s: Subject, routes: list[Route], own: float) -> Answer:
    longest = max(route.keepalive_timeout.seconds or 60.0 for route in routes)
    places = (*s.places("gunicorn.keepalive"), *(r.keepalive.place for r in routes if r.keepalive is not None))
    if own <= longest:
        reason = (
            f"nginx keeps idle connections {longest:g} s, gunicorn closes them after {own:g} s: POSTs can meet a 502"
        )
        return failed(reason, f"keepalive = {longest + 5:g}", places)
    return passed(f"gunicorn keeps idle connections {own:g} s, nginx {longest:g} s", places)


def buffering(s: Subject) -> Answer:
    """Slow uploads wait in nginx and not in a worker."""
    if not s.routes:
        return unknown(NO_NGINX, GIVE_CONF)
    off = [r for r in s.routes if r.told["proxy_request_buffering"].value == "off"]
    if off:
        reason = f"proxy_request_buffering is off at {len(off)} locations: a slow upload holds a worker"
        return failed(
            reason, "proxy_request_buffering on;", tuple(r.told["proxy_request_buffering"].place for r in off)
        )
    if any(r.told["proxy_request_buffering"].value is None for r in s.routes):
        return unknown("proxy_request_buffering may stand in an included file that was not read")
    return passed("nginx takes each request whole before it passes it on")


def connections(s: Subject) -> Answer:
    """Nginx has room for the peak: two connections for every request it passes on."""
    if s.nginx is None:
        return unknown(NO_NGINX, GIVE_CONF)
    told = s.nginx.single.get("worker_connections")
    limit = int(told.value) if told and told.value and told.value.isdecimal() else DEFAULT_CONNECTIONS
    places = (told.place if told else "nginx default",)
    slowest = percentile(s.upstream, 0.99)
    if s.peak_rate is None or slowest is None or s.upstream.n < LEAST_FOR_SIZE:
        reason = f"worker_connections = {limit}; what it takes was not measured from {s.upstream.n} durations"
        return unknown(reason, log_upstream(s), places)
    processes = _processes(s)
    needed = math.ceil(2 * s.peak_rate * slowest / processes * 1.5)
    sums = f"2 x {s.peak_rate:.1f} requests/s x {slowest:.2f} s x 1.5 / {processes} processes = {needed}"
    if limit < needed:
        return failed(f"worker_connections = {limit}, the peak takes {sums}", f"worker_connections {needed};", places)
    return passed(f"worker_connections = {limit}, the peak takes {sums}", places)


def _processes(s: Subject) -> int:
    told = s.nginx.single.get("worker_processes") if s.nginx else None
    if told and told.value and told.value.isdecimal():
        return max(1, int(told.value))
    return max(1, s.load.cores or 1) if told and told.value == "auto" else 1


def open_files(s: Subject) -> Answer:
    """Nginx may open a file for each connection it may hold, and one more."""
    if s.nginx is None:
        return unknown(NO_NGINX, GIVE_CONF)
    told, own = s.nginx.single.get("worker_connections"), s.nginx.single.get("worker_rlimit_nofile")
    limit = int(told.value) if told and told.value and told.value.isdecimal() else DEFAULT_CONNECTIONS
    set_to = int(own.value) if own and own.value and own.value.isdecimal() else None
    allowed = set_to if set_to is not None else s.ground.nginx_fd_limit
    places = tuple(t.place for t in (told, own) if t)
    if allowed is None:
        return unknown("worker_rlimit_nofile is not set and nginx's own limit was not read", "", places)
    if allowed < 2 * limit:
        reason = f"nginx may open {allowed} files for worker_connections = {limit}"
        return failed(reason, f"worker_rlimit_nofile {2 * limit};", places)
    return passed(f"nginx may open {allowed} files for worker_connections = {limit}", places)


def access_log(s: Subject) -> Answer:
    """Nginx logs how long it waited for the app."""
    if not s.routes:
        return unknown(NO_NGINX, GIVE_CONF)
    without = [r for r in s.routes if r.logs is not None and not any("$upstream_response_time" in f for f in r.logs)]
    if without:
        off = all(not r.logs for r in without)
        what = "is off" if off else "does not hold $upstream_response_time"
        reason = f"nginx's access log {what} at {len(without)} of {len(s.routes)} locations"
        return failed(reason, "log_format ... 'urt=$upstream_response_time ...'", _log_places(without))
    if any(r.logs is None for r in s.routes):
        return unknown("the format of nginx's access log may stand in a file that was not read")
    return passed("nginx logs $upstream_response_time at every location", _log_places(list(s.routes)))


def _log_places(routes: list[Route]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.log_place for r in routes if r.log_place))


def own_access_log(s: Subject) -> Answer:
    """Gunicorn logs how long the app took."""
    log, style = s.value("gunicorn.accesslog"), s.value("gunicorn.access_log_format")
    places = s.places("gunicorn.accesslog", "gunicorn.access_log_format")
    places = tuple(place for place in places if place != DEFAULT_ORIGIN)
    if log is None or style is None:
        return unread("gunicorn's access log or its format")
    change = 'accesslog = "-"\naccess_log_format = \'%(t)s pid=%(p)s "%(r)s" st=%(s)s us=%(D)s b=%(B)s\''
    if not log:
        return failed("gunicorn writes no access log: nobody knows what the app itself took", change, places)
    if not any(name in str(style) for name in ("%(D)s", "%(M)s", "%(L)s")):
        reason = "gunicorn's access log holds no duration below a second"
        return failed(reason, change.splitlines()[1], places)
    return passed("gunicorn logs the duration of each request", places)


_UPSTREAM = f"{NGINX}http/ngx_http_upstream_module.html"
_PROXY = f"{NGINX}http/ngx_http_proxy_module.html"
ITEMS = (
    Item(
        "upstream-address",
        "Does nginx point to where gunicorn listens?",
        "Checklist: Nginx points to the correct Gunicorn socket or host:port",
        ("listen-mismatch",),
        (f"{_PROXY}#proxy_pass",),
        target,
    ),
    Item(
        "localhost",
        "Does nginx pass to an address rather than to the name localhost?",
        "",
        ("localhost-two-addresses",),
        (f"{_PROXY}#proxy_pass", f"{_UPSTREAM}#server"),
        localhost,
    ),
    Item(
        "private-bind",
        "Can only nginx reach gunicorn?",
        "Step 7: bind Gunicorn privately and let Nginx handle public traffic",
        (),
        (setting_page("bind"),),
        private,
    ),
    Item(
        "forwarded-allow-ips",
        "Can only a proxy say who the client is?",
        "",
        (),
        (setting_page("forwarded_allow_ips"),),
        forwarded,
    ),
    Item(
        "keepalive",
        "Does gunicorn keep idle connections longer than nginx does?",
        "",
        ("recycle-race",),
        (setting_page("keepalive"), f"{_UPSTREAM}#keepalive"),
        keepalive,
    ),
    Item(
        "request-buffering",
        "Do slow uploads wait in nginx and not in a worker?",
        "",
        ("slow-client-upload",),
        (f"{_PROXY}#proxy_request_buffering",),
        buffering,
    ),
    Item(
        "nginx-connections",
        "Has nginx room for the peak?",
        "",
        ("nginx-connections-exhausted",),
        (f"{NGINX}ngx_core_module.html#worker_connections",),
        connections,
    ),
    Item(
        "nginx-open-files",
        "May nginx open as many files as it may hold connections?",
        "",
        ("nginx-connections-exhausted", "file-descriptors-exhausted"),
        (f"{NGINX}ngx_core_module.html#worker_rlimit_nofile",),
        open_files,
    ),
    Item(
        "nginx-timings",
        "Does nginx log how long it waited for the app?",
        "Step 10: compare average latency, p95/p99 latency, error rate",
        (),
        (f"{NGINX}http/ngx_http_upstream_module.html#var_upstream_response_time",),
        access_log,
    ),
    Item(
        "gunicorn-timings",
        "Does gunicorn log how long the app took?",
        "Step 10: compare average latency, p95/p99 latency, error rate",
        (),
        (setting_page("access_log_format"),),
        own_access_log,
    ),
)
