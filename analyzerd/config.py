"""analyzerd.yaml, conf.d, the environment and credentials, merged into one checked, frozen value.

Precedence: ANALYZERD_* environment > credentials (systemd LoadCredential) > conf.d > analyzerd.yaml > defaults.
pydantic stops here; lower layers get plain values. Every mistake has its file, line and mend.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from analyzerd.errors import ConfigError
from analyzerd.formats import KINDS
from analyzerd.rules.yaml_strict import Node, Place, parse, suggest
from analyzerd.units import parse_duration_s

DEFAULT_PATH = Path("/etc/analyzerd/analyzerd.yaml")
DEFAULT_STATE_DIR = Path("/var/lib/analyzerd")
OPERATOR_RULES = Path("/etc/analyzerd/rules.d")
ENV_PREFIX = "ANALYZERD_"
_MUST_BE = {
    "bool": "must be true or false",
    "float": "must be a number or a duration like 30s",
    "string": "must be text",
    "model": "must hold keys and values of its own, on indented lines",
    "tuple": "must be a list",
    "list": "must be a list",
    "path": "must be a path",
}


def _duration(value: object) -> object:
    return parse_duration_s(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_duration), Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JournalConfig(_Part):
    """Which units to read from the journal. ``path``: a directory of journal files instead of the system's."""

    enabled: bool = True
    path: str = ""
    units: tuple[str, ...] = ("gunicorn*.service", "nginx.service")


class FileConfig(_Part):
    """One log file to follow."""

    path: str
    kind: str
    unit: str = ""
    log_format: str = ""

    @model_validator(mode="after")
    def _known_kind(self) -> FileConfig:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is not one of {', '.join(KINDS)}{suggest(self.kind, KINDS)}")
        if not self.path.startswith("/"):
            raise ValueError(f"path {self.path!r} must be absolute")
        return self


Count = Annotated[int, Field(ge=0, le=1_000_000)]


class DatabaseConfig(_Part):
    """What nobody can read from outside: the app's pool, for each worker, and the database's limit.

    ``other_connections``: of other programs; ``instances``: machines like this one that use the same database.
    """

    pool_size: Count | None = None
    max_overflow: Count | None = None
    pool_timeout: Count | None = None
    max_connections: Count | None = None
    other_connections: Count | None = None
    instances: Count | None = None


class AppConfig(_Part):
    """One app: its name in messages, the units it runs as (globs allowed), and what is known of its database."""

    name: str
    units: tuple[str, ...]
    database: DatabaseConfig = DatabaseConfig()


class SamplingConfig(_Part):
    """How often processes, cgroups and sockets are read; 0 turns it off."""

    interval: Seconds = 5.0
    disks: tuple[str, ...] = ()


