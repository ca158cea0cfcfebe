"""Where facts are registered under the names cause rules use."""

from __future__ import annotations

from collections.abc import Callable

from analyzerd.core.case import Case
from analyzerd.model import Value

Fact = Callable[[Case], Value]
FACTS: dict[str, Fact] = {}


def fact(name: str) -> Callable[[Fact], Fact]:
    """Register a fact under the name rules use."""

    def register(function: Fact) -> Fact:
        FACTS[name] = function
        return function

    return register
