"""Turns a recommendation into changes of this machine's files. Reads them, writes nothing.

A file is read when the diff is asked for, so that the diff fits it as it is now. What is asked for may come from a
database that others can write: only known settings get a value, and only one that can be nothing but a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzerd.core.edits import (
    Edit,
    EditError,
    change_directive,
    drop_in,
    insert_beside_proxy_pass,
    rollback,
    set_in_config,
    unified,
    with_option,
)
from analyzerd.formats.nginx_tree import all_of, parse_tree
from analyzerd.formats.settings import DEFAULT_ORIGIN, from_command_line, from_config, from_unit, unit_commands
from analyzerd.model import Incident, Recommendation, Value
from analyzerd.sources.conf_files import MAX_BYTES, UnitTexts, read_nginx, unit_here
from analyzerd.sources.usual import NGINX_CONF
from analyzerd.units import parse_duration_s

AT_START = ("gunicorn.backlog", "gunicorn.bind", "gunicorn.preload_app")
"""Settings that a reload by SIGHUP does not put into effect."""
WRITABLE = frozenset(
    (
        "gunicorn.backlog", "gunicorn.graceful_timeout", "gunicorn.keepalive", "gunicorn.max_requests",
        "gunicorn.max_requests_jitter", "gunicorn.preload_app", "gunicorn.threads", "gunicorn.timeout",
        "gunicorn.worker_class", "gunicorn.worker_connections", "gunicorn.worker_tmp_dir", "gunicorn.workers",
        "nginx.keepalive", "nginx.keepalive_timeout", "nginx.proxy_read_timeout", "nginx.proxy_send_timeout",
        "nginx.worker_connections", "unit.CPUQuota", "unit.LimitNOFILE", "unit.MemoryHigh", "unit.MemoryMax",
        "unit.TimeoutStopSec",
    )
)  # fmt: skip
_VALUE = re.compile(r"[A-Za-z0-9/][A-Za-z0-9_.%/-]{0,63}")
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]{1,200}\.service")
Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Here:
    """What this machine calls things. ``units``: of an app, where its unit is not called like it."""

    units: Mapping[str, str] = field(default_factory=dict)
    nginx: str = NGINX_CONF

    def nginx_command(self, *words: str) -> Command:
        """How nginx is told something about the configuration in use."""
        return ("nginx", *(("-c", self.nginx) if self.nginx != NGINX_CONF else ()), *words)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The changes that belong together, what puts them into effect, and what was checked of them.

    ``warnings``: what else the change would touch.
    ``nginx_check``: the command that has to succeed with the new files; () where nginx is not concerned.
    """

    advices: tuple[Recommendation, ...]
    edits: tuple[Edit, ...]
    commands: tuple[Command, ...]
    checks: tuple[str, ...]
    nginx_check: Command = ()
    warnings: tuple[str, ...] = ()


def with_diffs(incident: Incident, here: Here) -> Incident:
    """Give every advice that is a change of this machine's files its diff and the way back, or say why it has none."""
    advices = tuple(_with_diff(incident, one, here) for one in incident.recommendations)
    return replace(incident, recommendations=advices)


def _with_diff(incident: Incident, one: Recommendation, here: Here) -> Recommendation:
    if one.proposed is None:
        return one
    try:
        edits = propose(incident, one.setting, here).edits
    except EditError as error:
        return replace(one, no_diff_because=str(error))
    except (ValueError, RecursionError) as error:  # a configuration that nobody thought of ends no daemon
        return replace(one, no_diff_because=f"its file is not understood: {type(error).__name__}")
    return replace(one, diff="".join(map(unified, edits)), rollback="".join(map(rollback, edits)))


def propose(incident: Incident, setting: str, here: Here) -> Proposal:
    """Work out the change of one setting with those tied to it. Raises EditError with what to do by hand."""
    unit = _unit_of(incident.app, here.units)
    advices = tuple(_together(incident, setting))
    if not advices or any(one.proposed is None for one in advices):
        raise EditError(
            f"{setting or 'this'} has no value that could be written: see `analyzerctl explain {incident.id}`"
        )
    files: dict[str, Edit] = {}
    for one in advices:
        _refuse_unknown(one)
        edit = _edit(one, unit, here, files)
        known = files.get(edit.path)
        files[edit.path] = replace(edit, old=known.old) if known else edit
    check = here.nginx_command("-t") if any(one.setting.startswith("nginx.") for one in advices) else ()
    commands, warnings = tuple(_commands(advices, files, unit, here)), tuple(_warnings(advices, here))
    return Proposal(advices, tuple(files.values()), commands, tuple(_checks(files)), check, warnings)


