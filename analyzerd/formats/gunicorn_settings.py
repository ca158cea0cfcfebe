"""Reads gunicorn's settings from a command line and from the text of gunicorn.conf.py. Executes nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from analyzerd.formats.access_format import GUNICORN_DEFAULT
from analyzerd.formats.python_values import Surroundings, read_module
from analyzerd.model import Setting, Value

_INTEGERS = (
    "workers",
    "threads",
    "timeout",
    "graceful_timeout",
    "backlog",
    "max_requests",
    "max_requests_jitter",
    "keepalive",
    "worker_connections",
)
_TEXTS = (
    "worker_class",
    "errorlog",
    "accesslog",
    "access_log_format",
    "worker_tmp_dir",
    "loglevel",
    "config",
    "control_socket",
    "user",
    "forwarded_allow_ips",
)
_MAY_BE_EMPTY = ("accesslog", "worker_tmp_dir")
_SWITCHES = ("preload_app", "reload", "spew")
_NAMES = (*_INTEGERS, *_TEXTS, *_SWITCHES, "bind")
DEFAULT_ORIGIN = "gunicorn default"
_DEFAULTS: Mapping[str, Value] = {
    "workers": 1,
    "threads": 1,
    "worker_class": "sync",
    "timeout": 30,
    "graceful_timeout": 30,
    "backlog": 2048,
    "max_requests": 0,
    "max_requests_jitter": 0,
    "keepalive": 2,
    "worker_connections": 1000,
    "bind": "127.0.0.1:8000",
    "errorlog": "-",
    "accesslog": "",
    "access_log_format": GUNICORN_DEFAULT,
    "worker_tmp_dir": "",
    "forwarded_allow_ips": "127.0.0.1,::1",
    **dict.fromkeys(_SWITCHES, False),
}
_LONG = {
    "--keep-alive": "keepalive",
    "--error-logfile": "errorlog",
    "--log-file": "errorlog",
    "--access-logfile": "accesslog",
    "--access-logformat": "access_log_format",
    "--log-level": "loglevel",
    "--preload": "preload_app",
    **{"--" + name.replace("_", "-"): name for name in _NAMES if name not in ("keepalive", "preload_app")},
}
_CLASSES = {"ggevent": "gevent", "gtornado": "tornado", "gasgi": "asgi", "geventlet": "eventlet"}
_LOADED_CLASS = re.compile(r"<class '([\w.]{1,200})'>")
_OWN_CLASS = re.compile(r"gunicorn\.workers\.(\w+)\.\w+")
_SHORT = {"-w": "workers", "-b": "bind", "-k": "worker_class", "-t": "timeout", "-c": "config", "-u": "user"}
_SWITCHED_ON = {"--preload": "preload_app", "--reload": "reload", "--spew": "spew"}
_BARE_FORMAT = re.compile(r"--access-logformat[= ](%.{0,4096}?)(?= --?[a-zA-Z]|\s*\Z)")
_FLAGS = ("--daemon", "-D", "--capture-output", "--enable-stdio-inheritance", "-R")
_NO_VALUE = (
    *_FLAGS,
    "--check-config",
    "--print-config",
    "--no-sendfile",
    "--reuse-port",
    "--no-control-socket",
)


def is_setting(name: str) -> bool:
    """Tell whether gunicorn has a setting of that name which is read here."""
    return name in _NAMES


def as_options(name: str, value: Value) -> tuple[str, ...]:
    """Write a setting the way a command line names it; () for one that has no such option."""
    flag = next((option for option, known in _LONG.items() if known == name), "")
    if not flag or value is None or (name == "preload_app" and not value):
        return ()
    if name == "preload_app":
        return (flag,)
    values = str(value).split(",") if name == "bind" else [str(value)]
    return tuple(word for one in values for word in (flag, one))


def from_command_line(
    argv: Sequence[str] | str, *, env_args: str = "", time_s: float = 0.0, unit: str = ""
) -> tuple[Setting, ...]:
    """Read the settings named on a command line (list, or one string) and in ``GUNICORN_CMD_ARGS``.

    Only what is named: ``with_defaults`` adds the rest. A quote that never ends makes words of what there is.
    """
    words = list(argv) if not isinstance(argv, str) else _words(argv)
    found: dict[str, tuple[Value, str]] = {}
    for name, value in _options(_words(env_args)).items():
        found[name] = (value, "GUNICORN_CMD_ARGS")
    for name, value in _options(_after_program(words)).items():
        found[name] = (value, "gunicorn.cmdline")
    return _settings(found, time_s, unit)


def from_config(
    text: str, path: str, *, time_s: float = 0.0, unit: str = "", about: Surroundings | None = None
) -> tuple[Setting, ...]:
    """Read ``gunicorn.conf.py``: what can be told without running it; ``unresolved`` names the rest."""
    found: dict[str, tuple[Value, str]] = {}
    for name, (value, line) in read_module(text, about).values.items():
        typed = _typed(name, "" if value is None and name in _MAY_BE_EMPTY else value)
        if name in _NAMES and typed is not None:
            found[name] = (typed, f"{path}:{line}")
    return _settings(found, time_s, unit)


def unresolved(text: str, path: str, about: Surroundings | None = None) -> tuple[tuple[str, str, str], ...]:
    """Name the settings that only running ``gunicorn.conf.py`` could tell: name, place, reason.

    A name ``*`` means that any setting may have been made besides.
    """
    left = read_module(text, about)
    names = {name: (why, line) for name, (why, line) in left.unresolved.items() if name in _NAMES}
    for name, (value, line) in left.values.items():
        if name in _NAMES and _typed(name, "" if value is None and name in _MAY_BE_EMPTY else value) is None:
            names[name] = ("its value has no type that gunicorn takes", line)
    found = [(f"gunicorn.{name}", f"{path}:{line}", why) for name, (why, line) in sorted(names.items())]
    return (*found, ("*", path, left.opaque)) if left.opaque else tuple(found)


def effective(*layers: tuple[Setting, ...], time_s: float = 0.0, unit: str = "") -> tuple[Setting, ...]:
    """Merge layers, later ones win, over gunicorn's defaults; several threads turn sync into gthread."""
    found: dict[str, tuple[Value, str]] = {name: (value, DEFAULT_ORIGIN) for name, value in _DEFAULTS.items()}
    for layer in layers:
        found.update({setting.name.partition(".")[2]: (setting.value, setting.origin) for setting in layer})
    return _settings(found, time_s, unit)


