"""Some of the fault lab's scenarios, for real and beside each other, in about a minute; `make faults` plays all."""

from __future__ import annotations

import os

import pytest

from tests.world import cgroups
from tests.world.faults.__main__ import play_all
from tests.world.faults.catalogue import scenarios
from tests.world.faults.verdict import Result
from tests.world.journald import why_not

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0, reason="cgroups are root's"),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(400),  # the first run of a machine installs gunicorn
]
BOUNDED = [one for one in scenarios() if one.bounded]
AT_ONCE = len(BOUNDED)


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Play the bounded scenarios at once: none of them measures a CPU."""
    chosen = [one for one in BOUNDED if not (one.memory_bytes and cgroups.no_oom_kill())]
    return {result.scenario.name: result for result in play_all(chosen, AT_ONCE)}


@pytest.mark.parametrize("name", [one.name for one in BOUNDED])
def test_what_happened_is_told(results: dict[str, Result], name: str) -> None:
    """The right cause, in time, and nothing beside it; of a healthy site nothing."""
    if name not in results:
        pytest.skip(cgroups.no_oom_kill())
    assert not results[name].wrong, results[name].told
