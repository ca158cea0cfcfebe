"""A recommendation from its promise to its verdict, through the engine: better, worse, undecided, and after a kill."""

from __future__ import annotations

from typing import TypeVar

import pytest

from analyzerd.core import trials
from analyzerd.core.buckets import decode_bucket
from analyzerd.core.engine import Engine
from analyzerd.core.promises import LONGEST_S, promise_of, recommendation_id
from analyzerd.core.state import decode, encode
from analyzerd.formats.clock import clock_of
from analyzerd.model import (
    AccessTally,
    Command,
    Effect,
    Event,
    Incident,
    Outcome,
    Recommendation,
    SaveAdvised,
    SaveBucket,
    SaveIncident,
    SaveVerified,
    Setting,
    Severity,
    State,
    Tick,
    Verdict,
    Verified,
)
from tests.core.stage import RULES, T0

T = TypeVar("T")
UNIT, APP = "shop.service", "shop"
START_S = T0 - T0 % 30
CHANGE_S = START_S + 900.0
ADVICE = Recommendation("gunicorn.workers", "more workers", 2, 5, "ceil(11 x 0.2 / 0.7)", verify="nobody waits")


def incident(counts: dict[str, int], *advice: Recommendation, cause: str = "too-few-workers") -> Incident:
    """Make an incident of the app that recommends something."""
    return Incident(
        "INC-AAAAAAAA", APP, cause, "too few workers", Severity.WARNING, Verdict.CONFIRMED, 0.9, State.OPEN,
        START_S + 60, START_S + 120, counts=counts, recommendations=advice or (ADVICE,), occurrences=3,
    )  # fmt: skip


SLOW = incident({"derived.latency": 1})
REC = recommendation_id(SLOW.id, ADVICE.setting)


class Life:
    """An app on a machine: its requests, and an engine that may be killed at any moment."""

    def __init__(self, *, killed_every_s: float = 0.0) -> None:
        self.engine, self.effects, self.killed_every_s = Engine(RULES), list[Effect](), killed_every_s
        self.now_s = START_S
        self.take(Setting(START_S, UNIT, "gunicorn.workers", 2, "gunicorn.cmdline"))
        self.say("Starting gunicorn 23.0.0")

    def take(self, item: Setting | Event | AccessTally | Tick | Command) -> None:
        """Give the engine one input."""
        self.effects += self.engine.step(item)

    def say(self, text: str) -> None:
        """Let the master print a line."""
        self.take(Event(self.now_s, "gunicorn", text, UNIT, 1, True, {"level": "INFO"}))

    def recommend(self, one: Incident = SLOW) -> None:
        """Let the engine tell an incident."""
        self.effects += trials.told(self.engine.state, [SaveIncident(one, "opened")], RULES)

    def serve(self, seconds: float, took_s: float, *, failed: float = 0.0, per_10_s: int = 60) -> None:
        """Serve requests for a while; a tenth of them takes twenty times as long."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            wobble = 1 + 0.03 * (self.now_s // 10 % 7 - 3)
            clock = clock_of([(took_s / 20, per_10_s * 9 // 10), (took_s * wobble, per_10_s // 10)])
            lost = round(per_10_s * failed)
            answers = {"200": per_10_s - lost, "502": lost}
            times = (self.now_s, self.now_s + 9)
            self.take(AccessTally(self.now_s, "nginx.access", "", per_10_s, answers, *times, {"/": clock}))
            self.now_s += 10
            self.take(Tick(self.now_s))
            if self.killed_every_s and self.now_s % self.killed_every_s == 0:
                self.kill()

    def kill(self) -> None:
        """Start again from what was committed."""
        state = decode(encode(self.engine.state))
        assert state is not None
        for saved in self.of(SaveBucket):
            bucket = decode_bucket(saved.content)
            assert bucket is not None
            state.measured.setdefault(saved.app, []).append(bucket)
        self.engine = Engine(RULES, state=state)

    def of(self, kind: type[T]) -> list[T]:
        """Effects of one kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def verdicts(self) -> list[Verified]:
        """What was told."""
        return [effect.verified for effect in self.of(SaveVerified)]

    @property
    def ledger(self) -> list[str]:
        """The states of the recommendation, in order."""
        return [effect.advised.state for effect in self.of(SaveAdvised)]


