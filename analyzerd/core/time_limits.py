"""What causes ask of time limits: gunicorn's from what requests need, nginx's from gunicorn's. Registered as solvers.

What needs more than a minute gets no longer limit: it does not belong into a request.
"""

from __future__ import annotations

from analyzerd.core import survival
from analyzerd.core.case import Case
from analyzerd.core.facts import FACTS
from analyzerd.core.facts.ending import ends, limit_s
from analyzerd.core.facts.excess import need
from analyzerd.core.facts.registry import fact
from analyzerd.core.plan import Refusal, Want, formulas, solve
from analyzerd.core.plan.reading import given
from analyzerd.core.solver import Answer, solver
from analyzerd.model import Value

TOO_LONG_S = 60.0
"""What needs longer than this does not belong into a request."""


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
def timeout_for_valid_requests(case: Case) -> Answer:
    """1.3 x the p99.9 of what the requests need, those cut off counted in, 10 to 120 s; doubled with several binds."""
    current, basis, binds = limit_s(case), _basis(case), given(case).machine.binds
    if current is None:
        return Refusal("timeout", "gunicorn's timeout is not known")
    if basis is None:
        return Refusal("timeout", "no access log with durations of this endpoint is read")
    if basis[0] > TOO_LONG_S:
        return Refusal("timeout", f"some requests need {basis[1]}: a background job, not a timeout")
    wanted = formulas.timeout(basis[0], binds)
    sums = f"{formulas.RAISED:g} x {basis[1]}" + (", doubled: several binds" if binds > 1 else "")
    if wanted <= current:
        return Refusal("timeout", f"{current:g} s suffice: {sums}")
    return Want("timeout", wanted, sums)


@solver("timeout_for_stuck_requests")
def timeout_for_stuck_requests(case: Case) -> Answer:
    """1.5 x what finished requests of every endpoint need, at least 10 s; doubled with several binds."""
    current, found, binds = limit_s(case), need(case), given(case).machine.binds
    if current is None:
        return Refusal("timeout", "gunicorn's timeout is not known")
    if found is None:
        return Refusal("timeout", "what requests need is known from a thousand that finished, and fewer were read")
    wanted = formulas.lower_timeout(found[0], binds)
    basis = f"{formulas.LOWERED:g} x {found[0]:.1f} s, which nearly all of {found[1]} finished requests stay under"
    sums = f"{basis}, at least {formulas.LEAST_TIMEOUT_S} s" + (", doubled: several binds" if binds > 1 else "")
    if wanted >= current:
        return Refusal("timeout", f"{current:g} s are not too long: {sums}")
    return Want("timeout", wanted, sums)


@solver("single_bind_timeout")
def single_bind_timeout(case: Case) -> Answer:
    """With several binds a sync worker's limit is halved at worst: doubled it is what was meant."""
    timeout = given(case).before.timeout
    if timeout is None:
        return Refusal("timeout", "gunicorn's timeout is not known")
    return Want("timeout", 2 * timeout, f"2 x {timeout} s, because several binds can halve it")


@solver("proxy_read_timeout_over_gunicorn")
def proxy_read_timeout(case: Case) -> Answer:
    """Nginx waits longer than gunicorn's own limit, or than the longest request that finished, and its queue."""
    g = given(case)
    current, queue_s = g.before.read_timeout, g.demand.queue_s or 0.0
    value = FACTS["mismatch.completed_s"](case)
    finished = float(value) if isinstance(value, int | float) else 0.0
    own = g.before.timeout if g.before.worker_class == "sync" else None
    if current is None:
        return Refusal("read_timeout", "nginx's proxy_read_timeout is not known")
    if not finished and own is None:
        return Refusal("read_timeout", "what the app's own limit is, or how long its requests take, is not known")
    needed = formulas.RAISED * finished
    wanted = formulas.read_timeout(max(own or 0.0, needed), queue_s)
    limit = (
        f"gunicorn timeout {own} s" if own and own >= needed else f"1.3 x {finished:.1f} s, the longest that finished"
    )
    sums = f"{limit} + {queue_s:.1f} s in the queue + {formulas.QUEUE_MARGIN_S} s"
    if wanted <= current:
        return Refusal("read_timeout", f"{current} s suffice: {sums}")
    return Want("read_timeout", wanted, sums)


@solver("read_timeout_behind_new_timeout")
def read_timeout_behind_new_timeout(case: Case) -> Answer:
    """Gunicorn's proposed timeout + the wait in its queue + 2 s, where nginx would give up before."""
    g, asked = given(case), timeout_for_valid_requests(case)
    current, queue_s = g.before.read_timeout, g.demand.queue_s or 0.0
    if current is None:
        return Refusal("read_timeout", "nginx's proxy_read_timeout is not known")
    if not isinstance(asked, Want):
        return Refusal("read_timeout", "no new timeout is proposed for gunicorn")
    limit = solve(g, [asked]).after.timeout or 0
    wanted = formulas.read_timeout(limit, queue_s)
    sums = f"gunicorn's {limit} s + {queue_s:.1f} s in the queue + {formulas.QUEUE_MARGIN_S} s"
    if wanted <= current:
        return Refusal("read_timeout", f"{current} s suffice: {sums}")
    return Want("read_timeout", wanted, sums)


def graceful_timeout(case: Case) -> Answer:
    """1.2 x what 99.9 % of the requests stay under; systemd then waits five seconds longer still."""
    g = given(case)
    current, longest = g.before.graceful_timeout, g.demand.longest_s
    if current is None:
        return Refusal("graceful_timeout", "gunicorn's graceful_timeout is not known")
    if longest is None:
        return Refusal(
            "graceful_timeout", "what the slowest requests take is known from a thousand, and fewer were read"
        )
    wanted, why = formulas.graceful_timeout(longest), f"1.2 x {longest:.1f} s, which 99.9 % stay under"
    if wanted <= current:
        return Refusal("graceful_timeout", f"{current} s suffice: {why}")
    return Want("graceful_timeout", wanted, why)


@fact("nginx.gives_up_first")
def nginx_gives_up_first(case: Case) -> Value:
    """Whether nginx would give up before the timeout that is proposed for gunicorn; None where none is."""
    asked = timeout_for_valid_requests(case)
    if not isinstance(asked, Want) or given(case).before.read_timeout is None:
        return None
    return isinstance(read_timeout_behind_new_timeout(case), Want)
