"""``analyzerctl record``: what this machine does for a while, as a directory that diagnose reads. Redacted, local."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from analyzerd.cli import recording
from analyzerd.cli.recording import Recording
from analyzerd.cli.tails import Tail
from analyzerd.cli.terminal import Progress
from analyzerd.config import Config, load
from analyzerd.daemon import wiring
from analyzerd.errors import AnalyzerdError, SourceError
from analyzerd.model import Entry, Stream
from analyzerd.probes.launch import Launch, with_config_read_again
from analyzerd.probes.machine import MachineProbe
from analyzerd.render import recorded
from analyzerd.sources.conf_files import unit_here
from analyzerd.sources.recording import KERNEL_LOG, SYSTEMD_LOG
from analyzerd.units import format_bytes, format_duration

SAMPLES = "samples.jsonl"
SHORTEST_S = 0.1
MAX_TEXT_BYTES = 1 << 20
OF_GUNICORN = ("gunicorn", "gunicorn.access", "app")


@dataclass(frozen=True, slots=True)
class Span:
    """How long to record and how often to sample, in seconds."""

    for_s: float
    every_s: float


def run(arguments: argparse.Namespace) -> int:
    """Record, and say what was recorded and what could not be."""
    span = _span(arguments)
    config = load(Path(arguments.config) if arguments.config else None)
    out = recording.begin(Path(arguments.directory))
    with closing(wiring.machine(config)) as probe:
        probe.sample()
        unit = _unit(probe.launches(), arguments.unit)
        _record(config, probe, unit, out, span, Progress("recording", 0, quiet=arguments.quiet, wait_s=0.0))
    _tell(out, arguments, span)
    return 0


def _span(arguments: argparse.Namespace) -> Span:
    for option, seconds in (("--for", arguments.for_s), ("--every", arguments.every_s)):
        if seconds < SHORTEST_S:
            raise AnalyzerdError(f"{option}: {seconds:g} s is too short")
    return Span(arguments.for_s, arguments.every_s)


def _unit(launches: Sequence[Launch], wanted: str) -> str:
    """The unit whose gunicorn is recorded; '' when none runs. A recording is of one app."""
    units = sorted({launch.unit for launch in launches})
    if wanted:
        return wanted
    if len(units) > 1:
        named = ", ".join(unit or "(outside any unit)" for unit in units)
        raise AnalyzerdError(f"several gunicorns run here; name one with --unit: {named}")
    return units[0] if units else ""


def _record(config: Config, probe: MachineProbe, unit: str, out: Recording, span: Span, progress: Progress) -> None:
    logs = [(path, stream) for path, stream in wiring.followed(config) if _is_of(stream, unit)]
    names = recording.name_logs([stream for _, stream in logs])
    with ExitStack() as stack:
        tails = [stack.enter_context(Tail(Path(path))) for path, _ in logs]
        begun_s = time.time()  # noqa: TID251 - the journal is read from here on
        _sample(probe, unit, out, span, progress)
        progress.end()
        _write_journal(config, unit, out, begun_s)
        for tail, (path, stream), name in zip(tails, logs, names, strict=True):
            if not name:
                out.missing.append(f"{path}: recordings have no logs of kind {stream.kind}")
                continue
            recording.write_log(out, name, tail.lines(), stream)
            if tail.why_not:
                out.missing.append(tail.why_not)
    _write_settings(config, probe, unit, out, [(name, s) for (_, s), name in zip(logs, names, strict=True)])
    if recording.JOURNAL in out.records and not out.records[recording.JOURNAL]:
        _say_silence(out)


def _is_of(stream: Stream, unit: str) -> bool:
    return stream.kind not in OF_GUNICORN or not stream.unit or stream.unit == unit


def _say_silence(out: Recording) -> None:
    """An empty log of gunicorn's: the journal was read, and gunicorn wrote nothing into it."""
    if recording.GUNICORN_LOG not in out.records:
        out.write(recording.GUNICORN_LOG, ())


