"""How a gunicorn master was started: command line, config file, a few variables. Executes nothing of it."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from analyzerd.probes.finder import Found
from analyzerd.probes.kept import read_file, read_link, stat_file
from analyzerd.probes.proctext import parse_environment, title_role

VARIABLES = ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PORT", "FORWARDED_ALLOW_IPS", "XDG_RUNTIME_DIR", "HOME")
DEFAULT_CONFIG = "gunicorn.conf.py"
_CONFIG_BYTES = 1 << 18
_ENVIRONMENT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Launch:
    """What a master was given. ``config_path`` '' : none found, or not to be told from here.

    ``title_only``: setproctitle has overwritten command line and environment.
    ``denied``: working directory and environment may not be read.
    ``config_unread``: a config file is named that could not be read as a file.
    ``start_s``: since boot; of two masters of a unit the younger one's settings count.
    """

    pid: int
    unit: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    cwd: str
    config_path: str
    config_text: str
    title_only: bool
    denied: bool
    config_unread: bool = False
    start_s: float = 0.0


def read_launch(found: Found, proc: str = "/proc") -> Launch:
    """Read how the master ``found`` was started, as far as permissions go."""
    member = found.member
    folder = f"{proc}/{member.pid}"
    title_only = bool(title_role(member.arguments))
    arguments = () if title_only else member.arguments
    environment = read_file(f"{folder}/environ", _ENVIRONMENT_BYTES)
    variables = parse_environment(environment or b"", VARIABLES)
    cwd = _cwd(folder)
    options = (*variables.get("GUNICORN_CMD_ARGS", "").split(), *arguments)
    path = config_path(options, cwd)
    text = _config_text(path)
    return Launch(
        pid=member.pid,
        unit=member.unit,
        arguments=arguments,
        environment=variables,
        cwd=cwd,
        config_path=path if text else "",
        config_text=text,
        title_only=title_only,
        denied=environment is None or not cwd,
        config_unread=not text and bool(option_values(options, "-c", "--config")),
        start_s=member.start_s,
    )


def with_config_read_again(launch: Launch) -> Launch:
    """Read the config file's present text: a reload makes an edit effective."""
    return replace(launch, config_text=_config_text(launch.config_path))


def option_values(arguments: Iterable[str], short: str, long: str) -> list[str]:
    """Collect the values of one option: ``-b X``, ``-bX``, ``--bind X``, ``--bind=X``."""
    found = []
    rest = iter(arguments)
    for argument in rest:
        if argument in (short, long):
            found.append(next(rest, ""))
        elif argument.startswith(f"{long}="):
            found.append(argument.partition("=")[2])
        elif argument.startswith(short) and not argument.startswith("--"):
            found.append(argument.removeprefix(short))
    return found


def config_path(arguments: tuple[str, ...], cwd: str) -> str:
    """Name the config file a master reads, '' when it is a Python module or cannot be located."""
    named = option_values(arguments, "-c", "--config")
    path = named[-1].removeprefix("file:") if named else DEFAULT_CONFIG
    if path.startswith("python:") or not (path.startswith("/") or cwd):
        return ""
    return str(PurePosixPath(cwd, path))


def _cwd(folder: str) -> str:
    try:
        return read_link(f"{folder}/cwd")
    except OSError:
        return ""


def _config_text(path: str) -> str:
    """Read a regular file only: the name comes from a command line anyone may have written."""
    try:
        if not path or not stat.S_ISREG(stat_file(path).st_mode):
            return ""
    except OSError:
        return ""
    return (read_file(path, _CONFIG_BYTES) or b"").decode("utf-8", "replace")
