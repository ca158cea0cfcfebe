"""The demo's own judgement: a demo that cannot fail shows nothing."""

from __future__ import annotations

from tests.world.demo.faults import FAULTS
from tests.world.demo.verdict import Came, came, judge, table

ID = "INC-AAAAAAAAA{}"
RIGHT = [
    Came(ID.format(number), fault.cause, fault.app, "confirmed", 1)
    for number, fault in enumerate(FAULTS)
    if fault.cause
]


def wrong(found: list[Came], skipped: dict[str, str] | None = None) -> list[str]:
    """Name what is judged wrong."""
    return [row.name for row in judge(FAULTS, skipped or {}, found) if not row.right]


def test_every_expected_incident_once_in_slack_is_right() -> None:
    """The good case."""
    assert wrong(RIGHT) == []


def test_a_missing_incident_is_wrong() -> None:
    """Silence where a cause was due."""
    assert wrong(RIGHT[1:]) == [FAULTS[0].says]


def test_an_incident_beside_the_expected_ones_is_wrong() -> None:
    """An extra one spoils the case that had to stay silent."""
    extra = Came(ID.format(9), "unknown", "demo", "possible", 1)
    assert wrong([*RIGHT, extra]) == [FAULTS[-1].says]
    assert "unknown on demo" in table(judge(FAULTS, {}, [*RIGHT, extra]))


def test_two_messages_for_one_incident_are_wrong() -> None:
    """So is none at all."""
    first = RIGHT[0]
    for count in (0, 2):
        changed = Came(first.id, first.cause, first.app, first.verdict, count)
        assert wrong([changed, *RIGHT[1:]]) == [FAULTS[0].says]


def test_a_cause_on_the_wrong_app_is_wrong() -> None:
    """Both the missing and the surplus one show."""
    moved = Came(RIGHT[3].id, RIGHT[3].cause, "demo", "confirmed", 1)
    assert wrong([*RIGHT[:3], moved]) == [FAULTS[3].says, FAULTS[-1].says]


def test_only_a_skipped_fault_may_miss() -> None:
    """The machine without a memory cgroup is excused from the OOM kill alone."""
    assert wrong([one for one in RIGHT if one.cause != "out-of-memory"], {"memory": "no cgroup"}) == []


def test_thread_replies_do_not_count_as_messages() -> None:
    """One message and its thread stand for one incident."""
    incident = {"id": ID.format(0), "cause": "app-waits", "app": "demo", "verdict": "likely"}
    about = {"event_type": "incident", "event_payload": {"incident": incident["id"]}}
    top = {"ts": "1.0", "text": "worker waits", "metadata": about}
    reply = {**top, "ts": "2.0", "thread_ts": "1.0"}
    assert came([incident], [top, reply]) == [Came(incident["id"], "app-waits", "demo", "likely", 1)]
