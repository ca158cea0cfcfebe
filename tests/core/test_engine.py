"""The engine over time: when it tells, what it corrects, joins, folds, counts and ends, and that it stays small."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest

from analyzerd.core.apps import Apps
from analyzerd.core.engine import Engine, Options
from analyzerd.core.replay import finish, run_until
from analyzerd.core.state import decode, encode
from analyzerd.formats.scenario import parse_scenario
from analyzerd.model import (
    Blind,
    Command,
    Effect,
    Event,
    Health,
    Incident,
    Lines,
    SaveBenign,
    SaveIncident,
    State,
    Stream,
    Tick,
    Verdict,
)
from tests.core.stage import RULES, T0, causes, outcome, play
from tests.core.stories import CLOSED, DEPLOY, KERNEL_KILL, OUT_OF_MEMORY, PERHAPS, READS, REFUSED, START, TIMEOUT


class Live:
    """An engine driven as the daemon drives it; remembers what it said and when."""

    def __init__(self, options: Options | None = None) -> None:
        self.engine = Engine(RULES, options)
        self.effects: list[Effect] = []

    def tell(self, text: str) -> Live:
        """Play scenario lines; times count from the start of the test."""
        for item in parse_scenario(text):
            if isinstance(item, Tick):
                self.until(item.time_s - T0)
            else:
                self.effects += self.engine.step(item)
        return self

    def until(self, at_s: float) -> Live:
        """Let time pass."""
        self.effects += run_until(self.engine, T0 + at_s)
        return self

    @property
    def saved(self) -> list[SaveIncident]:
        """Every incident as it was told, in order."""
        return [effect for effect in self.effects if isinstance(effect, SaveIncident)]

    @property
    def last(self) -> Incident:
        """The incident told last."""
        return self.saved[-1].incident


def test_a_confirmed_answer_is_told_after_the_settle_window() -> None:
    """Five seconds after the first line and not before."""
    live = Live().tell(READS + START + f"+60s kernel {KERNEL_KILL.format(pid=12)}\n").until(64.9)
    assert live.saved == []
    assert live.engine.next_deadline() == T0 + 65
    live.until(65.5)
    assert [(e.reason, e.incident.cause) for e in live.saved] == [("opened", "out-of-memory")]
    assert live.engine.state.now_s == T0 + 65.5


def test_an_answer_that_rests_on_silence_needs_patience() -> None:
    """That nobody saw an out-of-memory kill is believed after twenty seconds."""
    live = Live().tell(READS + START + f"+60s gunicorn {PERHAPS.format(pid=12)}\n").until(79.9)
    assert live.saved == []
    live.until(80.5)
    assert live.last.cause == "external-kill"


def test_nothing_waits_when_nothing_was_asked() -> None:
    """An idle engine names no deadline, and one for the end of an incident once its question is sealed."""
    live = Live().tell(READS + START).until(50)
    assert live.engine.next_deadline() is None
    live.tell(f"+60s kernel {KERNEL_KILL.format(pid=12)}\n").until(100)
    assert live.engine.next_deadline() == T0 + 60 + 900


def test_late_evidence_corrects_the_incident_in_place() -> None:
    """The kernel's line twelve seconds late makes the same incident an out-of-memory kill."""
    options = Options(timing=type(Options().timing)(patience_s=8.0))
    live = Live(options).tell(READS + START + f"+60s gunicorn {PERHAPS.format(pid=12)}\n").until(70)
    first = live.last
    assert first.cause == "external-kill"
    event = Event(T0 + 60, "kernel", KERNEL_KILL.format(pid=12), fields={"event": "oom-kill", "pid": 12, "comm": "g"})
    live.until(72)
    live.effects += live.engine.step(event)
    live.until(95)
    assert (live.last.id, live.last.cause) == (first.id, "out-of-memory")
    assert "corrected" in [e.reason for e in live.saved]
    assert live.last.revision > first.revision


@pytest.mark.parametrize("seed", range(5))
def test_consequences_fold_whatever_comes_first(seed: int) -> None:
    """Nginx's errors and gunicorn's guess are consequences of the kill, never incidents of their own."""
    lines = [
        f"+60s kernel {KERNEL_KILL.format(pid=12)}\n",
        f"+60s gunicorn {PERHAPS.format(pid=12)}\n",
        f"+60s nginx.error {CLOSED.format(n=1)}\n",
        f"+60s nginx.error {CLOSED.format(n=2)}\n",
    ]
    random.Random(seed).shuffle(lines)
    found = play(READS + START + "".join(lines))
    assert causes(found) == ["out-of-memory"]
    (incident,) = found[0].values()
    assert incident.counts["nginx.closed-early"] == 2
    assert any(text.startswith("2 x ") for text in incident.consequences)


