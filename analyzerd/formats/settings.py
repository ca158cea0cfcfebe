"""Settings in effect, read from text without running anything: gunicorn's, nginx's and a unit's."""

from __future__ import annotations

from analyzerd.formats import nginx_settings
from analyzerd.formats.gunicorn_settings import (
    DEFAULT_ORIGIN,
    effective,
    from_command_line,
    from_config,
    without_doubtful,
)
from analyzerd.formats.nginx_keepalive import keepalive_settings
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
    "without_doubtful",
]


def from_nginx(text: str, path: str, *, time_s: float = 0.0, unit: str = "") -> tuple[Setting, ...]:
    """Read one nginx configuration (``include`` is not followed). What cannot be understood is left out."""
    told = nginx_settings.from_nginx(text, path, time_s=time_s, unit=unit)
    return (*told, *keepalive_settings(text, path, time_s=time_s, unit=unit))
