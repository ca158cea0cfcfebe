"""How the fault lab judges: what counts as right, as late, as wrong; and that its catalogue is whole."""

from __future__ import annotations

import pytest

from tests.world.faults.catalogue import scenarios
from tests.world.faults.load import Answer, Client
from tests.world.faults.scenario import Scenario
from tests.world.faults.verdict import Result, Told, confusion, line

FAULT = Scenario("full", "", (), ("too-few-workers", "wrong-worker-class"))
HEALTHY = Scenario("well", "", ())


def told(cause: str, at_s: float = 20.0, verdict: str = "likely", *, withdrawn: bool = False, of: str = "I") -> Told:
    """Make a message."""
    return Told(at_s, of, cause, verdict, withdrawn)


@pytest.mark.parametrize(
    ("scenario", "messages", "wrong"),
    [
        (FAULT, [told("too-few-workers")], ""),
        (FAULT, [told("unknown", 10, "possible"), told("too-few-workers", 30)], ""),
        (FAULT, [told("cpu-quota", 10), told("too-few-workers", 30)], "told cpu-quota"),
        (FAULT, [told("too-few-workers"), told("deploy", of="J")], "told deploy"),
        (FAULT, [told("too-few-workers"), told("app-slow", verdict="possible", withdrawn=True, of="J")], ""),
        (FAULT, [told("too-few-workers", 200)], "late: 190 s"),
        (FAULT, [], "told nothing"),
        (HEALTHY, [], ""),
        (HEALTHY, [told("unknown", verdict="possible")], "told unknown"),
    ],
)
def test_what_is_wrong(scenario: Scenario, messages: list[Told], wrong: str) -> None:
    """A sure wrong answer stays wrong when it is mended later; an unsure one may be mended."""
    assert Result(scenario, tuple(messages), symptom_s=10.0).wrong == wrong


def test_the_matrix() -> None:
    """Right answers stand on their own line, wrong ones on the line of what was expected first."""
    results = [
        Result(FAULT, (told("wrong-worker-class"),), 10.0),
        Result(FAULT, (told("cpu-quota"),), 10.0),
        Result(HEALTHY, (), 0.0),
    ]
    assert [row.split() for row in confusion(results).splitlines()[1:]] == [
        ["silence", "silence", "1"],
        ["too-few-workers", "cpu-quota", "1"],
        ["wrong-worker-class", "wrong-worker-class", "1"],
    ]
    assert line(results[0])[:4] == (
        "ok",
        "full",
        "too-few-workers or wrong-worker-class",
        "wrong-worker-class (likely)",
    )


def test_clients_notice_trouble() -> None:
    """The first answer that failed, or became too slow, since it was broken; earlier trouble does not count."""
    client = Client(lambda: 0.0)
    client.answers = [Answer(1, 0.1, 500), Answer(10, 0.1, 200), Answer(11, 5.0, 200), Answer(14, 0.5, 502)]
    assert client.first_trouble_s(5, 1.0) == 12.0
    assert client.first_trouble_s(13, 9.0) == 14.5
    assert client.first_trouble_s(20, 1.0) is None


def test_faults_stand_beside_what_resembles_them() -> None:
    """Every family holds faults and healthy sites or other causes; a name is used once."""
    found = scenarios()
    assert len({one.name for one in found}) == len(found)
    assert sum(not one.causes for one in found) >= len(found) / 4
    assert any(one.bounded and not one.causes for one in found)
