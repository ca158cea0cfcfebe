"""One solver for all settings: frozen values of the machine, its load and its settings, and what may stand in them.

Pure arithmetic: reads no case (that is reading.py), knows no cause (that are the solvers), writes no file.
"""

from __future__ import annotations

from analyzerd.core.plan.constraints import CONSTRAINTS, Given, broken
from analyzerd.core.plan.solve import Change, Refusal, Solution, Want, solve
from analyzerd.core.plan.values import Demand, Machine, Plan

__all__ = [
    "CONSTRAINTS",
    "Change",
    "Demand",
    "Given",
    "Machine",
    "Plan",
    "Refusal",
    "Solution",
    "Want",
    "broken",
    "solve",
]
