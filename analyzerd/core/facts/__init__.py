"""The closed vocabulary of facts a cause rule may name: each a pure function of a case, None when unknown.

Adding one: write the function in the module it belongs to, decorate it with its name, say in its docstring what
it measures.
"""

from __future__ import annotations

from analyzerd.core.facts import (
    capacity,
    crowded,
    deaths,
    dump,
    ending,
    excess,
    frozen,
    growing,
    handles,
    memory,
    paging,
    past,
    recycling,
    service,
    stack,
    timeouts,
    upstream,
)
from analyzerd.core.facts.registry import FACTS, Fact

__all__ = [
    "FACTS",
    "Fact",
    "capacity",
    "crowded",
    "deaths",
    "dump",
    "ending",
    "excess",
    "frozen",
    "growing",
    "handles",
    "memory",
    "paging",
    "past",
    "recycling",
    "service",
    "stack",
    "timeouts",
    "upstream",
]