def change(life: Life, workers: int, where: str = "gunicorn.cmdline") -> None:
    """Restart the master with another number of workers; the sampler notices it half a minute later."""
    life.say("Handling signal: hup")
    life.serve(20, 0.05)
    life.take(Setting(life.now_s, UNIT, "gunicorn.workers", workers, where))


@pytest.mark.parametrize("killed_every_s", [0.0, 30.0, 10.0])
def test_more_workers_are_better_and_said_once(killed_every_s: float) -> None:
    """Slow for a quarter of an hour, five workers instead of two, fast: one verdict, also with a kill every moment."""
    life = Life(killed_every_s=killed_every_s)
    life.recommend()
    life.serve(900, 0.20)
    change(life, 5)
    life.serve(1800, 0.05)
    (verdict,) = life.verdicts
    assert (verdict.outcome, verdict.incident, verdict.recommendation) == (Outcome.BETTER, SLOW.id, REC)
    assert (verdict.before, verdict.after, verdict.proposed, verdict.rollback) == (2, 5, 5, "")
    assert verdict.was.p95_s == pytest.approx(0.2, rel=0.1)
    assert verdict.now.p95_s == pytest.approx(0.05, rel=0.1)
    assert verdict.decided_s - verdict.changed_s < 600
    assert life.ledger == ["proposed", "applied", "verified better"]


def test_a_harmful_change_is_told_with_the_way_back() -> None:
    """One worker instead of two, and requests fail: worse within minutes."""
    life = Life()
    life.recommend()
    life.serve(900, 0.10)
    change(life, 1, "/srv/gunicorn.conf.py:3")
    life.serve(400, 0.10, failed=0.2)
    (verdict,) = life.verdicts
    assert verdict.outcome is Outcome.WORSE
    assert "20.0% of the requests fail" in verdict.because
    assert verdict.rollback == "set gunicorn.workers back to 2 (/srv/gunicorn.conf.py:3) and reload"
    assert verdict.decided_s - verdict.changed_s < 240


def test_the_way_back_gets_a_verdict_of_its_own() -> None:
    """What was worse is undone: a second trial, compared with the bad time only."""
    life = Life()
    life.recommend()
    life.serve(900, 0.10)
    change(life, 1)
    life.serve(900, 0.30)
    change(life, 2)
    life.serve(900, 0.10)
    assert [(v.id, v.outcome) for v in life.verdicts] == [
        (f"{REC}/1", Outcome.WORSE),
        (f"{REC}/2", Outcome.BETTER),
    ]


def test_nothing_changed_is_no_effect() -> None:
    """The number of workers was not what held things up."""
    life = Life()
    life.recommend()
    life.serve(900, 0.10)
    change(life, 5)
    life.serve(1800, 0.10)
    assert [v.outcome for v in life.verdicts] == [Outcome.NO_EFFECT]


def test_an_edited_file_waits_for_the_reload() -> None:
    """What stands in the file is not in effect before the master reads it."""
    life = Life()
    life.recommend()
    life.serve(900, 0.20)
    life.take(Setting(life.now_s, UNIT, "gunicorn.workers", 5, "/srv/gunicorn.conf.py:3"))
    assert "not reloaded yet" in life.of(SaveAdvised)[-1].advised.because
    life.serve(900, 0.20)
    assert life.verdicts == []
    life.say("Handling signal: hup")
    life.serve(900, 0.05)
    assert [v.outcome for v in life.verdicts] == [Outcome.BETTER]


def test_two_changes_at_once_explain_nothing() -> None:
    """It became better, but a new release came with it."""
    life = Life()
    life.recommend()
    life.take(Setting(START_S, UNIT, "release.git", "3fa9c1", "/srv/shop/.git"))
    life.serve(900, 0.20)
    change(life, 5)
    life.take(Setting(life.now_s + 5, UNIT, "release.git", "81bc02", "/srv/shop/.git"))
    life.serve(900, 0.05)
    (verdict,) = life.verdicts
    assert verdict.outcome is Outcome.UNEXPLAINED
    assert "changed as well since then: git 3fa9c1 -> 81bc02" in verdict.because


