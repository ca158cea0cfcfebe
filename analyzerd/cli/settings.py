"""``analyzerctl settings``: what is in effect on this machine, where it stands, and what is not known or not loaded."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from analyzerd.cli.audit_live import as_written
from analyzerd.cli.terminal import colour
from analyzerd.config import Config, load
from analyzerd.core.apps import Apps, leads_to, nginx_settings_for
from analyzerd.core.drift import Generation, drift
from analyzerd.daemon.sampler import nginx_settings
from analyzerd.daemon.stated import stated_settings
from analyzerd.daemon.wiring import machine, nginx_conf
from analyzerd.errors import AnalyzerdError
from analyzerd.formats.control_socket import ON_DISK
from analyzerd.formats.settings import from_unit, unresolved
from analyzerd.model import Sample, Setting
from analyzerd.probes.configured import settings_of
from analyzerd.probes.launch import Launch, with_config_read_again
from analyzerd.probes.surroundings import nginx_masters, written_s
from analyzerd.render.settings import InEffect, as_json, as_text
from analyzerd.sources.conf_files import nginx_texts, unit_here


def run(arguments: argparse.Namespace) -> int:
    """Read this machine and print each app. Raises AnalyzerdError where no such gunicorn runs."""
    config = load(Path(arguments.config) if arguments.config else None)
    found = [one for one in read(config) if arguments.app in ("", one.app, one.unit)]
    if not found:
        named = f" called {arguments.app!r}" if arguments.app else ""
        raise AnalyzerdError(f"no gunicorn{named} runs on this machine; to judge files alone: analyzerctl audit PATH")
    text = as_json(found) if arguments.json else as_text(found, defaults=arguments.all, colour=colour(arguments))
    sys.stdout.write(text)
    return 0


def read(config: Config) -> Iterator[InEffect]:
    """What is in effect for each gunicorn that runs."""
    with closing(machine(config)) as probe:
        sample = probe.sample()
        seen = _Seen(sample, probe.settings(), tuple(map(nginx_settings, _nginx_confs(config))), probe.launches())
    written = _nginx_drift()
    for launch in sorted(seen.launches, key=lambda one: (one.unit, one.pid)):
        units = unit_here(launch.unit) if launch.unit else ()
        told = as_written(launch, units) if launch.title_only else launch
        stated = [one for one in stated_settings(config, sample.time_s) if fnmatchcase(launch.unit, one.unit)]
        values = seen.of_gunicorn(launch, told) | _named([*from_unit(units, unit=launch.unit), *stated])
        behind = seen.of_nginx(values)
        shown = tuple(one for name, one in sorted((values | behind).items()) if not name.endswith(ON_DISK))
        edited = drift(seen.generation(launch), _times((told.config_path, *(path for path, _ in units))))
        not_loaded = (*_not_loaded(values), *edited, *(written if behind else ()))
        app = Apps(config.app_by_unit).of_unit(launch.unit)
        yield InEffect(app, launch.unit, launch.pid, shown, tuple(_unresolved(told)), not_loaded, tuple(_blind(told)))


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at the machine."""

    sample: Sample
    settings: tuple[Setting, ...]
    nginx: tuple[tuple[Setting, ...], ...]
    launches: tuple[Launch, ...]

    def of_gunicorn(self, launch: Launch, told: Launch) -> dict[str, Setting]:
        """As the probe says it; where a title hides the command line, as its unit has it."""
        written = settings_of(told, self.sample.time_s) if launch.title_only else ()
        return _named([*written, *(one for one in self.settings if one.unit == launch.unit)])

    def of_nginx(self, values: Mapping[str, Setting]) -> dict[str, Setting]:
        """What holds for this app's address; nothing where nginx leads to others only."""
        bound = tuple(str(values["gunicorn.bind"].value).split(",")) if "gunicorn.bind" in values else ()
        alone = len(self.launches) == len(self.nginx) == 1
        for one in self.nginx:
            addresses = next((str(s.value) for s in one if s.name == "nginx.upstream_addresses"), "")
            if alone or any(leads_to(part, bound) for part in addresses.split(",")):
                return dict(nginx_settings_for(_named(one), bound, alone=alone))
        return {}

    def generation(self, launch: Launch) -> Generation:
        """When its processes were started."""
        booted_s = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)
        mine = [p for p in self.sample.processes if p.unit == launch.unit and p.role == "worker"]
        workers = tuple(booted_s + p.start_s for p in mine if p.start_s is not None)
        return Generation("gunicorn", booted_s + launch.start_s, workers)


def _named(settings: Iterable[Setting]) -> dict[str, Setting]:
    return {one.name: one for one in settings if one.value is not None}


def _unresolved(launch: Launch) -> Iterator[tuple[str, str, str]]:
    again = with_config_read_again(launch)
    yield from unresolved(again.config_text, again.config_path, again.about)


def _blind(launch: Launch) -> Iterator[str]:
    if launch.denied:
        yield "environment and working directory may not be read: run this as root, or as the app's user"
    if launch.config_unread:
        yield "a config file is named that was not found or may not be read: defaults are not claimed"


def _not_loaded(values: Mapping[str, Setting]) -> Iterator[str]:
    """What gunicorn itself says differs from what is written."""
    for name, one in sorted(values.items()):
        base = name.removesuffix(ON_DISK)
        if name != base and base in values:
            yield f"{base}: {one.origin} says {one.value}, {values[base].value} is in effect: not loaded"


def _times(paths: Iterable[str]) -> dict[str, float]:
    return {path: at_s for path in paths if path.startswith("/") and (at_s := written_s(path)) is not None}


def _nginx_confs(config: Config) -> tuple[str, ...]:
    """Of every nginx that runs; where none does the one that is named or usual."""
    running = tuple(dict.fromkeys(master.conf for master in nginx_masters()))
    return running or tuple(filter(None, (nginx_conf(config),)))


def _nginx_drift() -> tuple[str, ...]:
    """Files of nginx's that were written after its workers were started."""
    found: list[str] = []
    for master in nginx_masters():
        texts = nginx_texts(Path(master.conf), here=True)
        if texts is None:
            continue
        paths = [file.path for file in (*texts[0], *(file for files in texts[1].values() for file in files))]
        found += drift(Generation("nginx", master.started_s, master.workers_s), _times(paths))
    return tuple(found)
