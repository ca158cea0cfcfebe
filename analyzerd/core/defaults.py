"""What gunicorn and nginx do where their configuration is known and does not say otherwise. Reads no configuration."""

from __future__ import annotations

from collections.abc import Mapping

from analyzerd.model import Setting, Value

GUNICORN_DEFAULTS: Mapping[str, Value] = {
    "gunicorn.workers": 1,
    "gunicorn.threads": 1,
    "gunicorn.worker_class": "sync",
    "gunicorn.timeout": 30,
    "gunicorn.graceful_timeout": 30,
    "gunicorn.keepalive": 2,
    "gunicorn.backlog": 2048,
    "gunicorn.worker_connections": 1000,
    "gunicorn.max_requests": 0,
    "gunicorn.max_requests_jitter": 0,
    "gunicorn.preload_app": False,
}
"""Of gunicorn 19.9 to 27."""

NGINX_DEFAULTS: Mapping[str, Value] = {
    "nginx.proxy_read_timeout": 60,
    "nginx.proxy_connect_timeout": 60,
    "nginx.worker_connections": 512,
}


def in_effect(settings: Mapping[str, Setting], name: str) -> Value:
    """A setting as configured, its default where the program's configuration is known, else None."""
    found = settings.get(name)
    if found is not None:
        return found.value
    family = name.split(".", 1)[0]
    if any(known.startswith(family + ".") for known in settings):
        return {**GUNICORN_DEFAULTS, **NGINX_DEFAULTS}.get(name)
    return None
