"""Whether nginx keeps its connections to the app open, as settings, from the text of its configuration.

Says nothing where the configuration does not: from nginx 1.29.7 on connections are kept by default.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyzerd.formats.nginx_routes import Route
from analyzerd.formats.nginx_tree import Directive, all_of
from analyzerd.model import Setting

TIMEOUT_S = 60.0


def keepalive_settings(
    routes: Sequence[Route], tree: Sequence[Directive], *, time_s: float = 0.0, unit: str = ""
) -> tuple[Setting, ...]:
    """``nginx.upstream_keepalive`` (idle connections kept, 0: none) and how long, in seconds."""
    told = [r for r in routes if r.keepalive is not None]
    if not told:
        return ()
    cleared = _clears_connection(tree)
    kept = {r.place: _idle(r) if cleared and r.told["proxy_http_version"].value == "1.1" else 0 for r in told}
    route = max(told, key=lambda r: (kept[r.place], r.place))
    place = route.keepalive.place if route.keepalive else ""
    limit_s = route.keepalive_timeout.seconds or TIMEOUT_S
    return (
        Setting(time_s, unit, "nginx.upstream_keepalive", kept[route.place], place),
        Setting(time_s, unit, "nginx.upstream_keepalive_timeout", limit_s, route.keepalive_timeout.place),
    )


def _idle(route: Route) -> int:
    words = (route.keepalive.value or "").split() if route.keepalive else []
    return int(words[0][:9]) if words and words[0].isdecimal() else 0


def _clears_connection(tree: Sequence[Directive]) -> bool:
    """Whether any place clears the header that else tells gunicorn to close."""
    return any(
        d.name == "proxy_set_header" and len(d.args) > 1 and d.args[0].lower() == "connection" and not d.args[1]
        for d in all_of(tree)
    )
