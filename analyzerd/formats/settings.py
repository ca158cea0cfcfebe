"""Settings in effect, read from text without running anything: gunicorn's, nginx's and a unit's."""

from __future__ import annotations

from analyzerd.formats.gunicorn_settings import (
    DEFAULT_ORIGIN,
    effective,
    from_command_line,
    from_config,
    without_doubtful,
)
from analyzerd.formats.nginx_settings import from_nginx
from analyzerd.formats.unit_settings import from_unit, unit_commands

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
