"""What a scenario is: a site, what is done to it, the cause that has to come out. Data; knows nothing of analyzerd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.world.apps import VERSIONS

if TYPE_CHECKING:
    from tests.world.faults.site import Site

Step = Callable[["Site"], None]
"""One thing that is done to a site; returns when it is done or under way."""
NEWEST, V23, V21, V20 = VERSIONS
WITHIN_S = 90.0
QUIET_S = 60.0


@dataclass(frozen=True)
class Scenario:
    """One fault, or one healthy site that resembles it.

    `causes`: any of them is right; none: nothing may be posted. `says` is what happens, in words.
    `gunicorn`: its flags; `location` and `upstream`: the inside of nginx's blocks. In these and in `environment`
    `{home}`, `{app}` (where gunicorn listens) and `{dead}` (a port nobody listens at) are filled in.
    `within_s`: seconds from the first symptom to the message; more only where a trend needs its samples.
    `config`: the text of `{home}/gunicorn.conf.py`, in force where `gunicorn` names no flag for the same.
    `database`: what the operator states of it in analyzerd.yaml.
    `alone`: nothing else may run beside it, because it is about CPUs or counts what the whole machine does.
    """

    name: str
    says: str
    act: tuple[Step, ...]
    causes: tuple[str, ...] = ()
    gunicorn: str = "--workers 2 --timeout 4"
    version: str = NEWEST
    app: str = "lab_app:app"
    packages: tuple[str, ...] = ()
    config: str = ""
    database: Mapping[str, int] = field(default_factory=dict)
    unix: bool = False
    upstream: str = "server {app};"
    location: str = "proxy_read_timeout 20s;"
    connections: int = 1024
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    cpu_cores: float | None = None
    files: int | None = None
    slow_s: float = 1.0
    within_s: float = WITHIN_S
    quiet_s: float = QUIET_S
    starts_late: bool = False
    alone: bool = False
    bounded: bool = False
