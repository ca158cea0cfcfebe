"""Settings in effect, read from text without running anything: gunicorn's and nginx's."""

from __future__ import annotations

from analyzerd.formats.gunicorn_settings import effective, from_command_line, from_config
from analyzerd.formats.nginx_settings import from_nginx

__all__ = ["effective", "from_command_line", "from_config", "from_nginx"]
