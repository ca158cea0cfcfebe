"""Settings in effect of one master, from how it was started. Claims no default that anything may override."""

from __future__ import annotations

from analyzerd.formats.settings import (
    DEFAULT_ORIGIN,
    effective,
    from_command_line,
    from_config,
    without_doubtful,
)
from analyzerd.model import Setting
from analyzerd.probes.launch import Launch
from analyzerd.probes.proctext import is_gunicorn


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
    if launch.denied or launch.config_unread:
        return tuple(one for one in merged if one.origin != DEFAULT_ORIGIN)
    return without_doubtful(merged, launch.config_text)


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
