"""Settings files beside the logs: gunicorn's, nginx's and units'. Executes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from analyzerd.errors import SourceError
from analyzerd.formats import settings
from analyzerd.formats.nginx_includes import NginxText
from analyzerd.model import Setting

MAX_SETTINGS_BYTES = 1 << 20
_NAMES = ("gunicorn.cmdline", "gunicorn.conf.py", "nginx.conf")
_FORMAT_FLAG = "--access-logformat"
_CMDLINE_FORMAT = re.compile(r"--access-logformat[ =](.{1,4096}?)(?= --?[a-z]|\s*\Z)")
_CONF_FORMAT = re.compile(r"^access_log_format\s{0,9}=\s{0,9}r?(['\"])(.{1,4096}?)\1\s*$", re.MULTILINE)
_ACCESS_LOG = re.compile(r"^[^#\n]{0,400}?\baccess_log\s{1,99}([^\s;]{1,4096})(?:\s{1,99}([\w-]{1,99}))?", re.MULTILINE)
_LOG_FORMAT = re.compile(
    r"\blog_format\s{1,99}([\w-]{1,99})\s{1,99}(?:escape=\w{1,9}\s{1,99})?((?:'[^']{0,4096}'\s*|\"[^\"]{0,4096}\"\s*){1,99});"
)
_QUOTED_TEXT = re.compile(r"(?:'([^']*)'|\"([^\"]*)\")")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file that says how gunicorn, nginx or a unit is set up, as text."""

    name: str
    text: str

    @property
    def basename(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]


def is_settings_file(path: Path) -> bool:
    """Tell by its name whether a file holds settings rather than a log."""
    return path.name in _NAMES or path.suffix in (".service", ".py")


def open_settings(path: Path) -> SettingsFile:
    """Read a settings file. Raises SourceError when it cannot be read or is no such file's size."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SETTINGS_BYTES + 1)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_SETTINGS_BYTES:
        raise SourceError(f"{path} is larger than any settings file")
    return SettingsFile(str(path), data.decode("utf-8", "replace"))


def read_settings(files: Sequence[SettingsFile], unit: str) -> tuple[Setting, ...]:
    """Read what the files set for a unit, in gunicorn's order: its file, the unit, the command line as it ran."""
    layers = sorted(
        ((_rank(file), layer) for file in files if (layer := _gunicorn_layer(file, unit)) is not None),
        key=lambda ranked: ranked[0],
    )
    gunicorn = settings.effective(*(layer for _, layer in layers), unit=unit) if layers else ()
    gunicorn = _certain(gunicorn, files)
    nginx = [
        setting
        for file in files
        if file.basename == "nginx.conf"
        for setting in settings.from_nginx([NginxText(file.name, file.text)], unit=unit)
    ]
    return (*gunicorn, *nginx)


def _certain(gunicorn: tuple[Setting, ...], files: Sequence[SettingsFile]) -> tuple[Setting, ...]:
    """Leave out defaults that a file may replace: one that is named and was not given, or words it may compute."""
    named = next((str(one.value) for one in gunicorn if one.name == "gunicorn.config"), "")
    given = [file for file in files if file.basename.endswith(".py")]
    if named and not given:
        return tuple(one for one in gunicorn if one.origin != settings.DEFAULT_ORIGIN)
    return settings.without_doubtful(gunicorn, "\n".join(file.text for file in given))


def _rank(file: SettingsFile) -> int:
    if file.basename.endswith(".py"):
        return 0
    return 2 if file.basename == "gunicorn.cmdline" else 1


def _gunicorn_layer(file: SettingsFile, unit: str) -> tuple[Setting, ...] | None:
    """Return what one file sets for gunicorn, None when it is not about gunicorn."""
    if file.basename == "gunicorn.cmdline":
        argv = file.text.rstrip("\0\n").split("\0") if "\0" in file.text else file.text
        return settings.from_command_line(argv, unit=unit)
    if file.basename.endswith(".py"):
        return settings.from_config(file.text, file.name, unit=unit)
    return _service_layer(file, unit) if file.basename.endswith(".service") else None


def _service_layer(file: SettingsFile, unit: str) -> tuple[Setting, ...] | None:
    command, variables = settings.unit_commands([(file.name, file.text)])
    if "gunicorn" not in command:
        return None
    layer = settings.from_command_line(command, env_args=variables, unit=unit)
    return tuple(replace(setting, origin=file.name) for setting in layer)


def unit_name(files: Sequence[SettingsFile]) -> str:
    """Return the unit that runs gunicorn when exactly one of the files is such a unit, else ''."""
    units = {file.basename for file in files if file.basename.endswith(".service") and "gunicorn" in file.text}
    return units.pop() if len(units) == 1 else ""


def log_format(kind: str, name: str, files: Sequence[SettingsFile]) -> str:
    """Return the access-log format the files give for a log, '' when they give none."""
    if kind == "nginx.access":
        found = (_nginx_format(file.text, name) for file in files if file.basename == "nginx.conf")
    elif kind == "gunicorn.access":
        found = (_gunicorn_format(file) for file in files)
    else:
        return ""
    return next((text for text in found if text), "")


def _nginx_format(conf: str, log_name: str) -> str:
    """Find the format of the access_log with the log's file name, or of the only one there is."""
    wanted = log_name.rsplit("/", 1)[-1].removesuffix(".gz")
    logs = [(path.rsplit("/", 1)[-1], style) for path, style in _ACCESS_LOG.findall(conf)]
    named = {style for path, style in logs if wanted.startswith(path)}
    styles = named or {style for _, style in logs}
    formats = {style: "".join(map("".join, _QUOTED_TEXT.findall(text))) for style, text in _LOG_FORMAT.findall(conf)}
    return formats.get(styles.pop(), "") if len(styles) == 1 else ""


def _gunicorn_format(file: SettingsFile) -> str:
    if file.basename.endswith(".py"):
        match = _CONF_FORMAT.search(file.text)
        return match[2] if match else ""
    if "\0" in file.text:
        argv = file.text.split("\0")
        return next((after for flag, after in pairwise(argv) if flag == _FORMAT_FLAG), "")
    match = _CMDLINE_FORMAT.search(file.text)
    return match[1].strip().strip("'") if match else ""
