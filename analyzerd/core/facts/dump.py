"""Facts of the stacks py-spy took while a worker was alive. None where none was taken: they are optional."""

from __future__ import annotations

from analyzerd.core.case import Case
from analyzerd.core.facts.registry import fact
from analyzerd.model import Signal, Value

RULE = "stack.dump"
LATE_SHARE = 0.4
"""A dump belongs to a time-out when it was taken in this last part of ``timeout``; before that the worker may have
done something else."""
AROUND_S = 60.0


def dump_before(case: Case) -> Signal | None:
    """The last look at this worker before it was given up, in the silence that ended with it."""
    given_up = case.find("gunicorn.worker-timeout", worker=case.worker) if case.worker is not None else []
    limit_s = case.number("gunicorn.timeout")
    if not given_up or limit_s is None:
        return None
    end_s = given_up[0].time_s + 1.0
    begin_s = end_s - LATE_SHARE * limit_s - 2.0
    found = [s for s in case.find(RULE, worker=case.worker, within_s=limit_s) if begin_s <= s.time_s <= end_s]
    return found[-1] if found else None


def _common(case: Case) -> list[Signal]:
    """The dumps that show what the question is about: of its worker, else those of most workers at one place."""
    if case.worker is not None:
        dump = dump_before(case)
        return [dump] if dump else []
    places: dict[Value, list[Signal]] = {}
    for dump in case.find(RULE, within_s=AROUND_S):
        places.setdefault(dump.fields.get("frame"), []).append(dump)
    return max(places.values(), key=len) if places else []


@fact("dump.line")
def dump_line(case: Case) -> Value:
    """The application's line where py-spy saw the worker, or most of the workers, stand."""
    found = _common(case)
    return found[0].fields.get("frame") if found else None


@fact("dump.taken")
def dump_taken(case: Case) -> Value:
    """Whether the line is known from a dump; never unknown."""
    return bool(_common(case))


@fact("dump.threads")
def dump_threads(case: Case) -> Value:
    """How many threads stood at that line, in all workers looked at."""
    newest = {dump.fields.get("worker"): dump for dump in _common(case)}
    counts = [int(n) for dump in newest.values() if isinstance(n := dump.fields.get("threads"), int)]
    return sum(counts) if counts else None


@fact("dump.kind")
def dump_kind(case: Case) -> Value:
    """What the worker did there: database, http-api, sleep, lock, app-code ..."""
    found = _common(case)
    return found[0].fields.get("stack_kind") if found else None
