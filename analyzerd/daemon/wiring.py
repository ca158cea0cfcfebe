"""Builds everything the daemon runs from its configuration. Starts nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from analyzerd.config import Config, FileConfig
from analyzerd.core.apps import Apps
from analyzerd.core.correlate import Timing
from analyzerd.core.engine import Engine, Options
from analyzerd.core.facts import FACTS
from analyzerd.core.solvers import SOLVERS
from analyzerd.core.state import EngineState
from analyzerd.daemon.clock import utc_offset_s
from analyzerd.daemon.sampler import nginx_settings
from analyzerd.model import Health, Stream
from analyzerd.notify.console import Console
from analyzerd.notify.contract import Sink, Words
from analyzerd.probes.control_socket import ControlSocketProbe
from analyzerd.probes.machine import MachineProbe
from analyzerd.render import blocks, text, verdict
from analyzerd.rules.layers import build
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.journal import JournalSource
from analyzerd.sources.logfile import LogFileSource
from analyzerd.sources.proposed import Here
from analyzerd.sources.rulefiles import read_layers
from analyzerd.sources.statsd import StatsdSource
from analyzerd.sources.usual import NGINX_CONF, NGINX_LOGS, NGINX_UNIT

STATSD_MEND = (
    "gunicorn --statsd-host 127.0.0.1:8125, and in analyzerd.yaml: witnesses: {statsd: [{listen: '127.0.0.1:8125', "
    "unit: gunicorn.service}]}"
)
USUAL_FILES = tuple(FileConfig(path=path, kind=kind, unit=NGINX_UNIT) for path, kind in NGINX_LOGS)

BLOCK_WORDS = Words(
    blocks.message, blocks.thread, blocks.plain, blocks.followup, blocks.summary, verdict.blocks, verdict.plain
)
TEXT_WORDS = Words(
    message=lambda incident, reason: {"text": text.incident_text(incident, reason)},
    thread=lambda incident: {"text": text.incident_text(incident, full=True)},
    plain=lambda incident, reason: {"text": text.incident_text(incident, reason)},
    followup=lambda incident, reason: {"text": text.followup_text(incident, reason)},
    summary=lambda incidents: {"text": text.summary_text(incidents)},
    verdict=lambda verified: {"text": verdict.text(verified)},
    plain_verdict=lambda verified: {"text": verdict.text(verified)},
)


def load_rules(config: Config, previous: RuleSet | None = None, *, folders: Sequence[Path] = ()) -> RuleSet:
    """Read the rules of vendor, operator and more ``folders``; unusable files keep their last good version."""
    return build(read_layers([*config.rules_dirs, *folders]), previous, facts=FACTS, solvers=SOLVERS)


def engine(config: Config, rules: RuleSet, state: EngineState | None = None) -> Engine:
    """Build the engine as configured."""
    return Engine(rules, options(config), state)


def options(config: Config) -> Options:
    """Which apps there are and how patient to be."""
    timing = Timing(
        settle_s=config.timing.settle,
        patience_s=config.timing.patience,
        resolve_after_s=config.timing.resolve_after,
    )
    watched = tuple(unit for unit in config.journal.units if "nginx" not in unit)
    per_hour = config.witnesses.stacks_per_hour if config.witnesses.stacks else 0
    return Options(Apps(config.app_by_unit, watched), timing, per_hour)


def journal(config: Config) -> JournalSource | None:
    """Build the journal reader, None when switched off."""
    if not config.journal.enabled:
        return None
    return JournalSource(config.journal.units, path=config.journal.path or None)


def machine(config: Config) -> MachineProbe:
    """Build the probe of processes, sockets and cgroups, with what else it may ask."""
    units = tuple(unit for app in config.apps for unit in app.units)
    control = ControlSocketProbe(enabled=config.witnesses.control_socket)
    return MachineProbe(units, config.sampling.disks, control=control)


def nginx_conf(config: Config) -> str:
    """Where nginx's configuration is: as configured, else the usual place when it is there."""
    if config.nginx_conf:
        return config.nginx_conf
    return NGINX_CONF if Path(NGINX_CONF).is_file() else ""


def here(config: Config) -> Here:
    """What this machine calls the services and files that advice is about."""
    return Here(config.unit_by_app, nginx_conf(config) or NGINX_CONF)


def statsd(config: Config) -> Iterator[StatsdSource]:
    """Build the listeners for gunicorn's own metrics, none unless configured."""
    for one in config.witnesses.statsd:
        yield StatsdSource(*one.address, one.unit)


def not_listening(config: Config, time_s: float) -> Iterator[Health]:
    """Name the listener that is switched off."""
    if not config.witnesses.statsd:
        why = "gunicorn's own metrics are not listened to: switched off (its access log can tell the same)"
        yield Health(time_s, "statsd", "blind", why, STATSD_MEND)


def log_files(config: Config) -> LogFileSource | None:
    """Build the follower of log files, None when there is none to follow."""
    chosen = followed(config)
    return LogFileSource(chosen) if chosen else None


def followed(config: Config) -> list[tuple[str, Stream]]:
    """Which files to follow and how to read them: as configured, else nginx's usual ones that are there."""
    chosen = config.files or tuple(f for f in USUAL_FILES if Path(f.path).exists())
    known = {s.name: s.value for s in nginx_settings(nginx_conf(config))} if chosen else {}
    return [(f.path, _stream(f, str(known.get("nginx.log_format") or ""))) for f in chosen]


def _stream(file: FileConfig, nginx_format: str) -> Stream:
    log_format = file.log_format or (nginx_format if file.kind == "nginx.access" else "")
    return Stream(f"file:{file.path}", file.kind, file.unit, log_format, utc_offset_s())


def sinks(config: Config) -> Mapping[str, tuple[Sink, Words]]:
    """Build where messages go, keyed by the sink's name: Slack, its webhook, or standard output."""
    slack = config.slack
    if token := slack.token.get_secret_value():
        from analyzerd.notify.slack import SlackChannel  # noqa: PLC0415 - the client takes 13 MB: only who needs it pays

        channel = SlackChannel(token, slack.channel, base_url=slack.api_url, timeout_s=max(1, int(slack.timeout)))
        return {channel.name: (channel, BLOCK_WORDS)}
    if url := slack.webhook_url.get_secret_value():
        from analyzerd.notify.webhook import SlackWebhook  # noqa: PLC0415

        webhook = SlackWebhook(url, timeout_s=max(1, int(slack.timeout)))
        return {webhook.name: (webhook, BLOCK_WORDS)}
    console = Console()
    return {console.name: (console, TEXT_WORDS)}
