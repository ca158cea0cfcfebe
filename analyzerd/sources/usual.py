"""Where a distribution's nginx keeps its logs and its configuration."""

from __future__ import annotations

NGINX_LOGS = (("/var/log/nginx/error.log", "nginx.error"), ("/var/log/nginx/access.log", "nginx.access"))
NGINX_UNIT = "nginx.service"
NGINX_CONF = "/etc/nginx/nginx.conf"
