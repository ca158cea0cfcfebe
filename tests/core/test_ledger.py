"""Who is who: the order of lines leaves no trace, forged words teach nothing, windows of deploys, bounded tables."""

from __future__ import annotations

import random

import pytest

from analyzerd.core.ledger import AppLedger, address_of, is_forged, note, note_reading
from analyzerd.model import ProcessReading, Signal, Value


def said(at_s: float, rule: str, pid: int | None, **fields: Value) -> Signal:
    """Return a signal of the app."""
    return Signal(at_s, f"gunicorn.{rule}", "app", "gunicorn", pid, fields, "")


LIFE = [
    said(0, "starting", 8, version="23.0.0"),
    said(0, "listening", 8, addresses="http://127.0.0.1:8000"),
    said(0, "using-worker", 8, worker_class="sync"),
    said(1, "booting", 12, worker=12),
    said(1, "booting", 13, worker=13),
    said(20, "autorestart", 12),
    said(21, "worker-exiting", 12, worker=12),
    said(22, "booting", 14, worker=14),
    said(30, "signal-received", 8, signal="hup"),
    said(31, "booting", 15, worker=15),
]


def learnt(signals: list[Signal]) -> AppLedger:
    """Return a ledger that was told the signals."""
    ledger = AppLedger("app")
    for signal in signals:
        note(ledger, signal)
    ledger.prune(-1.0)
    return ledger


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_lines_leaves_no_trace(seed: int) -> None:
    """Earliest and latest times and sets: any order gives the same ledger."""
    mixed = random.Random(seed).sample(LIFE, len(LIFE))
    assert learnt(mixed) == learnt(LIFE)


def test_it_knows_what_was_printed() -> None:
    """Version, class, address, and who is a worker."""
    ledger = learnt(LIFE)
    assert (ledger.version, ledger.worker_class, ledger.addresses) == ("23.0.0", "sync", ("127.0.0.1:8000",))
    assert ledger.is_worker(12)
    assert not ledger.is_worker(8)
    assert not ledger.is_worker(None)
    assert ledger.workers[12].exiting_s == 21


def test_a_reload_opens_a_window_until_workers_are_back() -> None:
    """From the signal to the next boot, and the grace after it; growing by one worker is no deploy."""
    assert list(learnt(LIFE).deploys(grace_s=30.0)) == [(30, 31 + 30.0 + 5.0)]
    assert list(learnt([said(5, "signal-received", 8, signal="ttin")]).deploys()) == []


def test_a_worker_that_plays_the_arbiter_teaches_nothing() -> None:
    """It can neither stop gunicorn in our eyes, nor become a master, nor make the true master a worker."""
    forged = [
        said(40, "signal-received", 13, signal="term"),
        said(40, "starting", 13, version="1.0"),
        said(40, "listening", 13, addresses="http://evil:1"),
        said(40, "shutdown", 13),
        said(41, "booting", 8, worker=8),
    ]
    ledger = learnt([*LIFE, *forged])
    assert ledger.is_worker(13)
    assert not ledger.is_worker(8)
    assert (ledger.version, ledger.addresses) == ("23.0.0", ("127.0.0.1:8000",))
    assert len(list(ledger.deploys())) == 1
    assert is_forged(ledger, said(42, "worker-timeout", 13, worker=12))
    assert not is_forged(ledger, said(42, "worker-timeout", 8, worker=12))


def test_a_number_given_again_is_another_process() -> None:
    """A worker that left and a new one with its pid; what left long ago is forgotten."""
    ledger = learnt([*LIFE, said(100, "booting", 12, worker=12)])
    assert (ledger.workers[12].booted_s, ledger.workers[12].exiting_s) == (100, None)
    ledger = learnt(LIFE)
    ledger.prune(before_s=50.0)
    assert 12 not in ledger.workers
    assert 13 in ledger.workers


def test_readings_name_those_who_were_there_before() -> None:
    """A boot line read later gives the earlier time; a process seen as master is no worker."""
    ledger = AppLedger("app")
    note_reading(ledger, ProcessReading(12, "worker"), 50.0)
    note(ledger, said(1, "booting", 12, worker=12))
    assert ledger.workers[12].booted_s == 1
    note_reading(ledger, ProcessReading(12, "master"), 60.0)
    assert not ledger.is_worker(12)


def test_tables_are_bounded() -> None:
    """The newest are kept."""
    ledger = learnt([said(n, "booting", n, worker=n) for n in range(1, 2001)])
    assert (len(ledger.workers), len(ledger.marks)) == (512, 200)
    assert 2000 in ledger.workers
    assert 1 not in ledger.workers


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://127.0.0.1:8000/pay?x=1", "127.0.0.1:8000"),
        (" https://[::1]:8000 ", "[::1]:8000"),
        ("unix:/run/app.sock:/pay", "unix:/run/app.sock"),
        ("", ""),
    ],
)
def test_addresses_are_compared_as_gunicorn_and_nginx_print_them(text: str, address: str) -> None:
    """No scheme, no path."""
    assert address_of(text) == address
