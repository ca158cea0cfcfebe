"""Formulas for time limits: gunicorn's timeout from what requests need, nginx's from gunicorn's. Registered as solvers.

None where an input is missing, or where the answer would be no change.
"""

from __future__ import annotations

import math

from analyzerd.core import survival
from analyzerd.core.case import Case
from analyzerd.core.facts.ending import ROOM, ends, limit_s
from analyzerd.core.facts.excess import enough_s, need
from analyzerd.core.facts.registry import fact
from analyzerd.core.solver import Answer, solver
from analyzerd.model import Value

LEAST_S, MOST_S = 10, 120
TOO_LONG_S = 60.0
"""What needs longer than this does not belong into a request."""
BEHIND_S = 2


def _basis(case: Case) -> tuple[float, str] | None:
    """What the endpoint's requests need, in seconds, and where that is from."""
    found = ends(case)
    need = survival.needed(found.finished, found.cut_off) if found else None
    if found is None or need is None:
        return None
    counted = f"{found.finished.n + found.cut_off.n} requests, {found.cut_off.n} of them cut off"
    if need[1]:
        return need[0], f"{need[0]:.1f} s, which 99.9 % stay under ({counted})"
    most = survival.longest(found.finished, found.cut_off) or 0.0
    return need[0], f"{survival.WITHOUT_BOUND:g} x {most:.1f} s, the longest ({counted}: too few for a p99.9)"


@solver("timeout_for_valid_requests")
def timeout_for_valid_requests(case: Case) -> Answer | None:
    """1.3 x the p99.9 of what the requests need, those cut off counted in, 10 to 120 s; doubled with several binds."""
    current, basis = limit_s(case), _basis(case)
    if current is None or basis is None or basis[0] > TOO_LONG_S:
        return None
    several = len(case.addresses) >= 2
    proposed = min(MOST_S, max(LEAST_S, math.ceil(ROOM * basis[0]))) * (2 if several else 1)
    if proposed <= current:
        return None
    return Answer(int(current), proposed, f"{ROOM:g} x {basis[1]}" + (", doubled: several binds" if several else ""))


@solver("timeout_for_stuck_requests")
def timeout_for_stuck_requests(case: Case) -> Answer | None:
    """1.5 x what finished requests of every endpoint need, at least 10 s; doubled with several binds."""
    current, found, enough = limit_s(case), need(case), enough_s(case)
    if current is None or found is None or enough is None:
        return None
    several = len(case.addresses) >= 2
    proposed = enough * (2 if several else 1)
    if proposed >= current:
        return None
    basis = f"1.5 x {found[0]:.1f} s, which nearly all of {found[1]} finished requests stay under, at least {LEAST_S} s"
    return Answer(int(current), proposed, basis + (", doubled: several binds" if several else ""))


@solver("read_timeout_behind_new_timeout")
def read_timeout_behind_new_timeout(case: Case) -> Answer | None:
    """Gunicorn's proposed timeout + the wait in its queue + 2 s, where nginx would give up before."""
    current, answer = case.number("nginx.proxy_read_timeout"), timeout_for_valid_requests(case)
    if current is None or answer is None:
        return None
    limit, queue_s = int(str(answer.proposed)), math.ceil(case.load.queue_p95 or 0.0)
    proposed = limit + queue_s + BEHIND_S
    if proposed <= current:
        return None
    return Answer(f"{current:g}s", f"{proposed}s", f"gunicorn's {limit} s + {queue_s} s in the queue + {BEHIND_S} s")


@fact("nginx.gives_up_first")
def nginx_gives_up_first(case: Case) -> Value:
    """Whether nginx would give up before the timeout that is proposed for gunicorn; None where none is."""
    if timeout_for_valid_requests(case) is None or case.number("nginx.proxy_read_timeout") is None:
        return None
    return read_timeout_behind_new_timeout(case) is not None
