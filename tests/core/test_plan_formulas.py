"""The formula sheet, each worked example by hand."""

from __future__ import annotations

import pytest

from analyzerd.core.plan import formulas

MIB = 1 << 20


@pytest.mark.parametrize(
    ("found", "by_hand"),
    [
        (formulas.slots(11, 0.201), 4),  # 11 x .201 / .7 = 3.2
        (formulas.slots(11, 0.201, 0.6), 4),  # 3.7
        (formulas.workers_for_cpu(28, 0.104, 4), 5),  # 28 x .104 / .7 = 4.2, at most 1.25 x 4 = 5
        (formulas.workers_for_cpu(100, 0.104, 4), 5),
        (formulas.workers_for_cpu(1, 0.001, 4), 2),
        (formulas.workers_for_cpu(28, 0.104, 0.25), 2),  # a quota of 25 %
        (formulas.fed_slots(4, 0.300, 0.002), 510),  # .85 x 4 x 150
        (formulas.fed_threads(0.35), 2),
        (formulas.fed_threads(0.95), 1),  # none to feed but the one
        (min(formulas.MOST_THREADS, formulas.fed_threads(0.02)), 8),
        (formulas.threads(4, 2), 2),
        (formulas.threads(18, 5), 4),
        (formulas.threads(21, 4), 8),  # 5.25, as a power of two
        (formulas.workers_for_memory(2048, 256, 310), 5),  # 5.8
        (formulas.workers_for_memory(2048, 256, 310 + 120), 4),  # 4.2, through a reload
        (formulas.fit(2048, 256, 0, 310), 5),  # nine tenths: 5.1
        (formulas.fit(2048, 256, 0, 310, 120), 4),
        (formulas.timeout(57), 75),  # 1.3 x 57 = 74.1
        (formulas.timeout(57, binds=2), 150),
        (formulas.timeout(1), 10),
        (formulas.timeout(600), 120),
        (formulas.lower_timeout(0.8), 10),
        (formulas.lower_timeout(20), 30),
        (formulas.graceful_timeout(25), 30),
        (formulas.read_timeout(75, 2), 79),
        (formulas.pool_for_database(100, 0, 1, 8), 11),  # 8 x 15 = 120 > 92: at most 11 each
        (formulas.pool_for_database(100, 20, 2, 4), 9),
        (formulas.pool_timeout(30), 10),
        (formulas.pool_timeout(12), 4),
        (formulas.max_requests(300 * 1024, 201), 764),  # half of 300 MiB over 201 KiB
        (formulas.least_requests(2, 10), 1200),
        (formulas.jitter(1000, 4, 2, 10), 400),  # 5 x 4 x 2 x 10
        (formulas.jitter(3000, 4, 2, 10), 600),  # a fifth of it
        (formulas.keepalive(60), 65),
        (formulas.backlog(25, 2), 75),
        (formulas.useful_backlog(4, 0.2, 60), 1200),
        (formulas.nginx_connections(120, 4, 1), 1440),
        (formulas.nginx_connections(120, 4, 4), 360),
        (formulas.files(1000, 10), 65536),
        (formulas.files(50_000, 10), 100_120),
        (formulas.cpu_quota(28, 0.104), 420),
        (formulas.starting_workers(4), 9),
    ],
)
def test_a_formula_gives_what_is_worked_out_by_hand(found: int, by_hand: int) -> None:
    """Times in seconds, rates per second."""
    assert found == by_hand


def test_slots_are_less_busy_where_times_vary_widely() -> None:
    """0.70, and 0.60 where the slowest percent takes ten times what is usual; no jump between."""
    assert formulas.target_use(0.1, 0.2) == formulas.target_use(None, 1.0) == 0.70
    assert formulas.target_use(0.1, 1.0) == pytest.approx(0.60)
    assert formulas.target_use(0.1, 3.0) == pytest.approx(0.60)
    assert 0.60 < formulas.target_use(0.1, 0.8) < 0.70


@pytest.mark.parametrize(
    ("number", "up", "down"),
    [
        (6, 6, 6),
        (7, 7, 7),
        (99, 99, 70),
        (101, 105, 100),
        (764, 765, 700),
        (12_345, 12_500, 10_000),
        (19_999, 20_000, 15_000),
    ],
)
def test_large_numbers_are_rounded(number: int, up: int, down: int) -> None:
    """Up to half of the second figure; down to one of six steps."""
    assert (formulas.tidy(number), formulas.step_down(number)) == (up, down)


def test_a_whole_number_stays_what_it_is() -> None:
    """0.7 x 10 / 0.7 is ten, whatever binary fractions make of it."""
    assert formulas.slots(10, 0.7) == 10
    assert formulas.slots(3, 0.7 / 3) == 1
