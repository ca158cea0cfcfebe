"""Which access log holds the requests to which upstream addresses, as nginx's configuration says. Opens no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from analyzerd.formats.nginx_tree import Directive

AddressesOf = Callable[[str], Sequence[str]]
MOST_LOGS = 64


def logs_of(tree: Sequence[Directive], addresses_of: AddressesOf) -> str:
    """Access logs with the addresses whose requests they hold, as parse_logs() reads them; '' when there are none.

    ``addresses_of``: where a target of proxy_pass leads; none where only a request can tell.
    """
    found: dict[str, dict[str, None]] = {}
    for path, target in _passing(tree, ()):
        found.setdefault(path, {}).update(dict.fromkeys(addresses_of(target) or ("?",)))
    return "\n".join(f"{path} {','.join(addresses)}" for path, addresses in list(found.items())[:MOST_LOGS])


def parse_logs(text: str) -> Mapping[str, str]:
    """By path of the log, the addresses its requests may have gone to, joined with ','."""
    rows = (line.rpartition(" ") for line in text.splitlines())
    return {path: addresses for path, _, addresses in rows if path}


def upstream_of(log: str, upstreams: Mapping[str, str]) -> str:
    """Where the requests of a log went: by its path, in a copy by its name, where just one log has that name."""
    path = log.removeprefix("file:")
    if path in upstreams:
        return upstreams[path]
    name = path.rpartition("/")[2]
    named = [addresses for known, addresses in upstreams.items() if _is_copy(name, known.rpartition("/")[2])]
    return named[0] if len(named) == 1 else ""


def _is_copy(name: str, known: str) -> bool:
    """Whether a file is named as a log, or as one that was rotated away: ``x.log``, ``x.log.2.gz``, ``x.log-2026``."""
    return bool(known) and name.startswith(known) and name[len(known) : len(known) + 1] in ("", ".", "-")


def _passing(tree: Sequence[Directive], inherited: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each log and each target of the blocks that use both; a block's own logs replace those of the blocks around."""
    named = tuple(d.args[0] for d in tree if d.name == "access_log" and d.args)
    logs = named or inherited
    for directive in tree:
        if directive.name == "proxy_pass" and directive.args:
            yield from ((path, directive.args[0]) for path in logs if path.startswith("/") and "$" not in path)
        yield from _passing(directive.children, logs)
