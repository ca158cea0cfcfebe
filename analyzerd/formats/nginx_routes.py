"""What nginx does at each place that passes requests on: its own setting, an inherited one, or the default.

Reads texts it is given, its includes among them; an include that was not given makes what it may hold unknown.
Opens no file, resolves no name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzerd.formats.access_format import NGINX_COMBINED
from analyzerd.formats.nginx_includes import NginxText, whole_tree
from analyzerd.formats.nginx_tree import Directive, all_of, place_of
from analyzerd.units import parse_duration_s

MAX_ROUTES = 200
DEFAULTS: Mapping[str, str] = {
    "proxy_read_timeout": "60s",
    "proxy_connect_timeout": "60s",
    "proxy_request_buffering": "on",
    "proxy_http_version": "",
    "access_log": "logs/access.log combined",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A directive in effect: its arguments as written, and where. ``value`` None: it may stand in an unread file."""

    value: str | None
    place: str

    @property
    def seconds(self) -> float | None:
        """As a duration; None where it is not one."""
        try:
            return parse_duration_s(self.value or "")
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Route:
    """One ``proxy_pass``: the location it stands in, where it leads, and what holds there.

    ``servers``: the addresses behind the target as written (``127.0.0.1:8000``, ``unix:/run/app.sock``).
    ``keepalive``: idle connections the upstream block keeps, None where it does not say.
    ``logs``: the text of each access-log format in effect, () where logging is off, None where it is unknown.
    """

    location: str
    target: str
    place: str
    servers: tuple[str, ...]
    told: Mapping[str, Told]
    keepalive: Told | None = None
    keepalive_timeout: Told = field(default=Told("60s", "nginx default"))
    logs: tuple[str, ...] | None = None
    log_place: str = ""


@dataclass(frozen=True, slots=True)
class NginxConf:
    """A whole configuration. ``unread``: includes nobody gave. ``single``: directives that stand once.

    ``access_logs``: the text of the format by the log's path as written.
    """

    routes: tuple[Route, ...] = ()
    unread: tuple[str, ...] = ()
    single: Mapping[str, Told] = field(default_factory=dict)
    access_logs: Mapping[str, str] = field(default_factory=dict)


_SINGLE = ("worker_connections", "worker_processes", "worker_rlimit_nofile", "error_log")


def read_conf(files: Sequence[NginxText], includes: Mapping[str, Sequence[NginxText]] | None = None) -> NginxConf:
    """Read configurations. ``includes``: the files behind each ``include`` argument, as written there."""
    tree, unread = whole_tree(files, includes)
    walk = _walked(tree, unread)
    single = {d.name: Told(" ".join(d.args), place_of(d)) for d in all_of(tree) if d.name in _SINGLE}
    return NginxConf(tuple(walk.routes[:MAX_ROUTES]), unread, single, walk.access_logs(tree))


def routes_of(tree: Sequence[Directive], unread: Sequence[str]) -> Sequence[Route]:
    """Every place that passes requests on."""
    return _walked(tree, unread).routes[:MAX_ROUTES]


def _walked(tree: Sequence[Directive], unread: Sequence[str]) -> _Walk:
    upstreams = {d.args[0]: d for d in all_of(tree) if d.name == "upstream" and d.args}
    formats = {d.args[0]: _format(d) for d in all_of(tree) if d.name == "log_format" and len(d.args) > 1}
    walk = _Walk(upstreams, {"combined": NGINX_COMBINED, **formats}, bool(unread))
    walk.block(tree, {}, "")
    return walk


class _Walk:
    """Goes down the blocks with what is inherited, and notes every proxy_pass."""

    def __init__(self, upstreams: Mapping[str, Directive], formats: Mapping[str, str], unread: bool) -> None:
        self._upstreams, self._formats, self._unread = upstreams, formats, unread
        self.routes: list[Route] = []

    def block(self, tree: Sequence[Directive], inherited: Mapping[str, list[Directive]], label: str) -> None:
        """One block: its own directives replace inherited ones of their name."""
        own: dict[str, list[Directive]] = {}
        for directive in tree:
            if directive.name in DEFAULTS and directive.args:
                own.setdefault(directive.name, []).append(directive)
        scope = {**inherited, **own}
        name = next((d.args[0] for d in tree if d.name == "server_name" and d.args), "")
        for directive in tree:
            if directive.name == "proxy_pass" and directive.args:
                self.routes.append(self._route(directive, scope, label))
            inner = _label(directive, label)
            self.block(directive.children, scope, inner + (f" ({name})" if name and inner != label else ""))

    def access_logs(self, tree: Sequence[Directive]) -> dict[str, str]:
        """Every access log that is a file, with its format."""
        found = {d.args[0]: self._style(d) for d in all_of(tree) if d.name == "access_log" and d.args}
        return {
            path: self._formats.get(style, "")
            for path, style in found.items()
            if path != "off" and "$" not in path and not path.startswith("syslog:")
        }

    @staticmethod
    def _style(directive: Directive) -> str:
        args = directive.args
        return args[1] if len(args) > 1 and "=" not in args[1] else "combined"

    def _route(self, directive: Directive, scope: Mapping[str, list[Directive]], label: str) -> Route:
        target = directive.args[0]
        host = _host(target)
        upstream = self._upstreams.get(host)
        servers = [d.args[0] for d in upstream.children if d.name == "server" and d.args] if upstream else [host]
        told = {name: self._told(name, scope) for name in DEFAULTS if name != "access_log"}
        kept = {d.name: d for d in upstream.children if d.args} if upstream else {}
        logs, log_place = self._logs(scope)
        route = Route(label, target, place_of(directive), tuple(servers), told, logs=logs, log_place=log_place)
        return _with_keepalive(route, kept)

    def _told(self, name: str, scope: Mapping[str, list[Directive]]) -> Told:
        if name in scope:
            return Told(" ".join(scope[name][-1].args), place_of(scope[name][-1]))
        return Told(None if self._unread else DEFAULTS[name], "nginx default")

    def _logs(self, scope: Mapping[str, list[Directive]]) -> tuple[tuple[str, ...] | None, str]:
        if "access_log" not in scope:
            return (None if self._unread else (NGINX_COMBINED,)), "nginx default"
        found, place = [], place_of(scope["access_log"][0])
        for directive in scope["access_log"]:
            if directive.args[0] == "off":
                continue
            style = self._style(directive)
            if style not in self._formats:
                return None, place
            found.append(self._formats[style])
        return tuple(found), place


def _with_keepalive(route: Route, kept: Mapping[str, Directive]) -> Route:
    if "keepalive" not in kept:
        return route
    pool, timeout = kept["keepalive"], kept.get("keepalive_timeout")
    limit = Told(" ".join(timeout.args), place_of(timeout)) if timeout else Told("60s", "nginx default")
    return Route(
        route.location,
        route.target,
        route.place,
        route.servers,
        route.told,
        Told(" ".join(pool.args), place_of(pool)),
        limit,
        route.logs,
        route.log_place,
    )


def _host(target: str) -> str:
    """The upstream's name, or its address: ``http://unix:/run/a.sock:/x`` is ``unix:/run/a.sock``."""
    address = target.partition("://")[2] or target
    if address.startswith("unix:"):
        return "unix:" + address[5:].partition(":")[0]
    return address.partition("/")[0]


def _label(directive: Directive, label: str) -> str:
    return " ".join(("location", *directive.args)) if directive.name == "location" else label


def _format(directive: Directive) -> str:
    return "".join(text for text in directive.args[1:] if not text.startswith("escape="))
