"""The healthy soak: load, deploys of every kind, reloads, recycling, bots and impatient clients; nothing may be told.

    python -m tests.world.faults.soak [--minutes 30] [--keep DIR]

Exit 0 only when nothing was posted and nothing of ours is left.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.world.faults.__main__ import ends_cleanly, left_behind
from tests.world.faults.play import play
from tests.world.faults.scenario import Scenario, Step
from tests.world.faults.steps import ask, load, nginx_reload, reload, restart, upgrade, wait
from tests.world.faults.verdict import HEADER, Result, line, table

GUNICORN = "--workers 4 --worker-class gthread --threads 4 --timeout 30 --worker-connections 5 --keep-alive 0"
RECYCLING = "--max-requests 1000 --max-requests-jitter 600"
EVENTS: tuple[tuple[Step, ...], ...] = (
    (reload,),
    (load("/wp-login.php", per_s=40, for_s=15),),
    tuple(ask("/report?s=4", 3, timeout_s=1) for _ in range(2)),
    (restart,),
    (nginx_reload,),
    (ask("/upload"), ask("/nowhere/../etc/passwd"), ask("/%00")),
    (upgrade,),
    (ask("/report?s=8", 2),),
)
"""What happens every half minute, in turn."""
PAUSE_S = 30.0


def acts(minutes: float) -> Iterator[Step]:
    """Give a steady load and an event every half minute beside it."""
    seconds = minutes * 60
    yield load("/mix?cpu=0.004&s=0.05", per_s=12, for_s=seconds)
    yield load("/ok", per_s=4, for_s=seconds)
    yield load("/mix?cpu=0.01&s=0.2", per_s=2, for_s=seconds)
    yield wait(PAUSE_S)
    for event in itertools.islice(itertools.cycle(EVENTS), int(seconds / PAUSE_S) - 2):
        yield from event
        yield wait(PAUSE_S)


def soak(minutes: float, keep: Path | None = None) -> Result:
    """Play it; nothing may be told until a minute after its end."""
    healthy = Scenario(
        "soak",
        f"{minutes:g} healthy minutes",
        tuple(acts(minutes)),
        gunicorn=f"{GUNICORN} {RECYCLING}",
    )
    return play(healthy, keep)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak and judge it."""
    parser = argparse.ArgumentParser(prog="python -m tests.world.faults.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and incidents there")
    options = parser.parse_args(argv)
    ends_cleanly()
    result = soak(options.minutes, options.keep)
    print(table([HEADER, line(result)]))
    print("".join(f"  {one}\n" for one in result.told), end="")
    dirty = left_behind([result])
    return 1 if result.wrong or dirty else 0


if __name__ == "__main__":
    sys.exit(main())
