"""Text to events: times of lines that bear none, blocks that end by silence, and tallies that do not depend on cuts."""

from __future__ import annotations

from analyzerd.core.engine import Engine
from analyzerd.core.readings import add_sample, add_tally
from analyzerd.core.replay import finish, run_until
from analyzerd.core.state import decode, encode
from analyzerd.model import AccessTally, Event, Lines, Sample, Stream, Tick
from tests.core.stage import RULES, T0

GUNICORN = Stream("file:/var/log/app.log", "gunicorn", "app.service")
BOOT = b"[2027-01-15 08:00:03 +0000] [12] [INFO] Booting worker with pid: 12\n"
TRACE = (
    b'Traceback (most recent call last):\n  File "/srv/app/a.py", line 1, in f\n    x()\n'
    b"OSError: [Errno 28] No space left on device\n"
)


def test_a_line_without_a_time_happened_when_the_one_before_did() -> None:
    """What an application prints bears no time; the stream's last time is taken, else the engine's."""
    engine = Engine(RULES)
    events = [*engine.intake.feed(Lines(GUNICORN, BOOT + TRACE), 77.0), *engine.intake.flush()]
    assert [e.time_s - T0 for e in events if isinstance(e, Event)] == [3.0, 3.0]
    fresh = Engine(RULES)
    events = [*fresh.intake.feed(Lines(GUNICORN, TRACE), 77.0), *fresh.intake.flush()]
    assert [e.time_s for e in events] == [77.0]


def test_a_block_ends_when_its_stream_is_quiet() -> None:
    """Half a traceback waits two seconds for the rest, over a restart too; then it is told as it is."""
    engine = Engine(RULES)
    engine.step(Tick(T0))
    engine.step(Lines(GUNICORN, BOOT + TRACE))
    assert engine.waiting
    state = decode(encode(engine.state))
    engine = Engine(RULES, state=state)
    assert engine.waiting
    engine.step(Tick(T0 + 1.9))
    assert engine.waiting
    engine.step(Tick(T0 + 2.1))
    assert not engine.waiting
    assert "app.no-space" in engine.state.signals


def test_an_empty_or_broken_piece_is_no_trouble() -> None:
    """Nothing, only line ends, binary, a lone huge line."""
    engine = Engine(RULES)
    for data in (b"", b"\n\n\n", bytes(range(256)) * 100, b"WORKER TIMEOUT (pid:" * 100_000):
        for kind in ("gunicorn", "nginx.error", "nginx.access", "gunicorn.access", "kernel", "app"):
            engine.step(Lines(Stream(f"file:{kind}", kind), data))
    assert engine.flush() == []
    assert engine.state.foci == []


def test_tallies_of_one_bucket_are_one() -> None:
    """Cut into pieces and out of order, the same requests are counted once each."""
    pieces = [(10.0, {"200": 2}), (0.0, {"200": 1, "502": 1}), (10.0, {"502": 3}), (0.0, {"200": 5})]
    tallies: list[AccessTally] = []
    for time_s, by_status in pieces:
        add_tally(tallies, AccessTally(time_s, "nginx.access", "", sum(by_status.values()), by_status))
    assert [(t.time_s, t.requests, dict(t.by_status)) for t in tallies] == [
        (0.0, 7, {"200": 6, "502": 1}),
        (10.0, 5, {"200": 2, "502": 3}),
    ]


def test_samples_stand_in_order_and_are_bounded() -> None:
    """A late sample takes its place; the oldest go."""
    samples: list[Sample] = []
    for n in [*range(1, 1000), 0]:
        add_sample(samples, Sample(float(n)))
    assert len(samples) == 400
    assert samples == sorted(samples, key=lambda s: s.time_s)


def test_time_stands_still_without_ticks_and_never_runs_back() -> None:
    """Only a Tick moves the clock; an earlier one is ignored; finish goes as far as questions need."""
    engine = Engine(RULES)
    engine.step(Lines(GUNICORN, BOOT))
    assert engine.state.now_s == 0.0
    list(run_until(engine, T0 + 50))
    engine.step(Tick(T0))
    assert engine.state.now_s == T0 + 50
    list(finish(engine))
    assert engine.state.now_s == T0 + 50 + engine.options.timing.seal_s + 1