def _together(incident: Incident, setting: str) -> Iterator[Recommendation]:
    """The advice, and what follows from it; one that follows from another is made with that one."""
    chosen = {setting}
    for one in incident.recommendations:
        if one.setting == setting and one.tied_to and one.tied_to != setting:
            raise EditError(f"{setting} goes with {one.tied_to}: apply that recommendation, it brings this along")
    for one in incident.recommendations:
        if one.setting in chosen or (one.tied_to and one.tied_to in chosen):
            chosen.add(one.setting)
            yield one


def _unit_of(app: str, units: Mapping[str, str]) -> str:
    unit = units.get(app) or (app if app.endswith(".service") else f"{app}.service")
    if not _UNIT.fullmatch(unit):
        raise EditError(f"{unit!r} is no name of a service")
    return unit


def _refuse_unknown(one: Recommendation) -> None:
    """Refuse what could be more than a value: somebody may have written it into the database."""
    known = one.setting in WRITABLE or one.setting.partition(".")[0] not in ("gunicorn", "nginx", "unit")
    if not known or not (isinstance(one.proposed, int | float) or _VALUE.fullmatch(str(one.proposed))):
        raise EditError(f"{one.setting} = {one.proposed!r} is nothing that is ever recommended; it is not written")


def _edit(one: Recommendation, unit: str, here: Here, files: dict[str, Edit]) -> Edit:
    family, _, name = one.setting.partition(".")
    why = one.arithmetic
    if family == "nginx":
        return _nginx_edit(one, name, here, files)
    if family == "unit":
        return _drop_in(unit, name, str(one.proposed), why, files)
    if family != "gunicorn":
        raise EditError(_elsewhere(one))
    config = one.file if one.file.endswith(".py") else ""
    if config and not config.startswith("/"):
        raise EditError(f"{config} is not known by its whole path; set {name} = {one.proposed} there by hand")
    if not config:
        return _started(one, unit, files)
    _refuse_changed(one, config, _stated(config, _bytes(config, files), one.setting))
    return set_in_config(config, _bytes(config, files), name, one.proposed, why)


def _elsewhere(one: Recommendation) -> str:
    _, by_variable, variable = one.file.partition("environment ")
    if by_variable:
        return (
            f"{one.setting} is the variable {variable}: set it to {one.proposed} where the app is started, and restart"
        )
    return f"{one.setting} is set in the app's own code: set it to {one.proposed} there"


def _started(one: Recommendation, unit: str, files: dict[str, Edit]) -> Edit:
    """A setting of the command line, or one that stands nowhere: in the file the unit names, else on its line."""
    name, texts = one.setting.partition(".")[2], _unit_texts(unit)
    command = next((str(s.value) for s in from_unit(texts) if s.name == "unit.ExecStart"), "")
    words = {s.name: str(s.value) for s in from_command_line(unit_commands(texts)[0])}
    config = words.get("gunicorn.config", "")
    if one.file in ("", DEFAULT_ORIGIN) and config.startswith("/") and config.endswith(".py"):
        return set_in_config(config, _bytes(config, files), name, one.proposed, one.arithmetic)
    if one.file == "gunicorn.cmdline" and one.setting not in words:
        raise EditError(f"{unit} does not start gunicorn with {name}; set it to {one.proposed} where it is started")
    if one.file not in ("", DEFAULT_ORIGIN, "gunicorn.cmdline"):
        raise EditError(f"{one.setting} is set by {one.file}; set it to {one.proposed} there")
    before = next((e.new.decode("utf-8", "replace") for e in files.values() if e.path.endswith("execstart.conf")), "")
    command = next((str(s.value) for s in from_unit([("", before)]) if s.name == "unit.ExecStart"), command)
    return _drop_in(unit, "ExecStart", with_option(command, name, one.proposed), one.arithmetic, files)


