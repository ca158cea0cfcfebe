"""What ``analyzerctl audit`` sees of this machine: processes watched for a while, configurations, the last hour."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzerd.cli.audited import Looked, new_engine, play
from analyzerd.cli.inputs import JournalPart
from analyzerd.cli.terminal import Progress
from analyzerd.config import Config, load
from analyzerd.core.apps import Apps
from analyzerd.core.audit import Ground
from analyzerd.core.audit.subject import Beside, subjects
from analyzerd.core.intake import Intake
from analyzerd.core.replay import merged
from analyzerd.daemon.wiring import machine, nginx_conf
from analyzerd.errors import AnalyzerdError
from analyzerd.formats.nginx_routes import NginxConf
from analyzerd.formats.settings import from_unit, unit_commands
from analyzerd.model import Entries, Health, Input, Lines, Sample, Setting, Stream
from analyzerd.probes.configured import settings_of
from analyzerd.probes.family import in_units
from analyzerd.probes.launch import Launch, config_path, option_values, with_config_read_again
from analyzerd.probes.machine import MachineProbe
from analyzerd.probes.surroundings import NginxMaster, look_around, nginx_masters
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.conf_files import UnitTexts, gunicorn_units, read_nginx, unit_here

LOOK_BACK_S = 3600.0
MAX_LOG_BYTES = 64 << 20
BLOCK_BYTES = 1 << 20
LEAST_STEP_S, MOST_STEPS = 1.0, 60


@dataclass(slots=True)
class Sight:
    """What was found on the machine."""

    samples: list[Sample]
    settings: tuple[Setting, ...]
    launches: tuple[Launch, ...]
    health: tuple[Health, ...]
    nginx: list[tuple[NginxConf, NginxMaster | None, str]] = field(default_factory=list)
    units: dict[str, UnitTexts] = field(default_factory=dict)


def of_machine(arguments: argparse.Namespace, rules: RuleSet) -> Looked:
    """Watch this machine for a while and read what belongs to its gunicorns.

    Raises ConfigError, ModuleNotFoundError where the daemon's packages are missing, AnalyzerdError where no gunicorn
    runs and no configuration of one was found.
    """
    config = load(Path(arguments.config) if arguments.config else None)
    with closing(machine(config)) as probe:
        sight = _look(probe, arguments.watch_s, quiet=arguments.quiet)
    units = tuple(launch.unit for launch in sight.launches if launch.unit)
    sight.nginx = _nginx(config)
    sight.units = {unit: unit_here(unit) for unit in sorted(units)}
    if not sight.launches:
        wanted = tuple(config.app_by_unit)
        sight.units = {unit: unit_here(unit) for unit in gunicorn_units() if in_units(unit, wanted)}
        sight.launches = tuple(not_running(unit, texts) for unit, texts in sight.units.items())
    if not sight.launches:
        raise AnalyzerdError(
            "no gunicorn runs on this machine and no unit starts one; name recordings, logs or configuration files"
        )
    engine = new_engine(rules, Apps(config.app_by_unit))
    settings = _settings(sight)
    inputs = _Inputs(config, sight, settings, rules)
    play(engine, settings, inputs.flow())
    for health in inputs.health():
        engine.step(health)
    grounds = {engine.options.apps.of_unit(one.unit): _ground(sight, one, settings) for one in sight.launches}
    confs = tuple(conf for conf, _, _ in sight.nginx)
    with_text = tuple(unit for unit, texts in sight.units.items() if texts)
    return Looked(subjects(engine, Beside(confs, grounds, with_text)), (*_notes(sight), *inputs.notes))


def _look(probe: MachineProbe, watch_s: float, *, quiet: bool) -> Sight:
    """Read again and again; the settings at the end."""
    step_s = max(LEAST_STEP_S, watch_s / MOST_STEPS)
    progress = Progress("watching", max(1, round(watch_s)), quiet=quiet)
    began_s, samples = time.monotonic(), [probe.sample()]
    while time.monotonic() - began_s < watch_s:
        time.sleep(min(step_s, max(0.0, began_s + watch_s - time.monotonic())))
        samples.append(probe.sample())
        progress.add(round(step_s))
    progress.end()
    return Sight(samples, probe.settings(), probe.launches(), probe.health())


def _nginx(config: Config) -> list[tuple[NginxConf, NginxMaster | None, str]]:
    """Every configuration in use, or where no nginx runs the one that is named or usual."""
    places: list[tuple[str, NginxMaster | None]] = [(master.conf, master) for master in nginx_masters()]
    if not places and nginx_conf(config):
        places = [(nginx_conf(config), None)]
    read = ((read_nginx(Path(path), here=True), master, path) for path, master in dict(places).items())
    return [(conf, master, path) for conf, master, path in read if conf is not None]


def _settings(sight: Sight) -> list[Setting]:
    """Gunicorn's as its probe says them, from the unit where a title hides them, and the units' own."""
    time_s = sight.samples[-1].time_s
    found = [one for unit, texts in sight.units.items() for one in from_unit(texts, time_s=time_s, unit=unit)]
    for launch in sight.launches:
        if launch.title_only:
            found += settings_of(as_written(launch, sight.units.get(launch.unit, ())), time_s)
    return [*found, *sight.settings]


def not_running(unit: str, texts: Sequence[tuple[str, str]]) -> Launch:
    """A master that its unit would start, as one whose command line cannot be seen."""
    told = {one.name: str(one.value) for one in from_unit(texts, unit=unit)}
    return Launch(0, unit, (), {}, told.get("unit.WorkingDirectory", ""), "", "", title_only=True, denied=False)


def as_written(launch: Launch, texts: Sequence[tuple[str, str]]) -> Launch:
    """The start of a master whose command line a title hides, as its unit has it."""
    command, variables = unit_commands(texts)
    arguments = tuple(command.split())
    path = config_path((*variables.split(), *arguments), launch.cwd)
    environment = {**launch.environment, "GUNICORN_CMD_ARGS": variables}
    read = with_config_read_again(replace(launch, arguments=arguments, config_path=path, environment=environment))
    named = bool(option_values(arguments, "-c", "--config"))
    return replace(read, title_only=False, config_unread=named and not read.config_text)


def _ground(sight: Sight, launch: Launch, settings: Sequence[Setting]) -> Ground:
    pids = [p.pid for p in sight.samples[-1].processes if p.unit == launch.unit]
    origins = [s.origin for s in settings if s.unit == launch.unit and s.name.startswith("gunicorn.")]
    files = [origin.rpartition(":")[0] for origin in origins if ".py:" in origin]
    master = next((master for _, master, _ in sight.nginx if master is not None), None)
    return look_around(sight.samples[-1], pids, files, master)


def _notes(sight: Sight) -> list[str]:
    notes = [
        f"not seen: {h.why}" + (f"; {h.mend.splitlines()[0]}" if h.mend else "")
        for h in sight.health
        if h.state == "blind"
    ]
    if not any(launch.pid for launch in sight.launches):
        notes.append("no gunicorn runs: audited as its unit would start it")
    outside = [launch for launch in sight.launches if not launch.unit]
    if len(outside) > 1:
        notes.append(f"{len(outside)} masters run outside of any unit: they are audited as one")
    return notes


class _Inputs:
    """The last hour's logs and the readings, in the order of time; knows afterwards what was there."""

    def __init__(self, config: Config, sight: Sight, settings: Sequence[Setting], rules: RuleSet) -> None:
        self._sight, self._settings = sight, settings
        self._intake = Intake(rules, {})
        self._end_s = sight.samples[-1].time_s
        self._journal = JournalPart(self._end_s - LOOK_BACK_S, None, self._units(), config.journal.path or None)
        self._heard: set[str] = set()
        self._journal_read = config.journal.enabled
        self.notes: list[str] = []
        for setting in settings:
            self._intake.learn(setting)

    def flow(self) -> Iterator[Input]:
        """Everything since an hour before the end of the watch."""
        since_s = self._end_s - LOOK_BACK_S
        logs = (self._log(stream) for stream in self._streams())
        for item in merged([*logs, self._entries(), self._sight.samples], self._intake):
            if item.time_s >= since_s:
                yield item

    def health(self) -> Iterator[Health]:
        """Who was read: silence of these means something."""
        for source in sorted(self._heard):
            yield Health(self._end_s, source, "reading")

    def _units(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(launch.unit for launch in self._sight.launches if launch.unit))

    def _streams(self) -> Iterator[Stream]:
        offset_s = time.localtime().tm_gmtoff
        for conf, _, path in self._sight.nginx:
            base = Path(path).parent
            for log, style in conf.access_logs.items():
                yield Stream(f"file:{base / log}", "nginx.access", "nginx.service", style, offset_s)
            if told := conf.single.get("error_log"):
                name = (told.value or "").split()[:1]
                yield from (Stream(f"file:{base / one}", "nginx.error", "nginx.service", "", offset_s) for one in name)
        yield from self._own_streams(offset_s)

    def _own_streams(self, offset_s: int) -> Iterator[Stream]:
        """Log files of gunicorn itself, below the folder it runs in."""
        cwds = {launch.unit: launch.cwd for launch in self._sight.launches}
        values = {(s.unit, s.name): str(s.value or "") for s in self._settings}
        for (unit, name), path in values.items():
            kind = {"gunicorn.accesslog": "gunicorn.access", "gunicorn.errorlog": "gunicorn"}.get(name)
            if kind and path not in ("", "-"):
                style = values.get((unit, "gunicorn.access_log_format"), "") if kind == "gunicorn.access" else ""
                yield Stream(f"file:{Path(cwds.get(unit) or '/', path)}", kind, unit, style, offset_s)

    def _log(self, stream: Stream) -> Iterator[Lines]:
        """The end of a log file, in blocks of whole lines; a note when it cannot be read."""
        path = Path(stream.name.removeprefix("file:"))
        try:
            if not path.is_file():
                return
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - MAX_LOG_BYTES))
                if file.tell():
                    file.readline()
                self._heard.add(stream.kind)
                while lines := file.readlines(BLOCK_BYTES):
                    yield Lines(stream, b"".join(lines))
        except OSError as error:
            self.notes.append(f"cannot read {path}: {error.strerror}")

    def _entries(self) -> Iterator[Entries]:
        """The journal of the app's units; nothing but a note where it cannot be read."""
        if not self._journal_read or not self._units():
            return
        try:
            for entries in self._journal.blocks():
                self._heard |= {"kernel" if e.transport == "kernel" else "gunicorn" for e in entries.entries}
                yield entries
        except (AnalyzerdError, ModuleNotFoundError) as error:
            self.notes.append(f"the journal was not read: {error}")