def _sample(probe: MachineProbe, unit: str, out: Recording, span: Span, progress: Progress) -> None:
    """Sample until the time is over, or the operator has seen enough and presses Ctrl-C."""
    start_s = now_s = time.monotonic()
    with out.open(SAMPLES) as file:
        try:
            while now_s < start_s + span.for_s:
                recording.write_readings(out, file, SAMPLES, recording.sample_of(probe.sample(), unit))
                progress.reach((now_s - start_s) / span.for_s)
                time.sleep(max(0.0, min(now_s + span.every_s, start_s + span.for_s) - time.monotonic()))
                now_s = time.monotonic()
        except KeyboardInterrupt:
            out.missing.append(f"ended by hand after {format_duration(time.monotonic() - start_s)}")
        recording.write_readings(out, file, SAMPLES, recording.sample_of(probe.sample(), unit))
    out.missing += [f"{health.why}; {health.mend}" for health in probe.health() if health.state == "blind"]


def _write_journal(config: Config, unit: str, out: Recording, since_s: float) -> None:
    if not config.journal.enabled:
        out.missing.append("the journal: journal.enabled is false in the configuration")
        return
    units = config.journal.units
    if unit:
        units = (unit, *(pattern for pattern in units if "nginx" in pattern))
    try:
        recording.write_journal(out, _entries(config, units, since_s))
    except SourceError as error:
        out.missing.append(f"the journal: {error}")
        for name in (KERNEL_LOG, SYSTEMD_LOG, recording.JOURNAL):
            (out.folder / name).unlink(missing_ok=True)
            out.records.pop(name, None)


def _entries(config: Config, units: Sequence[str], since_s: float) -> Iterator[Entry]:
    from analyzerd.sources.journal import read_all  # noqa: PLC0415 - libsystemd is not on every machine

    for block in read_all(config.journal.path or None, units, since_s):
        yield from block.entries


def _write_settings(
    config: Config, probe: MachineProbe, unit: str, out: Recording, logs: Sequence[tuple[str, Stream]]
) -> None:
    formats = {stream.kind: stream.log_format for _, stream in logs}
    launch = next((one for one in probe.launches() if one.unit == unit), None)
    if launch is not None:
        settings = [one for one in probe.settings() if one.unit == unit]
        access_format = formats.get("gunicorn.access", "")
        recording.write_settings(out, with_config_read_again(launch), settings, access_format)
    path = wiring.nginx_conf(config)
    conf = _text(Path(path)) if path else ""
    recording.write_nginx(out, conf, [(name, s.log_format) for name, s in logs if s.kind == "nginx.access"])
    if path and not conf:
        out.missing.append(f"{path} cannot be read")
    if unit.endswith(".service"):
        text = "\n".join(recorded.unit(part) for _, part in unit_here(unit))
        out.write(unit, [(text or "# gunicorn ran in this unit; its file cannot be read\n").encode()])


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _tell(out: Recording, arguments: argparse.Namespace, span: Span) -> None:
    files = [(name, count, (out.folder / name).stat().st_size) for name, count in sorted(out.records.items())]
    if arguments.json:
        whole = {
            "schema": "analyzerd.recording/1",
            "directory": str(out.folder),
            "seconds": span.for_s,
            "files": [{"name": name, "records": count, "bytes": size} for name, count, size in files],
            "not_recorded": out.missing,
        }
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return
    width = max(len(name) for name, _, _ in files)
    for name, count, size in files:
        sys.stdout.write(f"{name:<{width}}  {count:>9,} records  {format_bytes(size):>10}\n")
    sys.stdout.write("".join(f"not recorded: {why}\n" for why in out.missing))
    sys.stdout.write(
        "Secrets, e-mail addresses and query values are hidden; look through it before you give it away.\n"
        f"analyzerctl diagnose {out.folder}\n"
    )