def test_a_second_worker_joins_the_same_incident() -> None:
    """Two workers killed within the window, and one much later while it is open: one incident, three times."""
    live = Live().tell(
        READS + START + f"+60s kernel {KERNEL_KILL.format(pid=12)}\n+70s kernel {KERNEL_KILL.format(pid=13)}\n"
        "+80s gunicorn [14] [INFO] Booting worker with pid: 14\n" + f"+300s kernel {KERNEL_KILL.format(pid=14)}\n"
    )
    live.until(400)
    assert {e.incident.id for e in live.saved} == {live.last.id}
    assert live.last.occurrences == 3
    assert live.last.counts["kernel.oom-kill"] == 3
    assert (live.last.first_seen_s, live.last.last_seen_s) == (T0 + 60, T0 + 300)


def test_quiet_resolves_and_the_same_again_is_a_new_incident() -> None:
    """After a quarter of an hour it is over; what comes then has an id of its own."""
    live = Live().tell(READS + START + f"+60s kernel {KERNEL_KILL.format(pid=12)}\n").until(959)
    first = live.last
    assert first.state is State.OPEN
    live.until(961)
    assert (live.last.id, live.last.state, live.saved[-1].reason) == (first.id, State.RESOLVED, "resolved")
    assert "quiet for 15 min" in live.last.resolution
    live.tell(f"+1200s gunicorn [14] [INFO] Booting worker with pid: 14\n+1210s kernel {KERNEL_KILL.format(pid=14)}\n")
    live.until(1300)
    assert live.last.cause == "out-of-memory"
    assert live.last.id != first.id
    assert live.last.state is State.OPEN


def test_a_person_can_end_an_incident_once() -> None:
    """Their name stands in it; a second time changes nothing."""
    live = Live().tell(READS + START + f"+60s kernel {KERNEL_KILL.format(pid=12)}\n").until(100)
    done = live.engine.step(Command(T0 + 100, "resolve", live.last.id, "eve"))
    assert [(e.reason, e.incident.resolution) for e in done if isinstance(e, SaveIncident)] == [
        ("resolved", "closed by eve")
    ]
    assert live.engine.step(Command(T0 + 101, "resolve", live.last.id, "eve")) == []


def test_a_deploy_is_counted_and_not_told() -> None:
    """Errors of a restart by a person become a harmless finding with a count."""
    live = Live().tell(DEPLOY)
    live.effects += finish(live.engine)
    assert live.saved == []
    found = {e.benign.id: e.benign.count for e in live.effects if isinstance(e, SaveBenign)}
    assert found["deploy"] >= 2


def two_apps() -> Options:
    """Return options that know two apps."""
    return Options(Apps({"shop.service": "shop", "blog.service": "blog"}))


def gunicorn_lines(unit: str, *lines: str) -> Lines:
    """Return lines of one app's own log."""
    text = "".join(f"[2027-01-15 08:00:{n:02} +0000] {line}\n" for n, line in enumerate(lines))
    return Lines(Stream(f"file:/var/log/{unit}.log", "gunicorn", unit), text.encode())


@pytest.mark.parametrize("early", [True, False], ids=["nginx first", "gunicorn first"])
def test_nginx_errors_belong_to_the_app_at_their_upstream(early: bool) -> None:
    """Two apps at once: each gets the errors of its own address, even those that were read before its start."""
    live = Live(two_apps())
    nginx = f"+3s reads nginx.error\n+3s nginx.error {CLOSED.format(n=1).replace(':8000', ':9000')}\n"
    kill = f"+3s kernel {KERNEL_KILL.format(pid=22)}\n"
    starts = [
        gunicorn_lines("shop.service", "[8] [INFO] Starting gunicorn 23.0.0",
                       "[8] [INFO] Listening at: http://127.0.0.1:8000 (8)", "[12] [INFO] Booting worker with pid: 12"),
        gunicorn_lines("blog.service", "[9] [INFO] Starting gunicorn 23.0.0",
                       "[9] [INFO] Listening at: http://127.0.0.1:9000 (9)", "[22] [INFO] Booting worker with pid: 22"),
    ]  # fmt: skip
    if early:
        live.tell(nginx + kill)
    for start in starts:
        live.effects += live.engine.step(start)
    if not early:
        live.tell(nginx + kill)
    live.effects += finish(live.engine)
    incidents, _ = outcome(live.effects)
    assert [(i.app, i.cause) for i in incidents.values()] == [("blog", "out-of-memory")]
    assert incidents.popitem()[1].counts["nginx.closed-early"] == 1


