"""Reads nginx's settings that matter to an upstream app from the text of its configuration. Opens no file."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzerd.formats.nginx_logs import logs_of
from analyzerd.formats.nginx_tree import Directive, all_of, parse_tree
from analyzerd.model import Setting, Value
from analyzerd.units import parse_duration_s, parse_size_bytes

_TIMEOUTS = ("proxy_read_timeout", "proxy_connect_timeout", "proxy_send_timeout")
_SIZES = ("proxy_buffer_size", "client_max_body_size")
_INHERITED = (*_TIMEOUTS, *_SIZES, "proxy_request_buffering")


@dataclass(slots=True)
class _Seen:
    """What a walk over the tree gathers: per name the values with their lines."""

    values: dict[str, list[tuple[Value, int]]] = field(default_factory=dict)
    targets: list[tuple[str, int]] = field(default_factory=list)

    def add(self, name: str, value: Value, line: int) -> None:
        self.values.setdefault(name, []).append((value, line))


def from_nginx(text: str, path: str, *, time_s: float = 0.0, unit: str = "") -> tuple[Setting, ...]:
    """Read one configuration (``include`` is not followed). What cannot be understood is left out."""
    tree = parse_tree(text)
    seen = _Seen()
    _walk(tree, {}, seen)
    upstreams = {d.args[0]: d for d in all_of(tree) if d.name == "upstream" and d.args}
    found: dict[str, tuple[Value, str]] = {}
    _add_smallest(found, seen, path)
    addresses = _addresses(seen.targets, upstreams)
    if addresses:
        found["upstream_addresses"] = (",".join(addresses), f"{path}:{seen.targets[0][1]}")
    logs = logs_of(tree, lambda target: _addresses([(target, 0)], upstreams))
    if logs:
        found["access_log_upstreams"] = (logs, path)
    _add_singles(found, tree, path)
    return tuple(Setting(time_s, unit, f"nginx.{name}", *found[name]) for name in sorted(found))


def _walk(tree: list[Directive], inherited: dict[str, Directive], seen: _Seen) -> None:
    scope = inherited | {d.name: d for d in tree if d.name in _INHERITED and d.args}
    for directive in tree:
        if directive.name == "proxy_pass" and directive.args:
            seen.targets.append((directive.args[0], directive.line))
            for name in (*_TIMEOUTS, *_SIZES, "proxy_request_buffering"):
                value, line = _value(scope.get(name))
                seen.add(name, value, line)
        _walk(directive.children, scope, seen)


def _value(directive: Directive | None) -> tuple[Value, int]:
    if directive is None:
        return None, 0
    text = directive.args[0]
    try:
        if directive.name in _TIMEOUTS:
            return parse_duration_s(text), directive.line
        if directive.name in _SIZES:
            return parse_size_bytes(text.upper()), directive.line
    except ValueError:
        return None, directive.line
    return text == "on", directive.line


_NGINX_DEFAULTS: dict[str, Value] = {
    **dict.fromkeys(_TIMEOUTS, 60.0),
    "client_max_body_size": 1 << 20,
    "proxy_buffer_size": 4096,
    "proxy_request_buffering": True,
}


def _add_smallest(found: dict[str, tuple[Value, str]], seen: _Seen, path: str) -> None:
    """Keep, of every setting, the smallest over the locations that pass on to an app (off is below on)."""
    for name, values in seen.values.items():
        known = [
            (value if value is not None else _NGINX_DEFAULTS[name], line)
            for value, line in values
            if value is not None or line == 0
        ]
        if not known:
            continue
        value, line = min(known, key=_order)
        found[name] = (value, f"{path}:{line}" if line else "nginx default")


def _order(pair: tuple[Value, int]) -> float:
    value = pair[0]
    return float(value) if isinstance(value, (int, float)) else 0.0


def _addresses(targets: list[tuple[str, int]], upstreams: dict[str, Directive]) -> list[str]:
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


def _add_singles(found: dict[str, tuple[Value, str]], tree: list[Directive], path: str) -> None:
    formats: dict[str, Directive] = {}
    found["worker_connections"] = (512, "nginx default")
    for directive in all_of(tree):
        args, place = directive.args, f"{path}:{directive.line}"
        if directive.name == "log_format" and len(args) > 1:
            formats[args[0]] = directive
        elif directive.name == "worker_connections" and args and args[0].isdecimal():
            found["worker_connections"] = (int(args[0][:9]), place)
        elif directive.name == "error_log" and args:
            found.setdefault("error_log", (args[0], place))
        elif directive.name == "access_log" and args and args[0] != "off" and "access_log" not in found:
            found["access_log"] = (args[0], place)
            _add_format(found, args[1:2], formats, path)


def _add_format(
    found: dict[str, tuple[Value, str]], named: list[str], formats: dict[str, Directive], path: str
) -> None:
    directive = formats.get(named[0]) if named else None
    if directive is None:
        found["log_format"] = ("", "nginx default")
    else:
        texts = [text for text in directive.args[1:] if not text.startswith("escape=")]
        found["log_format"] = ("".join(texts), f"{path}:{directive.line}")
