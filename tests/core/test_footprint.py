"""The memory workers need, worked out by hand beside what the program works out."""

from __future__ import annotations

import pytest

from analyzerd.core.footprint import Need, Seen, boot_size, full_at, need, reserve_of
from analyzerd.core.growth import Curve, note
from analyzerd.core.measure import EVERYTHING
from analyzerd.model import CgroupReading, HostReading, ProcessReading, Sample, Setting, Value

MIB = 1 << 20


def seen(
    size=lambda _: 310,  # type: ignore[no-untyped-def]
    minutes: int = 40,
    crew: int = 3,
    limit: int | None = None,
    pss: bool = True,
    **settings: Value,
) -> Seen:
    """Readings once a minute of equal workers of ``size(minute)`` MiB; other programs take 48 MiB of 2 GiB."""
    curves: dict[int, Curve] = {}
    samples = []
    for minute in range(minutes):
        own = size(minute) * MIB
        present = [
            ProcessReading(pid, "worker", rss_bytes=own + 9 * MIB, anon_bytes=own, pss_bytes=own if pss else None)
            for pid in range(12, 12 + crew)
        ]
        free = (2048 - 48 - 20) * MIB - crew * own
        sample = Sample(
            60.0 * minute,
            HostReading(memory_total_bytes=2048 * MIB, memory_available_bytes=free),
            (*present, ProcessReading(8, "master", anon_bytes=20 * MIB)),
            cgroups=(CgroupReading("", memory_limit_bytes=limit),),
        )
        samples.append(sample)
        note(curves, sample)
    told = {f"gunicorn.{name}": Setting(0.0, "", f"gunicorn.{name}", value, "test") for name, value in settings.items()}
    return Seen(samples, curves, EVERYTHING, told, 0.0, 60.0 * minutes)


def test_the_worked_example() -> None:
    """2 GiB less 48 MiB of others, 310 MiB a worker: (0.9 x 2000 - 256 - 20) / 310 = 4.9 and not nine."""
    found = need(seen(crew=3, workers=9))
    assert found is not None
    assert (found.workers, found.mature, found.fair, found.own_limit) == (9, 3, True, False)
    assert (found.per_worker, found.master, found.reserve) == (310 * MIB, 20 * MIB, 256 * MIB)
    assert found.limit == 2000 * MIB
    assert found.total == (9 * 310 + 20 + 256) * MIB
    assert found.fits() == 4
    assert found.fits(120 * MIB) == 4  # (2000 - 256 - 20) / 430 = 4.009


def test_the_limit_of_the_unit_counts_where_it_is_smaller() -> None:
    """What the machine has is no comfort to a unit that may not use it."""
    small, large = need(seen(limit=1000 * MIB)), need(seen(limit=4000 * MIB))
    assert small is not None
    assert (small.limit, small.own_limit, small.reserve) == (1000 * MIB, True, 250 * MIB)
    assert large is not None
    assert (large.limit, large.own_limit) == (2000 * MIB, False)


@pytest.mark.parametrize(("limit", "reserve"), [(400, 100), (2048, 256), (8000, 800)])
def test_the_reserve(limit: int, reserve: int) -> None:
    """A tenth, at least 256 MiB, at most a quarter."""
    assert reserve_of(limit) == pytest.approx(reserve) or reserve_of(limit * MIB) == reserve * MIB


@pytest.mark.parametrize(
    "given",
    [
        seen(minutes=10),
        seen(pss=False, preload_app=True),
        seen(pss=False),
        Seen([], {}, EVERYTHING, {}, 0.0, 0.0),
    ],
    ids=["young workers", "shared memory unseen", "nobody knows whether it is shared", "nothing at all"],
)
def test_what_was_not_measured_is_not_guessed(given: Seen) -> None:
    """No need is worked out of young workers, nor of memory that may be shared and cannot be seen."""
    assert need(given) is None


def test_private_memory_counts_where_nothing_is_shared() -> None:
    """Without preload_app each worker has loaded the app for itself."""
    found = need(seen(pss=False, preload_app=False))
    assert found is not None
    assert (found.per_worker, found.fair) == (310 * MIB, False)


def test_one_spike_is_not_the_size() -> None:
    """One reading of thirty does not make the 95th of a hundred."""
    found = need(seen(lambda minute: 900 if minute == 20 else 100))
    assert found is not None
    assert found.per_worker == 100 * MIB


def test_a_slope_has_a_date() -> None:
    """Two MiB a minute and worker: 3 x 2 MiB a minute fill what is left in the minutes one works out by hand."""
    given = seen(lambda minute: 100 + 2 * minute, minutes=120)
    found = need(given)
    assert found is not None
    at_s = full_at(given, found)
    used = 3 * found.per_worker + found.master
    assert at_s == pytest.approx(given.now_s + 60.0 * (found.limit - used) / (6 * MIB), rel=0.02)
    flat = seen(minutes=120)
    assert full_at(flat, found) is None


def test_what_a_worker_boots_with() -> None:
    """The first reading of the workers a reload brought."""
    given = seen(lambda minute: 120 if minute == 0 else 310)
    assert boot_size(given, -5.0) == 120 * MIB
    assert boot_size(given, 600.0) is None


def test_the_need_at_a_reload() -> None:
    """Both sets of workers stand side by side."""
    found = Need(4, 4, 300 * MIB, True, 20 * MIB, 256 * MIB, 2048 * MIB, False)
    assert found.at_reload(100 * MIB) == (1200 + 20 + 256 + 400) * MIB
