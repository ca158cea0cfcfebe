"""Settings in effect of one master, from how it was started. Claims no default that anything may override."""

from __future__ import annotations

from collections.abc import Iterator

from analyzerd.formats.settings import (
    DEFAULT_ORIGIN,
    effective,
    from_command_line,
    from_config,
    without_doubtful,
)
from analyzerd.model import Setting
from analyzerd.probes.launch import POOL_VARIABLES, Launch
from analyzerd.probes.proctext import is_gunicorn

ENVIRONMENT = "environment "


def settings_of(launch: Launch, time_s: float) -> tuple[Setting, ...]:
    """Merge variables, config file and command line, the later ones stronger; ``time_s`` is Unix time.

    Without command line or environment only what is written down is returned, without defaults.
    """
    config = from_config(launch.config_text, launch.config_path, time_s=time_s, unit=launch.unit, about=launch.about)
    if launch.title_only:
        return config
    if not is_gunicorn(launch.arguments):
        return ()
    named = from_command_line(
        launch.arguments,
        env_args=launch.environment.get("GUNICORN_CMD_ARGS", ""),
        time_s=time_s,
        unit=launch.unit,
    )
    variables = _from_variables(launch, time_s)
    merged = effective(variables, config, named, time_s=time_s, unit=launch.unit)
    pool = tuple(_pool(launch, time_s))
    if launch.denied or launch.config_unread:
        return (*(one for one in merged if one.origin != DEFAULT_ORIGIN), *pool)
    return (*without_doubtful(merged, launch.config_text), *pool)


def _pool(launch: Launch, time_s: float) -> Iterator[Setting]:
    """The database pool of a worker, where the app's environment says it in one of the usual ways."""
    for variable, name in POOL_VARIABLES.items():
        value = launch.environment.get(variable, "")
        if value.isdecimal() and len(value) < 6:
            yield Setting(time_s, launch.unit, f"database.{name}", int(value), f"{ENVIRONMENT}{variable}")


def _from_variables(launch: Launch, time_s: float) -> tuple[Setting, ...]:
    found = []
    workers, port = launch.environment.get("WEB_CONCURRENCY", ""), launch.environment.get("PORT", "")
    if workers.isdecimal() and len(workers) < 6:
        found.append(Setting(time_s, launch.unit, "gunicorn.workers", int(workers), "WEB_CONCURRENCY"))
    if port.isdecimal() and len(port) < 6:
        found.append(Setting(time_s, launch.unit, "gunicorn.bind", f"0.0.0.0:{port}", "PORT"))
    if trusted := launch.environment.get("FORWARDED_ALLOW_IPS", ""):
        found.append(Setting(time_s, launch.unit, "gunicorn.forwarded_allow_ips", trusted, "FORWARDED_ALLOW_IPS"))
    return tuple(found)