def _drop_in(unit: str, name: str, value: str, why: str, files: dict[str, Edit]) -> Edit:
    texts = _unit_texts(unit)
    fresh = drop_in(unit, name, value, texts, None, why)
    there = fresh.path in files or Path(fresh.path).exists()
    return drop_in(unit, name, value, texts, _bytes(fresh.path, files), why) if there else fresh


def _unit_texts(unit: str) -> UnitTexts:
    texts = unit_here(unit)
    if not texts:
        raise EditError(f"no unit {unit} stands on this machine; change what starts the app by hand")
    return texts


def _nginx_edit(one: Recommendation, name: str, here: Here, files: dict[str, Edit]) -> Edit:
    value = str(one.proposed)
    if one.file.startswith("/") and one.line:
        tree = parse_tree(_bytes(one.file, files).decode("utf-8", "surrogateescape"))
        said = next((d.args[0] for d in all_of(tree) if (d.name, d.line) == (name, one.line) and d.args), None)
        _refuse_changed(one, f"{one.file}:{one.line}", said)
        return change_directive(one.file, _bytes(one.file, files), name, value, one.line)
    conf = read_nginx(Path(here.nginx), here=True)
    places = {route.place.rpartition(":")[0] for route in conf.routes} if conf else set()
    if len(places) != 1 or not name.startswith("proxy_"):
        raise EditError(f"it is not certain where {name} belongs; set it to {value} by hand")
    path = places.pop()
    return insert_beside_proxy_pass(path, _bytes(path, files), name, value)


def _warnings(advices: Sequence[Recommendation], here: Here) -> Iterator[str]:
    """Name the other places that inherit a directive of nginx's which is to be changed."""
    conf = read_nginx(Path(here.nginx), here=True) if any(one.setting.startswith("nginx.") for one in advices) else None
    for one in advices if conf else ():
        name, place = one.setting.removeprefix("nginx."), f"{one.file}:{one.line}"
        routes = [r for r in conf.routes if name in r.told and r.told[name].place == place] if conf else []
        if len({route.target for route in routes}) > 1:
            places = ", ".join(f"{route.location or 'a server'} -> {route.target}" for route in routes[:8])
            yield f"warning: {name} at {place} holds for all of these: {places}; to change one, set it in its location"


def _stated(path: str, data: bytes, setting: str) -> Value:
    found = from_config(data.decode("utf-8", "replace").removeprefix("\ufeff"), path)
    return next((one.value for one in found if one.name == setting), None)


def _refuse_changed(one: Recommendation, place: str, now: Value) -> None:
    """A value that is no longer the one the advice was worked out from was changed by somebody who knew why."""
    if now is None or one.current is None or _seconds(now) == _seconds(one.current):
        return
    raise EditError(f"{place} was changed since: it says {now}, the advice was made for {one.current}")


def _seconds(value: Value) -> float | str:
    try:
        return parse_duration_s(str(value))
    except ValueError:
        return str(value)


def _bytes(path: str, files: dict[str, Edit]) -> bytes:
    if path in files:
        return files[path].new
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EditError(f"{path} cannot be read: {error.strerror}") from error


def _commands(advices: Sequence[Recommendation], files: dict[str, Edit], unit: str, here: Here) -> Iterator[Command]:
    dropped = any(path.startswith("/etc/systemd/") for path in files)
    if dropped:
        yield ("systemctl", "daemon-reload")
    if dropped or any(one.setting in AT_START for one in advices):
        yield ("systemctl", "restart", unit)
    elif any(one.setting.startswith("gunicorn.") for one in advices):
        yield ("systemctl", "reload", unit)
    if any(one.setting.startswith("nginx.") for one in advices):
        yield here.nginx_command("-s", "reload")


def _checks(files: dict[str, Edit]) -> Iterator[str]:
    for path in files:
        if path.endswith(".py"):
            yield f"{path}: validated: it parses and differs in that statement alone; it was not run"
        elif path.startswith("/etc/systemd/"):
            yield f"{path}: not validated: systemd reads it at daemon-reload"
        else:
            yield f"{path}: not validated yet: `nginx -t` is run when it is applied"
