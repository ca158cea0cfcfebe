"""All scenarios of all families, by name."""

from __future__ import annotations

import importlib
import pkgutil

from tests.world.faults import families
from tests.world.faults.scenario import Scenario


def scenarios() -> tuple[Scenario, ...]:
    """Give every scenario, families in alphabetical order; ValueError when two have one name."""
    found: dict[str, Scenario] = {}
    for module in sorted(pkgutil.iter_modules(families.__path__), key=lambda m: m.name):
        for one in importlib.import_module(f"{families.__name__}.{module.name}").SCENARIOS:
            if one.name in found:
                raise ValueError(f"two scenarios are called {one.name}")
            found[one.name] = one
    return tuple(found.values())
