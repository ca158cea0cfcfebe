"""An outage that lasts is one problem: what nginx says for as long as nobody listens belongs to what ended the app."""

from __future__ import annotations

import pytest

from tests.core.stage import causes, play
from tests.core.stories import BOOT_FAILURE, READS, REFUSED, START

LASTS_S = 900
ORPHANED = "".join(f"+3s gunicorn [{pid}] [INFO] Parent changed, shutting down: <Worker {pid}>\n" for pid in (12, 13))


def refused(from_s: int, to_s: int, every_s: int = 4) -> str:
    """Write what nginx says while nobody listens."""
    return "".join(
        f"+{at}s nginx.error {REFUSED.format(n=at, address='127.0.0.1:8000')}\n" for at in range(from_s, to_s, every_s)
    )


@pytest.mark.parametrize(
    ("ended_by", "cause"), [(BOOT_FAILURE, "boot-failure"), (READS + START + ORPHANED, "master-killed")]
)
def test_an_outage_is_told_once(ended_by: str, cause: str) -> None:
    """A quarter of an hour of refused connections is counted with the cause of the outage."""
    found = play(ended_by + refused(5, LASTS_S))
    assert causes(found) == [cause]
    assert next(iter(found[0].values())).counts["nginx.connect-refused"] >= len(range(5, LASTS_S, 4))


def test_an_outage_after_a_pause_is_another() -> None:
    """Connections refused for the first time minutes after a failed start are a question of their own."""
    found = play(BOOT_FAILURE + refused(400, 430))
    assert causes(found) == ["boot-failure", "upstream-refused"]
