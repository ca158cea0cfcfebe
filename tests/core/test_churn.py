"""Workers that are recycled all the time: every boot has its departure, however many there were before."""

from __future__ import annotations

from tests.core.stage import causes, play
from tests.core.stories import READS

RECYCLED = 150
EVERY_S = 0.6


def recycling(times: int) -> str:
    """Write three workers of which one leaves and is replaced at every step."""
    lines = ["+0s setting gunicorn.workers 3\n+0s start 21.2.0 gthread master=8 workers=100,101,102\n"]
    for number in range(times):
        at = 3 + number * EVERY_S
        lines.append(
            f"+{at:.2f}s gunicorn [{100 + number}] [INFO] Autorestarting worker after current request.\n"
            f"+{at + 0.04:.2f}s gunicorn [{100 + number}] [INFO] Worker exiting (pid: {100 + number})\n"
            f"+{at + 0.1:.2f}s gunicorn [{103 + number}] [INFO] Booting worker with pid: {103 + number}\n"
        )
    return READS + "".join(lines)


def test_no_recycled_worker_is_missed() -> None:
    """A hundred and fifty recyclings leave no boot unexplained."""
    assert causes(play(recycling(RECYCLED))) == []


def test_a_silent_death_among_recyclings_is_seen() -> None:
    """One more boot, for which nobody left, is still one too many."""
    end_s = 3 + RECYCLED * EVERY_S
    found = play(recycling(RECYCLED) + f"+{end_s + 5:.2f}s gunicorn [999] [INFO] Booting worker with pid: 999\n")
    assert causes(found) == ["silent-exit"]
