"""Rules of the operator take effect while the daemon runs; broken ones are said and change nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from analyzerd.store.db import Store
from tests.world.daemon import Daemon, daemon, settings
from tests.world.journald import until

pytestmark = pytest.mark.world

RULE = """\
rule: app.{name}
kind: signal
severity: info
title: the shop says {word}
description: |
  Only for this test.
source: [app, gunicorn]
match:
  contains: ['{word}']
tests:
  - name: says it
    line: '[2026-11-23 07:00:48 +0000] [25900] [INFO] shop says {word}'
    expect: {{}}
"""


def shop(home: Path) -> tuple[Daemon, Path]:
    """Compose an installation that follows one gunicorn log."""
    log = home / "shop.log"
    log.touch()
    return Daemon(home, settings(home, files=[{"path": str(log), "kind": "gunicorn", "unit": "shop.service"}])), log


def say(log: Path, word: str) -> None:
    """Let a worker say a word."""
    with log.open("a") as file:
        file.write(f"[2026-11-23 07:20:26 +0000] [5000077] [INFO] shop says {word}\n")


def counted(one: Daemon, rule: str) -> int:
    """Tell how often a rule matched so far."""
    with closing(Store.open_readonly(one.database)) as store:
        return sum(n for (_, name), n in store.signal_counts().items() if name == rule)


def test_rules_change_while_it_runs(tmp_path: Path) -> None:
    """A new rule works within seconds; a broken one is a blind spot and its last good form works on until mended."""
    one, log = shop(tmp_path)
    file = tmp_path / "rules" / "stock.yaml"
    with daemon(one.home, settings(one.home, files=_files(log))) as one:
        file.write_text(RULE.format(name="stock", word="SOLDOUT"))
        until(lambda: say(log, "SOLDOUT") or counted(one, "app.stock"))
        assert "rules" not in one.blind()

        file.write_text(RULE.format(name="stock", word="OTHER").replace("severity", "seveirty"))
        until(lambda: "rules" in one.blind(), 10)
        assert "stock.yaml" in one.blind()["rules"]["why"]
        assert "severity" in one.blind()["rules"]["why"]
        before = counted(one, "app.stock")
        until(lambda: say(log, "SOLDOUT") or counted(one, "app.stock") > before)

        file.write_text(RULE.format(name="stock", word="OTHER"))
        until(lambda: "rules" not in one.blind(), 10)
        before = counted(one, "app.stock")
        until(lambda: say(log, "OTHER") or counted(one, "app.stock") > before)
        assert one.stop() == 0


def test_a_broken_rule_at_the_start(tmp_path: Path) -> None:
    """With a broken file from the beginning the daemon starts with all others and says so."""
    one, log = shop(tmp_path)
    (tmp_path / "rules" / "broken.yaml").write_text("rule: [")
    (tmp_path / "rules" / "stock.yaml").write_text(RULE.format(name="stock", word="SOLDOUT"))
    with daemon(one.home, settings(one.home, files=_files(log))) as one:
        until(lambda: say(log, "SOLDOUT") or counted(one, "app.stock"))
        assert "broken.yaml" in one.blind()["rules"]["why"]
        assert one.stop() == 0


def _files(log: Path) -> list[dict[str, str]]:
    return [{"path": str(log), "kind": "gunicorn", "unit": "shop.service"}]