def test_a_kill_of_somebody_else_is_no_incident() -> None:
    """The kernel killed a process that is no gunicorn of ours; the question ends unanswered and is forgotten."""
    live = Live().tell(READS + START + f"+60s kernel {KERNEL_KILL.format(pid=4711)}\n").until(200)
    assert live.saved == []
    assert live.engine.state.foci == []


def test_each_change_of_sight_is_told_once() -> None:
    """Blind, blind for another reason, reading: three effects; repeating a word gives none."""
    engine = Engine(RULES)
    words = [
        ("reading", ""),
        ("blind", "no permission"),
        ("blind", "no permission"),
        ("blind", "no such file"),
        ("reading", ""),
        ("reading", ""),
        ("gap", "12 lines lost"),
        ("reading", ""),
    ]
    told = [
        [(e.open, e.health.why) for e in engine.step(Health(T0, "nginx.error", state, why)) if isinstance(e, Blind)]
        for state, why in words
    ]
    assert told == [
        [],
        [(True, "no permission")],
        [],
        [(True, "no such file")],
        [(False, "no such file")],
        [],
        [(True, "12 lines lost")],
        [(False, "12 lines lost")],
    ]


def test_one_unreadable_file_does_not_silence_another() -> None:
    """Two logs of one kind: one blind spot, and the kind still counts as read."""
    engine = Engine(RULES)
    engine.step(Health(T0, "gunicorn", "reading", unit="shop.service"))
    effects = engine.step(Health(T0, "gunicorn", "blind", "no permission", unit="blog.service"))
    assert [e.health.unit for e in effects if isinstance(e, Blind)] == ["blog.service"]
    assert engine.state.witnesses["gunicorn"].state == "reading"
    assert engine.step(Health(T0, "gunicorn", "reading", unit="shop.service")) == []


def test_without_witnesses_nothing_is_ruled_out_by_silence() -> None:
    """Where the kernel log is not read, a SIGKILL is not called an outside kill with certainty."""
    found = play("+0s reads gunicorn\n" + START + f"+60s gunicorn {PERHAPS.format(pid=12)}\n")
    (incident,) = found[0].values()
    assert incident.verdict is not Verdict.CONFIRMED
    assert incident.cause != "out-of-memory"


def test_a_storm_stays_small_and_fast() -> None:
    """A hundred thousand signals in a minute: state of bounded size, steps that stay quick, counts kept."""
    live, spent_s = Live().tell(READS + START), [time.thread_time()]
    fields = {
        "message": "connect() failed (111: Connection refused) while connecting to upstream",
        "errno": 111,
        "action": "connecting to upstream",
        "level": "error",
        "upstream_address": "127.0.0.1:8000",
    }
    text = REFUSED.format(n=1, address="127.0.0.1:8000")
    for n in range(100_000):
        at_s = T0 + 1 + n / 2000
        event = Event(at_s, "nginx.error", text, fields=fields, rules=("nginx.connect-refused",))
        live.effects += live.engine.step(event)
        if n % 500 == 0:
            live.effects += run_until(live.engine, at_s)
        if n % 25_000 == 24_999:
            spent_s.append(time.thread_time())
    live.effects += finish(live.engine)
    quarters = [b - a for a, b in pairwise(spent_s)]
    assert quarters[-1] < 3 * quarters[0]
    assert sum(e.incident.counts.get("nginx.connect-refused", 0) for e in live.saved[-1:]) >= 99_000
    state = live.engine.state
    assert len(encode(state)) < 1_000_000
    assert sum(len(bucket) for bucket in state.signals.values()) <= 2000
    assert len(live.saved) < 40


def test_a_state_of_another_shape_is_refused() -> None:
    """What cannot be read is None, so that the daemon starts fresh instead of failing."""
    assert decode(b"{}") is not None
    assert decode(b"not json") is None
    assert decode(b'{"foci": 3}') is None


def test_the_whole_story_names_what_was_seen() -> None:
    """Title, proof, consequences, time line and log lines of one real incident."""
    (incident,) = play(OUT_OF_MEMORY)[0].values()
    assert incident.app == "app"
    assert incident.failed_requests == 1
    assert incident.occurrences == 1
    assert any("12" in evidence.says for evidence in incident.hypotheses[0].evidence)
    assert [at for at, _ in incident.timeline] == sorted(at for at, _ in incident.timeline)
    assert any("Killed process 12" in text for text in incident.samples_of_log)


def test_timeouts_of_two_workers_are_one_question_each() -> None:
    """Counts add up over both, whatever their cause."""
    found = play(READS + START + f"+60s gunicorn {TIMEOUT.format(pid=12)}\n+61s gunicorn {TIMEOUT.format(pid=13)}\n")
    assert sum(i.counts["gunicorn.worker-timeout"] for i in found[0].values()) == 2
