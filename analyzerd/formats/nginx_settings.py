"""Reads nginx's settings that matter to an upstream app from the text of its configuration. Opens no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzerd.formats.nginx_logs import logs_of
from analyzerd.formats.nginx_tree import Directive, all_of, place_of
from analyzerd.model import Setting, Value
from analyzerd.units import parse_duration_s, parse_size_bytes

_TIMEOUTS = ("proxy_read_timeout", "proxy_connect_timeout", "proxy_send_timeout")
_SIZES = ("proxy_buffer_size", "client_max_body_size")
DEFAULT_ORIGIN = "nginx default"
OF = "@"
"""Before the addresses that a setting is about, where it is not one for all."""
_INHERITED = (*_TIMEOUTS, *_SIZES, "proxy_request_buffering")


@dataclass(slots=True)
class _Seen:
    """What a walk over the tree gathers: per name the values with their places."""

    values: dict[str, list[tuple[Value, str]]] = field(default_factory=dict)
    by_target: dict[str, dict[str, list[tuple[Value, str]]]] = field(default_factory=dict)
    targets: list[tuple[str, str]] = field(default_factory=list)

    def add(self, target: str, name: str, value: Value, place: str) -> None:
        self.values.setdefault(name, []).append((value, place))
        self.by_target.setdefault(target, {}).setdefault(name, []).append((value, place))


def from_tree(
    tree: list[Directive], unread: Sequence[str] = (), *, time_s: float = 0.0, unit: str = ""
) -> tuple[Setting, ...]:
    """Read a whole configuration. What cannot be understood is left out, and a default that ``unread`` may replace."""
    seen = _Seen()
    _walk(tree, {}, seen)
    upstreams = {d.args[0]: d for d in all_of(tree) if d.name == "upstream" and d.args}
    found: dict[str, tuple[Value, str]] = {}
    found.update(_smallest(seen.values))
    found.update(_by_upstream(seen, upstreams))
    addresses = _addresses(seen.targets, upstreams)
    if addresses:
        found["upstream_addresses"] = (",".join(addresses), seen.targets[0][1])
    logs = logs_of(tree, lambda target: _addresses([(target, "")], upstreams))
    if logs:
        found["access_log_upstreams"] = (logs, tree[0].path)
    _add_singles(found, tree)
    sure = {name: told for name, told in found.items() if not unread or told[1] != DEFAULT_ORIGIN}
    return tuple(Setting(time_s, unit, f"nginx.{name}", *sure[name]) for name in sorted(sure))


def _walk(tree: list[Directive], inherited: dict[str, Directive], seen: _Seen) -> None:
    scope = inherited | {d.name: d for d in tree if d.name in _INHERITED and d.args}
    for directive in tree:
        if directive.name == "proxy_pass" and directive.args:
            seen.targets.append((directive.args[0], place_of(directive)))
            for name in (*_TIMEOUTS, *_SIZES, "proxy_request_buffering"):
                seen.add(directive.args[0], name, *_value(scope.get(name)))
        _walk(directive.children, scope, seen)


def _value(directive: Directive | None) -> tuple[Value, str]:
    if directive is None:
        return None, ""
    text = directive.args[0]
    try:
        if directive.name in _TIMEOUTS:
            return parse_duration_s(text), place_of(directive)
        if directive.name in _SIZES:
            return parse_size_bytes(text.upper()), place_of(directive)
    except ValueError:
        return None, place_of(directive)
    return text == "on", place_of(directive)


_NGINX_DEFAULTS: dict[str, Value] = {
    **dict.fromkeys(_TIMEOUTS, 60.0),
    "client_max_body_size": 1 << 20,
    "proxy_buffer_size": 4096,
    "proxy_request_buffering": True,
}


def _smallest(values: Mapping[str, Sequence[tuple[Value, str]]]) -> dict[str, tuple[Value, str]]:
    """Keep, of every setting, the smallest over the locations that pass on to an app (off is below on)."""
    found = {}
    for name, seen in values.items():
        known = [
            (value if value is not None else _NGINX_DEFAULTS[name], place)
            for value, place in seen
            if value is not None or not place
        ]
        if known:
            value, place = min(known, key=_order)
            found[name] = value, place or DEFAULT_ORIGIN
    return found


def _by_upstream(seen: _Seen, upstreams: dict[str, Directive]) -> dict[str, tuple[Value, str]]:
    """The same for each group of addresses, as ``name@addresses``, where there are several."""
    groups: dict[str, dict[str, list[tuple[Value, str]]]] = {}
    for target, values in seen.by_target.items():
        mine = groups.setdefault(",".join(_addresses([(target, "")], upstreams)), {})
        for name, told in values.items():
            mine.setdefault(name, []).extend(told)
    if len(groups) < 2:
        return {}
    return {
        f"{name}{OF}{addresses}": told
        for addresses, values in groups.items()
        if addresses
        for name, told in _smallest(values).items()
    }


def _order(pair: tuple[Value, str]) -> float:
    value = pair[0]
    return float(value) if isinstance(value, (int, float)) else 0.0


def _addresses(targets: list[tuple[str, str]], upstreams: dict[str, Directive]) -> list[str]:
    found: dict[str, None] = {}
    for target, _ in targets:
        address = target.partition("://")[2] or target
        if address.startswith("unix:"):
            found["unix:" + address[5:].partition(":")[0]] = None
            continue
        host = address.partition("/")[0]
        upstream = upstreams.get(host)
        if upstream is None:
            found[host] = None
        else:
            found.update({d.args[0]: None for d in upstream.children if d.name == "server" and d.args})
    return [address for address in found if "$" not in address]


def _add_singles(found: dict[str, tuple[Value, str]], tree: list[Directive]) -> None:
    formats: dict[str, Directive] = {}
    found["worker_connections"] = (512, DEFAULT_ORIGIN)
    for directive in all_of(tree):
        args, place = directive.args, place_of(directive)
        if directive.name == "log_format" and len(args) > 1:
            formats[args[0]] = directive
        elif directive.name == "worker_connections" and args and args[0].isdecimal():
            found["worker_connections"] = (int(args[0][:9]), place)
        elif directive.name == "error_log" and args:
            found.setdefault("error_log", (args[0], place))
        elif directive.name == "access_log" and args and args[0] != "off" and "access_log" not in found:
            found["access_log"] = (args[0], place)
            _add_format(found, args[1:2], formats)


def _add_format(found: dict[str, tuple[Value, str]], named: list[str], formats: dict[str, Directive]) -> None:
    directive = formats.get(named[0]) if named else None
    if directive is None:
        found["log_format"] = ("", DEFAULT_ORIGIN)
    else:
        texts = [text for text in directive.args[1:] if not text.startswith("escape=")]
        found["log_format"] = ("".join(texts), place_of(directive))