def test_too_few_requests_end_undecided() -> None:
    """After an hour and a half without enough to compare, that is said."""
    life = Life()
    life.recommend()
    life.serve(900, 0.20)
    change(life, 5)
    life.serve(6000, 0.05, per_10_s=0)
    (verdict,) = life.verdicts
    assert (verdict.outcome, life.ledger[-1]) == (Outcome.UNDECIDED, "not decidable")


def test_timeouts_that_stop_are_better_after_three_intervals() -> None:
    """Every five minutes before; a quarter of an hour of silence proves it, the next one after a kill as well."""
    advice = Recommendation("gunicorn.workers", "more workers", 2, 5)
    one = incident({"gunicorn.worker-timeout": 3}, advice)
    assert promise_of(one, None, RULES.signals).events == ("gunicorn.worker-timeout",)
    life = Life()
    life.recommend(one)
    for _ in range(4):
        life.serve(300, 0.02)
        life.take(Event(life.now_s, "gunicorn", "WORKER TIMEOUT (pid:7)", UNIT, 1, True, {"level": "CRITICAL"}))
    life.serve(100, 0.02)
    change(life, 5)
    life.serve(600, 0.02)
    assert life.verdicts == []
    life.kill()
    life.serve(800, 0.02)
    (verdict,) = life.verdicts
    assert verdict.outcome is Outcome.BETTER
    assert "not once in" in verdict.because


def test_a_dismissed_recommendation_is_not_tried() -> None:
    """Whoever says no is not asked again."""
    life = Life()
    life.recommend()
    life.take(Command(START_S + 5, "dismiss", REC, "eve"))
    life.recommend()
    assert [(e.advised.state, e.advised.because) for e in life.of(SaveAdvised)] == [
        ("proposed", ""),
        ("dismissed", "by eve"),
    ]


def test_advice_without_a_setting_promises_nothing() -> None:
    """What the host should do cannot be seen to be done."""
    life = Life()
    life.recommend(incident({"derived.latency": 1}, Recommendation("host", "a larger one")))
    assert life.of(SaveAdvised) == []


def test_a_release_is_a_change_of_the_application() -> None:
    """Advice to mend the code is tried when another release is seen."""
    life = Life()
    life.take(Setting(START_S, UNIT, "release.git", "3fa9c1", "/srv/shop/.git"))
    life.recommend(incident({"derived.latency": 1}, Recommendation("application", "a faster query")))
    life.serve(900, 0.20)
    life.say("Handling signal: hup")
    life.take(Setting(life.now_s, UNIT, "release.git", "81bc02", "/srv/shop/.git"))
    life.serve(900, 0.05)
    assert [(v.outcome, v.after) for v in life.verdicts] == [(Outcome.BETTER, "81bc02")]


def test_the_promise_says_what_moves() -> None:
    """The rule of a cause names the gauge its advice acts on."""
    promise = promise_of(SLOW, RULES.causes["too-few-workers"], RULES.signals)
    assert (promise.metric, promise.mechanism, promise.mechanism_rises) == ("p95", "queue_p95", False)
    full = promise_of(SLOW, RULES.causes["cpu-saturated"], RULES.signals)
    assert (full.mechanism, full.mechanism_rises) == ("idle", True)


def test_what_is_kept_is_bounded() -> None:
    """A thousand recommendations and three hours of half-minutes: no more is remembered, nothing waits for ever."""
    life = Life()
    for number in range(200):
        advice = Recommendation(f"gunicorn.setting_{number}", "x", 1, 2)
        life.recommend(incident({"derived.latency": 1}, advice))
    life.serve(4 * 3600, 0.05)
    assert len(life.engine.state.promises) == 64
    assert len(life.engine.state.measured[APP]) == 360
    assert len(encode(life.engine.state)) < 200_000
    assert LONGEST_S == 7 * 86400
