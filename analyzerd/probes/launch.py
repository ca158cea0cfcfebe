"""How a gunicorn master was started: command line, config file, a few variables. Executes nothing of it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from analyzerd.formats.python_values import Surroundings, environment_keys
from analyzerd.probes.finder import Found
from analyzerd.probes.kept import read_file, read_link, stat_file
from analyzerd.probes.proctext import parse_environment, title_role

POOL_VARIABLES = {
    "SQLALCHEMY_POOL_SIZE": "pool_size", "SQLALCHEMY_MAX_OVERFLOW": "max_overflow",
    "SQLALCHEMY_POOL_TIMEOUT": "pool_timeout", "DB_POOL_SIZE": "pool_size", "DB_MAX_OVERFLOW": "max_overflow",
    "DB_POOL_TIMEOUT": "pool_timeout",
}  # fmt: skip
"""What apps call the figures of SQLAlchemy's pool in their environment."""
VARIABLES = (
    "GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PORT", "FORWARDED_ALLOW_IPS", "XDG_RUNTIME_DIR", "HOME", *POOL_VARIABLES,
)  # fmt: skip
DEFAULT_CONFIG = "gunicorn.conf.py"
_ALLOWED = re.compile(rb"^Cpus_allowed_list:\t([\d,-]{1,512})$", re.MULTILINE)
_MODULE = re.compile(r"[A-Za-z_]\w{0,63}(?:\.[A-Za-z_]\w{0,63}){0,8}", re.ASCII)
_CONFIG_BYTES = 1 << 18
_ENVIRONMENT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Launch:
    """What a master was given. ``config_path`` '' : none found, or not to be told from here.

    ``title_only``: setproctitle has overwritten command line and environment.
    ``denied``: working directory and environment may not be read.
    ``config_unread``: a config file is named that could not be read as a file.
    ``about``: what its config file may ask.
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
    about: Surroundings = field(default_factory=Surroundings)


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
    named = bool(option_values(options, "-c", "--config"))
    began = _began_in(cwd, options, environment or b"")
    path = config_path(options, began)
    text = _config_text(path)
    asked = None if environment is None else parse_environment(environment, environment_keys(text))
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
        config_unread=not text and (named or (not began and bool(_config_text(config_path(options, cwd))))),
        start_s=member.start_s,
        about=Surroundings(asked, os.cpu_count(), usable_processors(f"{folder}/status")),
    )


def with_config_read_again(launch: Launch, proc: str = "/proc") -> Launch:
    """Read the config file's present text, and what it asks for: a reload makes an edit effective."""
    text = _config_text(launch.config_path)
    if text == launch.config_text:
        return launch
    environment = read_file(f"{proc}/{launch.pid}/environ", _ENVIRONMENT_BYTES) if launch.pid else None
    asked = None if environment is None else parse_environment(environment, environment_keys(text))
    return replace(launch, config_text=text, about=replace(launch.about, environment=asked))


def usable_processors(status: str) -> int | None:
    """How many processors a process may run on, from /proc/PID/status; None where that cannot be read."""
    match = _ALLOWED.search(read_file(status, 1 << 14) or b"")
    parts = [part.partition(b"-") for part in match[1].split(b",")] if match else []
    return sum(int(last or first) - int(first) + 1 for first, _, last in parts) or None


def _began_in(cwd: str, options: tuple[str, ...], environment: bytes) -> str:
    """The folder gunicorn was started in, where it looks for a config file; '' where ``--chdir`` has hidden it."""
    if not option_values(options, "--chdir", "--chdir"):
        return cwd
    began = parse_environment(environment, ("PWD",)).get("PWD", "")
    return began if began.startswith("/") else ""


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
    """Name the config file a master reads, '' when it cannot be located. ``cwd``: where it was started.

    A module (``python:shop.conf``) is looked up where gunicorn looks first.
    """
    named = option_values(arguments, "-c", "--config")
    path = named[-1].removeprefix("file:") if named else DEFAULT_CONFIG
    if path.startswith("python:"):
        return _module_path(path.removeprefix("python:"), cwd)
    if not (path.startswith("/") or cwd):
        return ""
    return str(PurePosixPath(cwd, path))


def _module_path(module: str, cwd: str) -> str:
    if not cwd or not _MODULE.fullmatch(module):
        return ""
    base = PurePosixPath(cwd, *module.split("."))
    places = (str(base / "__init__.py"), f"{base}.py")
    return next((path for path in places if _config_text(path)), "")


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
