"""Where solvers are registered under the names cause rules use, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from analyzerd.core.case import Case
from analyzerd.core.plan import Refusal, Want


@dataclass(frozen=True, slots=True)
class Note:
    """Measured words where the cure is not a setting."""

    text: str


Answer: TypeAlias = Want | Refusal | Note
"""What one cause asks for; whether it can be had beside all other settings is solve()'s to say."""
Solver = Callable[[Case], Answer]
SOLVERS: dict[str, Solver] = {}


def solver(name: str) -> Callable[[Solver], Solver]:
    """Register a solver under the name rules use."""

    def register(function: Solver) -> Solver:
        SOLVERS[name] = function
        return function

    return register
