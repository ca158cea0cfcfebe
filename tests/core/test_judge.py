"""How evidence is weighed: required, decisive, unknown is not false, and what a confirmed cause explains away."""

from __future__ import annotations

import pytest

from analyzerd.core.judge import _confidence, _verdict
from analyzerd.model import Evidence, Severity, Truth, Verdict
from analyzerd.rules.schema import CauseRule, Condition

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def evidence(truth: Truth, weight: str = "strong", *, decisive: bool = False, supports: bool = True) -> Evidence:
    """Return one checked condition."""
    return Evidence("e", truth, supports, weight, decisive, "")


def rule(*, required: bool) -> CauseRule:
    """Return a cause whose condition ``e`` may be required."""
    return CauseRule("c", "", Severity.INFO, ("s",), evidence=(Condition("e", "", required=required),))


@pytest.mark.parametrize(
    ("for_", "against", "required", "verdict"),
    [
        ([evidence(T, decisive=True)], [], False, Verdict.CONFIRMED),
        ([evidence(T)], [], False, Verdict.LIKELY),
        ([evidence(F)], [], True, Verdict.RULED_OUT),
        ([evidence(U)], [], True, Verdict.POSSIBLE),
        ([evidence(U)], [], False, Verdict.POSSIBLE),
        ([evidence(T, decisive=True)], [evidence(T, decisive=True, supports=False)], False, Verdict.RULED_OUT),
        ([evidence(T, decisive=True)], [evidence(U, decisive=True, supports=False)], False, Verdict.CONFIRMED),
        ([evidence(T), evidence(U)], [], False, Verdict.POSSIBLE),
        ([evidence(T), evidence(U, "medium")], [], False, Verdict.LIKELY),
        ([evidence(T, "weak")], [evidence(T, supports=False)], False, Verdict.RULED_OUT),
        ([evidence(T)], [evidence(F, supports=False)], False, Verdict.LIKELY),
    ],
)
def test_verdicts(for_: list[Evidence], against: list[Evidence], required: bool, verdict: Verdict) -> None:
    """Three-valued: a missing measurement neither proves nor refutes."""
    assert _verdict(rule(required=required), for_, against) is verdict


def test_what_is_not_known_lowers_confidence() -> None:
    """Each missing witness costs some, each rival that cannot be excluded more; a weak one nothing."""
    full = _confidence(0.9, Verdict.LIKELY, [evidence(T)], [])
    missing = _confidence(0.9, Verdict.LIKELY, [evidence(T), evidence(U)], [])
    rival = _confidence(0.9, Verdict.LIKELY, [evidence(T)], [evidence(U, supports=False)])
    weak = _confidence(0.9, Verdict.LIKELY, [evidence(T), evidence(U, "weak")], [])
    assert full == weak == 0.9
    assert rival < missing < full
    assert _confidence(0.9, Verdict.RULED_OUT, [], []) == 0.0
