"""``analyzerctl changes`` and ``deploy``: from the command to the engine and back, on a real database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from analyzerd.core.engine import Engine
from analyzerd.core.state import FORMAT
from analyzerd.daemon.core_loop import CoreLoop, restored
from analyzerd.daemon.inbox import Inbox
from analyzerd.model import Advised, Batch, Change, Effect, Event, SaveAdvised, SaveChange, SaveVerified, Setting
from analyzerd.store.db import Store
from tests.cli.conftest import Ctl
from tests.core.stage import RULES
from tests.notify.test_verdicts import WORSE


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration with an empty database."""
    file = tmp_path / "analyzerd.yaml"
    file.write_text(f"state_dir: {tmp_path}\n")
    Store(tmp_path / "analyzerd.db", state_format=FORMAT).close()
    return file


def save(config: Path, *effects: Effect) -> None:
    """Commit effects as the daemon would."""
    with closing(Store(config.parent / "analyzerd.db", state_format=FORMAT)) as store:
        store.commit(effects, [], None, 1.0)


def daemon(config: Path, *turns: Callable[[CoreLoop], None]) -> Engine:
    """Let the daemon's core live for some turns on the database."""
    with closing(Store(config.parent / "analyzerd.db", state_format=FORMAT)) as store:
        engine = restored(store, lambda state: Engine(RULES, state=state))
        loop = CoreLoop(engine, store, Inbox(10), lambda _: RULES, threading.Event())
        loop.stop.set()
        loop._caught_up = True
        for turn in turns:
            turn(loop)
        loop.run()
    return engine


def test_changes_and_verdicts_stand_in_one_list(ctl: Ctl, config: Path) -> None:
    """A setting with both values and its place, and what came of it; the same as JSON."""
    at_s = WORSE.changed_s
    one = Change(at_s, "shop", "setting", "gunicorn.workers", 2, 1, "/srv/gunicorn.conf.py:3")
    save(config, SaveChange(one), SaveChange(one), SaveChange(Change(at_s, "", "reload", "SIGHUP")))
    save(config, SaveVerified(at_s, WORSE))
    code, out, _ = ctl("changes", "-c", config, "--since", "@1795000000")
    assert code == 0
    assert out.count("setting   shop: gunicorn.workers 2 -> 1  (/srv/gunicorn.conf.py:3)") == 1
    assert "verdict   Worse: gunicorn.workers 2 -> 1 (5 was proposed), shop" in out
    whole = json.loads(ctl("changes", "-c", config, "--since", "@1795000000", "--json")[1])
    assert [(c["kind"], c["before"], c["after"]) for c in whole["changes"]] == [
        ("reload", None, None),
        ("setting", 2, 1),
    ]
    assert whole["verdicts"][0]["after"]["failed_share"] == 0.2
    assert "shop" not in ctl("changes", "-c", config, "--since", "@1795000000", "--app", "blog")[1]


def test_the_report_says_whether_advice_helps(ctl: Ctl, config: Path) -> None:
    """How many recommendations stand where, by cause."""
    rows = [Advised(f"REC-{n}", "INC-1", "shop", "too-few-workers", "gunicorn.workers", 2, 5, "", s, WORSE.changed_s)
            for n, s in enumerate(["proposed", "verified better", "verified better"])]  # fmt: skip
    save(config, *(SaveAdvised(WORSE.changed_s, row) for row in rows))
    save(config, SaveAdvised(WORSE.changed_s, replace(rows[0], state="verified worse")))
    out = ctl("report", "-c", config, "--since", "@1795000000")[1]
    assert "3 recommendations:\n  too-few-workers: 2 verified better, 1 verified worse\n" in out
    whole = json.loads(ctl("report", "-c", config, "--since", "@1795000000", "--json")[1])
    assert [one["state"] for one in whole["recommendations"]] == [
        "verified worse",
        "verified better",
        "verified better",
    ]


def test_nothing_changed(ctl: Ctl, config: Path) -> None:
    """An empty list says so."""
    assert ctl("changes", "-c", config)[1] == "no changes were seen\n"


def test_a_deploy_is_announced_once_and_ends_by_itself(ctl: Ctl, config: Path) -> None:
    """The daemon takes the command with its next commit, and never again."""
    code, out, _ = ctl("deploy", "start", "v42", "--ttl", "10m", "-c", config)
    assert (code, out) == (0, "deploy v42 started; taken for ended in 10 min\n")
    known = Event(1.0, "gunicorn", "Starting gunicorn 23.0.0", "shop.service", 1, True, {"level": "INFO"})
    engine = daemon(config, lambda loop: loop._take(Batch((known,))))
    ((from_s, to_s),) = engine.state.ledgers["shop"].announced
    assert to_s - from_s == 600.0
    assert len(daemon(config).state.changes) == 1
    assert "deploy" in ctl("changes", "-c", config)[1]
    ctl("deploy", "finish", "-c", config)
    ((_, ended_s),) = daemon(config).state.ledgers["shop"].announced
    assert ended_s < to_s


def test_what_was_measured_is_there_after_a_restart(config: Path) -> None:
    """Settings seen to change while the daemon was down are changes, too."""

    def setting(workers: int) -> Callable[[CoreLoop], None]:
        read = Setting(WORSE.changed_s + workers, "shop.service", "gunicorn.workers", workers, "x")
        return lambda loop: loop._take(Batch((read,)))

    daemon(config, setting(2))
    daemon(config, setting(2))
    daemon(config, setting(3))
    with closing(Store(config.parent / "analyzerd.db", state_format=FORMAT)) as store:
        assert [(c.before, c.after) for c in store.changes()] == [(2, 3)]


def test_without_a_database_nothing_is_announced(ctl: Ctl, tmp_path: Path) -> None:
    """No file is made where no daemon has run."""
    file = tmp_path / "analyzerd.yaml"
    file.write_text(f"state_dir: {tmp_path}/none\n")
    code, _, err = ctl("deploy", "start", "-c", file)
    assert code == 1
    assert "has analyzerd run on this machine?" in err
