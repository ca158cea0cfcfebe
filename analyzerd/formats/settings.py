"""Settings in effect, read from text without running anything: gunicorn's, nginx's and a unit's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzerd.formats import nginx_settings
from analyzerd.formats.gunicorn_settings import (
    DEFAULT_ORIGIN,
    effective,
    from_command_line,
    from_config,
    unresolved,
    without_doubtful,
)
from analyzerd.formats.nginx_includes import NginxText, whole_tree
from analyzerd.formats.nginx_keepalive import keepalive_settings
from analyzerd.formats.nginx_routes import routes_of
from analyzerd.formats.unit_settings import from_unit, unit_commands
from analyzerd.model import Setting

__all__ = [
    "DEFAULT_ORIGIN",
    "effective",
    "from_command_line",
    "from_config",
    "from_nginx",
    "from_unit",
    "unit_commands",
    "unresolved",
    "without_doubtful",
]


def from_nginx(
    files: Sequence[NginxText],
    includes: Mapping[str, Sequence[NginxText]] | None = None,
    *,
    time_s: float = 0.0,
    unit: str = "",
) -> tuple[Setting, ...]:
    """Read nginx's configuration with its includes. What cannot be understood or was not given is left out."""
    tree, unread = whole_tree(files, includes)
    told = nginx_settings.from_tree(tree, unread, time_s=time_s, unit=unit)
    return (*told, *keepalive_settings(routes_of(tree, unread), tree, time_s=time_s, unit=unit))
