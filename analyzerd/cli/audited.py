"""What ``analyzerctl audit`` looks at: this machine, or PATHs. Reads, and lets the engine make sense of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzerd.cli.findings import Findings
from analyzerd.cli.inputs import flow, given
from analyzerd.cli.terminal import Progress
from analyzerd.core.apps import Apps
from analyzerd.core.audit import Subject
from analyzerd.core.audit.subject import KEEP_S, Beside, subjects
from analyzerd.core.correlate import Timing
from analyzerd.core.engine import Engine, Options
from analyzerd.core.replay import replay
from analyzerd.errors import AnalyzerdError
from analyzerd.formats.nginx_routes import NginxConf
from analyzerd.formats.settings import from_unit
from analyzerd.model import Input, Setting
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.conf_files import UnitTexts, read_nginx, unit_given


@dataclass(frozen=True, slots=True)
class Looked:
    """What is to be judged, and what a person should know about how it was read."""

    subjects: tuple[Subject, ...]
    notes: tuple[str, ...] = ()


def new_engine(rules: RuleSet, apps: Apps | None = None) -> Engine:
    """An engine that remembers the signals of all that it reads."""
    return Engine(rules, Options(apps or Apps(), Timing(keep_s=KEEP_S)))


def of_paths(arguments: argparse.Namespace, rules: RuleSet) -> Looked:
    """Look at recordings, logs and configuration files. Raises AnalyzerdError for a path that cannot be read."""
    files = [file for path in arguments.paths for file in _files(Path(path))]
    confs, units = _nginx(files), _units(files)
    engine, found = new_engine(rules), Findings()
    arguments.paths = [path for path in arguments.paths if not _is_only_configuration(Path(path))]
    settings = [one for unit, texts in units.items() for one in from_unit(texts, unit=unit)]
    inputs: Iterator[Input] = iter(())
    if arguments.paths:
        source = given(arguments, 0.0)
        progress = Progress("reading", source.size_bytes, quiet=arguments.quiet)
        inputs = flow(source, rules, found, progress)
        play(engine, settings, inputs)
        progress.end()
    else:
        play(engine, settings, inputs)
    unread = tuple(dict.fromkeys(f"{h.why}" for h in found.blind if h.state == "gap"))
    return Looked(subjects(engine, Beside(confs, {}, tuple(units))), unread)


def play(engine: Engine, settings: Iterable[Setting], inputs: Iterable[Input]) -> None:
    """Let the engine read everything; what it would tell of incidents is not wanted here."""
    for setting in settings:
        engine.step(setting)
    for _ in replay(engine, inputs):
        pass


def _files(path: Path) -> list[Path]:
    """A file, or the configuration files of a folder."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and _is_configuration(file))[:500]


def _is_configuration(path: Path) -> bool:
    return path.suffix in (".conf", ".service") or path.parent.name in ("sites-enabled", "conf.d")


def _is_only_configuration(path: Path) -> bool:
    """Files the archive does not know: nginx's beside nginx.conf, and drop-ins."""
    return path.is_file() and _is_configuration(path) and path.name != "nginx.conf" and path.suffix != ".service"


def _nginx(files: Sequence[Path]) -> list[NginxConf]:
    """One configuration of all nginx files that were given; its main file is the one called nginx.conf."""
    own = [file for file in files if _is_configuration(file) and file.suffix != ".service"]
    own = [file for file in own if not file.parent.name.endswith(".service.d")]
    if not own:
        return []
    main = next((file for file in own if file.name == "nginx.conf"), own[0])
    conf = read_nginx(main, here=False, others=[file for file in own if file != main])
    if conf is None:
        raise AnalyzerdError(f"cannot read {main}")
    return [conf]


def _units(files: Sequence[Path]) -> Mapping[str, UnitTexts]:
    """Texts by unit, of units that run gunicorn."""
    drop_ins = [file for file in files if file.parent.name.endswith(".service.d")]
    read = {file.name: unit_given(file, drop_ins) for file in files if file.suffix == ".service"}
    return {unit: texts for unit, texts in read.items() if any("gunicorn" in text for _, text in texts)}