def from_memory(
    values: Mapping[str, object], origin: str, *, time_s: float = 0.0, unit: str = ""
) -> tuple[Setting, ...]:
    """Type the values a running gunicorn says are in effect; what it does not say or words oddly is left out."""
    found: dict[str, tuple[Value, str]] = {}
    for name in _NAMES:
        typed = _typed(name, values.get(name))
        if typed is not None:
            found[name] = (_class_name(typed) if name == "worker_class" else typed, origin)
    return _settings(found, time_s, unit)


def _class_name(value: Value) -> Value:
    """``<class 'gunicorn.workers.gthread.ThreadWorker'>`` is what the settings call gthread."""
    loaded = _LOADED_CLASS.fullmatch(str(value))
    path = loaded[1] if loaded else str(value)
    own = _OWN_CLASS.fullmatch(path)
    return _CLASSES.get(own[1], own[1]) if own else path


def without_doubtful(settings: tuple[Setting, ...], config_text: str) -> tuple[Setting, ...]:
    """Leave out defaults that the config file's text may replace by something that only running it could tell."""
    if config_text and read_module(config_text).opaque:
        return tuple(one for one in settings if one.origin != DEFAULT_ORIGIN)
    return tuple(one for one in settings if one.origin != DEFAULT_ORIGIN or not _mentions(config_text, one.name))


def _mentions(config_text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name.partition('.')[2])}\b", config_text) is not None


def _settings(found: dict[str, tuple[Value, str]], time_s: float, unit: str) -> tuple[Setting, ...]:
    threads, origin = found.get("threads", (1, ""))
    sync = found.get("worker_class", ("sync", ""))[0] in ("sync", "gunicorn.workers.sync.SyncWorker")
    if sync and isinstance(threads, int) and threads > 1:
        written = found.get("worker_class")
        if written is not None and written[1] != DEFAULT_ORIGIN:
            found["worker_class_written"] = written
        found["worker_class"] = ("gthread", origin)
    return tuple(Setting(time_s, unit, f"gunicorn.{name}", *found[name]) for name in sorted(found))


def _words(text: str) -> list[str]:
    """Split a string; an access-log format that lost its quotes (as in ``ps``) ends at the next option."""
    match = _BARE_FORMAT.search(text)
    if match:
        return [*_words(text[: match.start()]), "--access-logformat", match[1], *_words(text[match.end() :])]
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _after_program(words: list[str]) -> list[str]:
    for index, word in enumerate(words[:8]):
        if word.rpartition("/")[2].startswith("gunicorn"):
            return words[index + 1 :]
    return words


def _options(words: list[str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    binds: list[str] = []
    rest = iter(words)
    for word in rest:
        name, value = _option(word, rest)
        if name == "bind" and value:
            binds.append(value)
        elif name in _SWITCHES:
            found[name] = True
        elif name == "app":
            found.setdefault("app", value)
        elif name and (typed := _typed(name, value)) is not None:
            found[name] = typed
    if binds:
        found["bind"] = ",".join(binds)
    return found


def _option(word: str, rest: Iterator[str]) -> tuple[str, str]:
    """Name the setting of one word and its value, taking the next word where the value stands apart."""
    if not word.startswith("-"):
        return "app", word
    flag, equals, value = word.partition("=")
    if flag in _NO_VALUE:
        return "", ""
    if flag in _SWITCHED_ON:
        return _SWITCHED_ON[flag], ""
    if word.startswith("--"):
        return _long(flag), (value if equals else next(rest, ""))
    short, value = word[:2], word[2:].removeprefix("=")
    return _SHORT.get(short, ""), (value or next(rest, ""))


def _long(flag: str) -> str:
    """Find a long option; argparse accepts any unambiguous beginning of it."""
    if flag in _LONG:
        return _LONG[flag]
    names = {name for option, name in _LONG.items() if len(flag) > 4 and option.startswith(flag)}
    return names.pop() if len(names) == 1 else ""


def _typed(name: str, value: object) -> Value:
    """Give a value the type its setting has; None when it cannot have it."""
    if name in _INTEGERS:
        if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 16:
            return int(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return int(value) if abs(value) < 1e15 else None
    if name in _SWITCHES:
        return value if isinstance(value, bool) else None
    if name == "bind" and isinstance(value, list):
        return ",".join(str(item) for item in value) if value else None
    return value if isinstance(value, str) and (value or name in _MAY_BE_EMPTY) else None
