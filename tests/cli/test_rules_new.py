"""analyzerctl rules new: from a line in a log to a rule file that works."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Ctl

LINE = "[2026-11-23 07:00:48 +0000] [9] [ERROR] Worker (pid:12) lost its database at db1 token=hunter2"


def test_a_new_rule_loads_and_passes_its_tests(ctl: Ctl, tmp_path: Path) -> None:
    """Written into a folder under the name it must have, then tested like any other."""
    code, out, err = ctl("rules", "new", "gunicorn.lost-database", "--line", LINE, "-o", tmp_path)
    path = tmp_path / "lost-database.yaml"
    assert (code, err) == (0, "")
    assert str(path) in out
    code, out, err = ctl("rules", "--rules-dir", tmp_path, "test", "gunicorn.lost-database")
    assert (code, out, err) == (0, "1 rules, 2 tests, 0 failures\n", "")


def test_without_a_file_it_is_printed_and_holds_no_secret(ctl: Ctl) -> None:
    """A rule is given away: what redaction hides in messages stands in no rule, and still matches."""
    code, out, _ = ctl("rules", "new", "gunicorn.lost-database", "--line", LINE)
    rule = yaml.safe_load(out)
    assert code == 0
    assert "hunter2" not in out
    assert rule["fields"] == {"worker": "pid"}
    assert rule["match"]["where"] == {"level": "ERROR"}
    assert [test["expect"] for test in rule["tests"]] == [{"worker": 12}, "no match"]


def test_nothing_is_overwritten_and_the_name_must_fit(ctl: Ctl, tmp_path: Path) -> None:
    """A file that is there stays; another name than the rule's is refused."""
    (tmp_path / "lost-database.yaml").write_text("mine")
    for place, word in ((tmp_path, "there already"), (tmp_path / "other.yaml", "lost-database.yaml")):
        code, out, err = ctl("rules", "new", "gunicorn.lost-database", "--line", LINE, "-o", place)
        assert (code, out) == (1, "")
        assert word in err
    assert (tmp_path / "lost-database.yaml").read_text() == "mine"


@pytest.mark.parametrize(("line", "word"), [("", "empty"), ('{"a": 1}x\x01', "control"), ("12", "")])
def test_lines_without_a_rule_in_them(ctl: Ctl, line: str, word: str) -> None:
    """Exit 1 and the reason."""
    code, out, err = ctl("rules", "new", "app.some", "--line", line)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert word in err


def test_a_journal_line_gives_a_rule_for_what_stands_in_it(ctl: Ctl) -> None:
    """`journalctl -o short` output: the message is the rule's line."""
    out = ctl("rules", "new", "gunicorn.lost-database", "--line", f"Nov 23 07:00:48 web1 gunicorn[9]: {LINE}")[1]
    assert yaml.safe_load(out)["tests"][0]["line"].startswith("[2026-11-23")
