"""Workers that are recycled all the time: every boot has its departure, however many there were before."""

from __future__ import annotations

from tests.core.stage import causes, play
from tests.core.stories import READS

RECYCLED = 150
EVERY_S = 0.6
BEGINS_S = 3.0
KNOWN = READS + "+0s setting gunicorn.workers 3\n"
STARTED = KNOWN + "+0s start 21.2.0 gthread master=8 workers=100,101,102\n"
FIRST_READ = KNOWN + "+2.5s sample master 8; worker 100 fds=9; worker 101 fds=9; worker 102 fds=9\n"


def recycling(times: int) -> str:
    """Write three workers of which one leaves and is replaced at every step."""
    lines = list[str]()
    for number in range(times):
        at = BEGINS_S + number * EVERY_S
        lines.append(
            f"+{at:.2f}s gunicorn [{100 + number}] [INFO] Autorestarting worker after current request.\n"
            f"+{at + 0.04:.2f}s gunicorn [{100 + number}] [INFO] Worker exiting (pid: {100 + number})\n"
            f"+{at + 0.1:.2f}s gunicorn [{103 + number}] [INFO] Booting worker with pid: {103 + number}\n"
        )
    return "".join(lines)


def test_no_recycled_worker_is_missed() -> None:
    """A hundred and fifty recyclings leave no boot unexplained."""
    assert causes(play(STARTED + recycling(RECYCLED))) == []


def test_workers_first_seen_in_a_reading_replace_nobody() -> None:
    """Gunicorn ran already when the first reading was taken: its workers take no departure from those that follow."""
    assert causes(play(FIRST_READ + recycling(RECYCLED))) == []


def test_a_silent_death_among_recyclings_is_seen() -> None:
    """One more boot, for which nobody left, is still one too many."""
    end_s = BEGINS_S + RECYCLED * EVERY_S
    found = play(
        STARTED + recycling(RECYCLED) + f"+{end_s + 5:.2f}s gunicorn [999] [INFO] Booting worker with pid: 999\n"
    )
    assert causes(found) == ["silent-exit"]
