"""Where solvers are registered under the names cause rules use, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analyzerd.core.case import Case
from analyzerd.model import Value


@dataclass(frozen=True, slots=True)
class Answer:
    """A proposed value and how it was worked out."""

    current: Value
    proposed: Value
    arithmetic: str


Solver = Callable[[Case], Answer | None]
SOLVERS: dict[str, Solver] = {}


def solver(name: str) -> Callable[[Solver], Solver]:
    """Register a solver under the name rules use."""

    def register(function: Solver) -> Solver:
        SOLVERS[name] = function
        return function

    return register
