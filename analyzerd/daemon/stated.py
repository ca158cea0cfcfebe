"""What the operator states of an app's database in analyzerd.yaml, as settings: it stands where nothing may be read.

Reads no application and asks no database.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzerd.config import Config, DatabaseConfig
from analyzerd.model import Setting

ORIGIN = "analyzerd.yaml"
SQLALCHEMY_OVERFLOW = 10
"""What SQLAlchemy adds to a pool whose max_overflow is not set."""


def stated_settings(config: Config, time_s: float) -> tuple[Setting, ...]:
    """One setting for each figure and unit of every app that has a ``database``."""
    return tuple(
        Setting(time_s, unit, f"database.{name}", value, origin)
        for app in config.apps
        for unit in app.units
        for name, value, origin in _figures(app.database)
    )


def _figures(database: DatabaseConfig) -> Iterator[tuple[str, int, str]]:
    for name, value in database.model_dump().items():
        if value is not None:
            yield name, value, ORIGIN
    if database.pool_size is not None and database.max_overflow is None:
        yield "max_overflow", SQLALCHEMY_OVERFLOW, "SQLAlchemy's default"