class StatsdConfig(_Part):
    """Where gunicorn's own metrics of one unit arrive: ``--statsd-host`` names the same address."""

    listen: str
    unit: str = ""

    @field_validator("listen")
    @classmethod
    def _on_loopback(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        try:
            inside = ip_address(host.strip("[]")).is_loopback and 0 < int(port) < 65536
        except ValueError:
            inside = False
        if not inside:
            raise ValueError(f"{value!r} must be an address of this machine's own, like 127.0.0.1:8125")
        return value

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen at."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class WitnessConfig(_Part):
    """Who is asked beside logs and /proc. Each that is off is a named blind spot."""

    control_socket: bool = True
    stacks: bool = False
    stacks_per_hour: Annotated[int, Field(ge=1, le=1000)] = 12
    statsd: tuple[StatsdConfig, ...] = ()


class SlackConfig(_Part):
    """Where messages go. Without token and webhook they are printed to standard output."""

    token: SecretStr = SecretStr("")
    channel: str = ""
    api_url: str = "https://slack.com/api/"
    webhook_url: SecretStr = SecretStr("")
    timeout: Seconds = 10.0


class TimingConfig(_Part):
    """How long to wait before an answer is told; see the reference."""

    settle: Seconds = 5.0
    patience: Seconds = 20.0
    resolve_after: Seconds = 900.0


class Config(BaseSettings):
    """Everything the operator can set."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    state_dir: Path = DEFAULT_STATE_DIR
    journal: JournalConfig = JournalConfig()
    files: tuple[FileConfig, ...] = ()
    nginx_conf: str = ""
    rules_dirs: tuple[Path, ...] = (OPERATOR_RULES,)
    sampling: SamplingConfig = SamplingConfig()
    witnesses: WitnessConfig = WitnessConfig()
    slack: SlackConfig = SlackConfig()
    timing: TimingConfig = TimingConfig()
    apps: tuple[AppConfig, ...] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment before the files; credentials are merged into the files' values by load()."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)

    @model_validator(mode="after")
    def _slack_is_whole(self) -> Config:
        if self.slack.token.get_secret_value() and not self.slack.channel:
            raise ValueError("slack.token is set but slack.channel is not: name the channel to post to")
        return self

    @property
    def database(self) -> Path:
        """Where the state is kept."""
        return self.state_dir / "analyzerd.db"

    @property
    def app_by_unit(self) -> Mapping[str, str]:
        """Unit pattern to app name."""
        return {unit: app.name for app in self.apps for unit in app.units}

    @property
    def unit_by_app(self) -> Mapping[str, str]:
        """App to its unit, where one unit is named in full."""
        known = {app.name: [u for u in app.units if u.endswith(".service") and "*" not in u] for app in self.apps}
        return {app: units[0] for app, units in known.items() if len(units) == 1}


def load(path: Path | None = None) -> Config:
    """Read the configuration. ``path`` None: the default place, which may be missing. Raises ConfigError."""
    main = path or DEFAULT_PATH
    if path is not None and not main.is_file():
        raise ConfigError(
            f"no such file (or not a file); create it, or leave --config away to use {DEFAULT_PATH}", str(path)
        )
    nodes = [node for file in _files(main) if (node := _read(file)) is not None]
    values: dict[str, Any] = {}
    for node in nodes:
        _merge(values, _plain(node))
    _merge(values, _credentials())
    _check_environment()
    try:
        return Config(**values)
    except ValidationError as error:
        raise _located(error, nodes, str(main)) from None
    except SettingsError as error:
        name = next((word for word in str(error).split('"') if word in Config.model_fields), "")
        raise ConfigError(
            f"{name}: a list or mapping in the environment is written as JSON", f"${_env(name)}"
        ) from None


def _env(*where: str) -> str:
    return ENV_PREFIX + "__".join(where).upper()


def _check_environment() -> None:
    """A misspelt variable is an error: in silence it would change nothing."""
    for variable in sorted(os.environ):
        where = variable.removeprefix(ENV_PREFIX).lower().split("__")
        if not variable.startswith(ENV_PREFIX):
            continue
        for depth, part in enumerate(where):
            known = _known(where[:depth])
            if part not in known:
                raise ConfigError(f"unknown setting {part!r}{suggest(part, known)}", f"${variable}")


def _files(main: Path) -> list[Path]:
    more = sorted((main.parent / "conf.d").glob("*.yaml"))
    return [*([main] if main.is_file() else []), *more]


def _read(file: Path) -> Node | None:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", str(file)) from None
    node = parse(text, str(file), ConfigError)
    if node is not None and node.kind != "mapping":
        raise node.fail("the file must hold keys and values, like 'state_dir: /var/lib/analyzerd'")
    return node


def _plain(node: Node) -> Any:
    if node.kind == "mapping":
        return {key: _plain(value) for key, value in node.entries.items()}
    return [_plain(item) for item in node.items] if node.kind == "list" else node.value


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _credentials() -> dict[str, Any]:
    """Slack secrets from systemd's credentials directory, by file name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    found: dict[str, Any] = {}
    for name, key in (("slack_bot_token", "token"), ("slack_webhook_url", "webhook_url")):
        file = Path(folder or "/nonexistent") / name
        if folder and file.is_file():
            found.setdefault("slack", {})[key] = file.read_text(encoding="utf-8").strip()
    return found


def _located(error: ValidationError, nodes: list[Node], path: str) -> ConfigError:
    """Turn pydantic's first complaint into one sentence with the place it is about."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    name, kind = ".".join(where) or "configuration", first["type"]
    if kind == "extra_forbidden":
        message = f"unknown key {where[-1]!r}{suggest(where[-1], _known(where[:-1]))}"
    else:
        said = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        message = f"{name}: {_MUST_BE.get(kind.split('_')[0], said)}"
    node = next((found for root in reversed(nodes) if (found := _find(root, where)) is not None), None)
    if node is None:
        return ConfigError(message, f"${_env(*where)}" if where and _env(*where) in os.environ else path)
    place = _key_place(nodes, where) or node.place if kind == "extra_forbidden" else node.place
    return ConfigError(message, place.path, place.line, place.column)


def _key_place(nodes: list[Node], where: list[str]) -> Place | None:
    """Where an unknown key itself stands."""
    for root in reversed(nodes):
        parent = _find(root, where[:-1])
        if parent is not None and where[-1] in parent.keys:
            return parent.keys[where[-1]]
    return None


def _known(where: list[str]) -> tuple[str, ...]:
    model: type[BaseModel] = Config
    for part in where:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
        elif part == "files":
            model = FileConfig
        elif part == "apps":
            model = AppConfig
        elif part == "statsd":
            model = StatsdConfig
    return tuple(model.model_fields)


def _find(node: Node, where: list[str]) -> Node | None:
    for part in where:
        if node.kind == "mapping" and part in node.entries:
            node = node.entries[part]
        elif node.kind == "list" and part.isdigit() and int(part) < len(node.items):
            node = node.items[int(part)]
        else:
            return node if part in ("token", "webhook_url") else None
    return node
