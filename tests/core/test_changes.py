"""What was changed, and how it is shown beside a problem that follows."""

from __future__ import annotations

import pytest

from analyzerd.core.changes import DEPLOY_MOST_S, of_command, of_setting, remember, told, values_of
from analyzerd.core.ledger import AppLedger
from analyzerd.model import Change, Command, Setting
from tests.core.stage import T0, play
from tests.core.stories import READS, START, STUCK, TIMEOUT

RELOADED = Change(T0, "shop", "reload", "SIGHUP")
TIMEOUT_SET = Change(T0 + 20, "shop", "setting", "gunicorn.timeout", 30, 10, "/srv/gunicorn.conf.py:4")


def setting(value: object, name: str = "gunicorn.timeout") -> Setting:
    """A setting as it was read."""
    return Setting(T0, "shop.service", name, value, "x")  # type: ignore[arg-type]


def test_only_another_value_is_a_change() -> None:
    """The first reading is none, nor is the same value, nor one that could not be read."""
    assert of_setting(None, setting(30), "shop") is None
    assert of_setting(setting(30), setting(30), "shop") is None
    assert of_setting(setting(30), setting(None), "shop") is None
    change = of_setting(setting(30), setting(10), "shop")
    assert change is not None
    assert (change.kind, change.before, change.after, values_of(change)) == ("setting", 30, 10, "timeout 30 -> 10")
    release = of_setting(setting("a", "release.git"), setting("b", "release.git"), "shop")
    assert release is not None
    assert release.kind == "release"


def test_a_change_is_remembered_once() -> None:
    """Two witnesses of a reload, a crash loop: one entry a minute; two settings at once are two."""
    known: list[Change] = []
    assert remember(known, RELOADED)
    assert not remember(known, Change(T0 + 3, "shop", "reload", "systemd"))
    assert remember(known, TIMEOUT_SET)
    assert remember(known, Change(T0 + 20, "shop", "setting", "gunicorn.workers", 2, 3))
    for second in range(3600):
        remember(known, Change(T0 + 100 + second, "shop", "restart"))
    assert len(known) <= 64
    assert [c.time_s for c in known] == sorted(c.time_s for c in known)


def test_a_problem_is_shown_with_what_was_changed_before_it() -> None:
    """The reload and the value that came with it are one line; another app's and old changes are not shown."""
    other = Change(T0 + 100, "blog", "restart")
    ((at_s, words),) = told([RELOADED, TIMEOUT_SET, other], "shop", T0 + 240)
    assert (at_s, words) == (T0, "a reload with timeout 30 -> 10, 4 min before the problem")
    assert list(told([RELOADED, TIMEOUT_SET], "shop", T0 + 4000)) == []
    alone = list(told([TIMEOUT_SET], "shop", T0 + 80))
    assert [words for _, words in alone] == ["a change with timeout 30 -> 10, 1 min before the problem"]


def test_it_stands_in_the_incident() -> None:
    """A HUP and its setting, then a worker that times out: the timeline begins with them."""
    hup = "+30s gunicorn [8] [INFO] Handling signal: hup\n"
    story = READS + START + hup + f"+200s gunicorn {TIMEOUT.format(pid=12)}\n" + STUCK.format(pid=12, at=201)
    incidents, _ = play(story)
    (incident,) = incidents.values()
    assert "a reload, 2 min 50 s before the problem" in [words for _, words in incident.timeline]


@pytest.mark.parametrize(("asked_s", "lasts_s"), [(0.0, 900.0), (60.0, 60.0), (1e9, DEPLOY_MOST_S)])
def test_a_deploy_always_ends(asked_s: float, lasts_s: float) -> None:
    """Without a time it is a quarter of an hour, and never more than four hours."""
    ledger = AppLedger("shop")
    change = of_command(Command(T0, "deploy-start", actor="eve", note="v42", for_s=asked_s), [ledger])
    assert change is not None
    assert values_of(change) == "v42 started"
    assert ledger.announced == [(T0, T0 + lasts_s)]
    assert next(ledger.deploys()) == (T0, T0 + lasts_s + 5.0)
    of_command(Command(T0 + 30, "deploy-finish"), [ledger])
    assert ledger.announced == [(T0, T0 + 30)]
