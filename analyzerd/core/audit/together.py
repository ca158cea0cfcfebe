"""What the items of one audit ask for, decided together: no two of them write two values for one setting.

Changes nothing in an item's judgement, only the line it proposes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analyzerd.core.audit.item import Answer, Subject
from analyzerd.core.estimators import mean, percentile, queue_wait
from analyzerd.core.plan import Change, Given, Solution, Want, solve
from analyzerd.core.plan import reading as read
from analyzerd.core.plan.values import SETTINGS

WRITTEN = {"gunicorn": "{name} = {value}", "nginx": "{name} {value};", "unit": "{name}={value}"}
"""How each program's configuration writes a line."""

OTHERWISE = frozenset(("worker_class", "workers", "files", "stop_timeout", "pool_size", "max_overflow", "pool_timeout"))
"""Known from elsewhere than a setting that was read."""


def decided(s: Subject, answers: Sequence[Answer]) -> list[Answer]:
    """The answers, each with the lines that can stand beside those of all others."""
    wants = [want for answer in answers for want in answer.wants]
    if not wants:
        return list(answers)
    solution = solve(known(s), wants)
    return [replace(answer, change=_change(answer, solution)) if answer.wants else answer for answer in answers]


def known(s: Subject) -> Given:
    """What the solver may know of an app under audit: only settings that were read, the peak of what was measured."""
    routes = [r.told["proxy_read_timeout"].seconds for r in s.routes]
    waits = [int(seconds) for seconds in routes if seconds is not None]
    unread: dict[str, Any] = {n: None for n, x in SETTINGS.items() if n not in OTHERWISE and x not in s.case.settings}
    before = replace(read.settings(s.case), **unread)
    before = replace(before, worker_class=s.worker_class or None, read_timeout=min(waits, default=None))
    machine = replace(read.machine(s.case), behind_nginx=True if s.routes else None, somaxconn=s.ground.somaxconn)
    demand = replace(
        read.demand(s.case),
        rate=s.peak_rate,
        service_mean=mean(s.service),
        longest_s=s.longest_s(),
        queue_s=queue_wait(percentile(s.upstream, 0.99), percentile(s.service, 0.99)),
    )
    return Given(machine, demand, before)


def _change(answer: Answer, solution: Solution) -> str:
    """The item's own words where its value stands alone; else the lines as decided."""
    changes = {change.field: change for change in solution.changes}
    lines: list[str] = []
    for want in answer.wants:
        change = changes.get(want.field)
        if change is None:
            why = next((r.why for r in solution.refusals if r.field == want.field), "it follows from other settings")
            return f"not computed: {why}"
        own = change.after == want.value and len(answer.wants) == 1
        lines += [answer.change] if own else [f"{_line(change)}{_instead(want, change)}"]
        lines += [_line(tied) for tied in _following(changes, want.field)]
    return "\n".join(dict.fromkeys(lines))


def _instead(want: Want, change: Change) -> str:
    return "" if change.after == want.value else f"  # not {want.value}: {change.why}"


def _following(changes: Mapping[str, Change], name: str) -> Iterator[Change]:
    for change in changes.values():
        if change.tied_to == name:
            yield change
            yield from _following(changes, change.field)


def _line(change: Change) -> str:
    program, _, name = SETTINGS[change.field].partition(".")
    value = f"{change.after}s" if change.field == "read_timeout" else change.after
    shown = f'"{value}"' if isinstance(value, str) and program == "gunicorn" else value
    return WRITTEN.get(program, "{name}={value}").format(name=name, value=shown)
