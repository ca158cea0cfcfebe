"""analyzerctl explain: a line beside the rules, and an incident with its suspects and the next thing to collect."""

from __future__ import annotations

import io
import json
import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest

from analyzerd.store.db import Store
from tests.cli.conftest import Ctl
from tests.made_incidents import OUT_OF_MEMORY, saved

RECORDED = Path(__file__).parents[1] / "recorded"
FRONT = "[2026-11-23 07:00:48 +0000] [25900] "
TIMEOUT = f"{FRONT}[CRITICAL] WORKER TIMEOUT (pid:25916)"


def without(recording: str, folder: Path, *names: str) -> Path:
    """Copy a recording without some of its files."""
    return Path(shutil.copytree(RECORDED / recording, folder / recording, ignore=shutil.ignore_patterns(*names)))


def test_a_line_that_matches(ctl: Ctl) -> None:
    """Which rule, with its captures, and whom it makes suspect."""
    code, out, _ = ctl("--json", "explain", "--line", TIMEOUT)
    whole = json.loads(out)
    assert (code, whole["schema"], whole["kind"]) == (0, "analyzerd.explain-line/1", "gunicorn")
    (match,) = whole["events"][0]["matches"]
    assert (match["rule"], match["captures"], match["opens"]) == (
        "gunicorn.worker-timeout",
        {"worker": 25916},
        "worker",
    )
    assert "app-cpu-loop" in match["suspects"]
    text = ctl("explain", "--line", TIMEOUT)[1]
    assert "Matches gunicorn.worker-timeout" in text
    assert "worker = 25916" in text


def test_a_line_that_nearly_matches(ctl: Ctl) -> None:
    """The part that did not fit, with what stands there."""
    _, out, _ = ctl("explain", "--line", TIMEOUT.replace("CRITICAL", "ERROR"))
    assert "No rule matches." in out
    assert "where level: wants CRITICAL, is ERROR" in out


def test_the_kind_can_be_forced_and_read_from_standard_input(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """--as decides how a line is read; - takes a whole traceback as one record."""
    plain = json.loads(ctl("--json", "explain", "--line", TIMEOUT, "--as", "app")[1])
    assert plain["events"][0]["source"] == "app"
    block = f"{FRONT}[ERROR] Exception in worker process\nTraceback (most recent call last):\n  x\nKeyError: 1\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(block.encode())))
    (event,) = json.loads(ctl("--json", "explain", "--line", "-")[1])["events"]
    assert [match["rule"] for match in event["matches"]] == ["gunicorn.boot-exception"]


def test_a_journal_line_is_read_as_the_journal_is(ctl: Ctl) -> None:
    """`journalctl -o short` output: the record inside is explained."""
    out = ctl("--json", "explain", "--line", f"Nov 23 07:00:48 web1 gunicorn[25900]: {TIMEOUT}")[1]
    whole = json.loads(out)
    assert whole["kind"] == "journal-short"
    assert [match["rule"] for match in whole["events"][0]["matches"]] == ["gunicorn.worker-timeout"]


def test_hostile_text_is_made_harmless(ctl: Ctl) -> None:
    """No terminal code, no secret and no second line gets through, in text or JSON."""
    line = f"{TIMEOUT}\x1b]0;owned\x07\x1b[2J password=hunter2 \u202e"
    for shown in (ctl("explain", "--line", line)[1], ctl("--json", "explain", "--line", line)[1]):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "name an incident"),
        (["--line", " "], "empty"),
        (["--line", "x", "--as", "frob"], "frob"),
        (["--line", "x", "INC-AAAA"], "--line"),
        (["/nonexistent.log"], "/nonexistent.log"),
    ],
)
def test_what_cannot_be_explained_is_said(ctl: Ctl, arguments: list[str], word: str) -> None:
    """Exit 1 and one line that names it."""
    code, out, err = ctl("explain", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert word in err


def test_without_the_kernel_the_next_thing_is_the_kernel(ctl: Ctl, tmp_path: Path) -> None:
    """The missing witness that separates the suspects comes first, with the command that opens it."""
    folder = without("oom-memcg", tmp_path, "kernel.json", "samples.jsonl")
    (incident,) = json.loads(ctl("--json", "explain", folder)[1])["incidents"]
    assert incident["verdict"] == "possible"
    assert incident["next"][0]["check"] == "kernel"
    assert incident["next"][0]["do"].startswith("journalctl -k ")
    assert incident["next"][0]["decides"] >= incident["next"][-1]["decides"]
    text = ctl("explain", folder)[1]
    assert "Next, the cheapest that decides most: what the kernel killed" in text


def test_what_is_certain_asks_for_nothing(ctl: Ctl) -> None:
    """A confirmed cause: nothing that could be collected would change it."""
    assert "Nothing that can be collected would change this answer." in ctl("explain", RECORDED / "boot-hang")[1]


def test_one_incident_of_a_recording_by_its_id(ctl: Ctl) -> None:
    """An id picks; one that is not there is an error that names those that are."""
    (known,) = json.loads(ctl("--json", "explain", RECORDED / "boot-hang")[1])["incidents"]
    assert known["id"] in ctl("explain", known["id"][:7], RECORDED / "boot-hang")[1]
    code, _, err = ctl("explain", "INC-AAAAAAA", RECORDED / "boot-hang")
    assert code == 1
    assert known["id"] in err


def test_a_stored_incident(ctl: Ctl, tmp_path: Path) -> None:
    """From the daemon's database, by the beginning of its id, every suspect with its three sides."""
    with closing(Store(tmp_path / "analyzerd.db", sinks=("console",))) as store:
        store.commit([saved(OUT_OF_MEMORY)], [], None, OUT_OF_MEMORY.last_seen_s)
    config = tmp_path / "analyzerd.yaml"
    config.write_text(f"state_dir: {tmp_path}\n")
    code, out, err = ctl("-c", config, "explain", OUT_OF_MEMORY.id[:8])
    assert (code, err) == (0, "")
    assert "out-of-memory: confirmed, confidence 0.97" in out
    assert "external-kill: ruled out" in out
    assert "against" in out
    assert "missing" in out
