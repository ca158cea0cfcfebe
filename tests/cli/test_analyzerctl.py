"""analyzerctl as people and scripts meet it: exit codes, what stands on which stream, and words that help."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest

from analyzerd.core.engine import Engine
from analyzerd.model import Health
from analyzerd.store.db import Store
from tests.core.stage import RULES
from tests.made_incidents import OUT_OF_MEMORY, saved

HANG = Path(__file__).parents[1] / "corpus" / "archive" / "gunicorn-hang.log"
RECORDED = Path(__file__).parents[1] / "recorded" / "oom-memcg"
INCIDENT_KEYS = {
    "id", "app", "cause", "because", "guide_cause", "title", "severity", "verdict", "confidence", "state", "first_seen",
    "last_seen", "counts", "hypotheses", "recommendations", "consequences", "samples_of_log",
}  # fmt: skip
HYPOTHESIS_KEYS = {"cause", "verdict", "confidence", "for", "against", "missing"}
VERBS = ([], ["audit"], ["diagnose"], ["explain"], ["record"], ["replay"], ["rules"], ["rules", "list"],
         ["rules", "show"], ["rules", "test"], ["rules", "lint"], ["rules", "new"], ["rules", "coverage"], ["status"],
         ["incidents"], ["report"])  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself(ctl, verb: list[str]) -> None:  # type: ignore[no-untyped-def]
    """--help ends well, on standard output, and says something of every option."""
    code, out, err = ctl(*verb, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: analyzerctl")
    assert "--json" in out


@pytest.mark.parametrize("arguments", [["--frob"], ["frob"], ["rules"], ["diagnose", "--fail-on", "info"]])
def test_wrong_usage_is_2(ctl, arguments: list[str]) -> None:  # type: ignore[no-untyped-def]
    """With the usage on standard error, nothing on standard output."""
    code, out, err = ctl(*arguments)
    assert (code, out) == (2, "")
    assert "usage:" in err


def test_json_is_the_documented_one_byte_for_byte(ctl) -> None:  # type: ignore[no-untyped-def]
    """The same recording gives the same bytes, with every documented key."""
    first, again = (ctl("diagnose", "--json", RECORDED) for _ in range(2))
    assert first == again
    whole = json.loads(first[1])
    assert whole["schema"] == "analyzerd.diagnosis/1"
    assert set(whole) == {"schema", "incidents", "benign", "coverage"}
    assert [i["cause"] for i in whole["incidents"]] == ["out-of-memory"]
    for incident in whole["incidents"]:
        assert set(incident) >= INCIDENT_KEYS
        assert all(set(h) == HYPOTHESIS_KEYS for h in incident["hypotheses"])
    assert all(set(c) == {"source", "read", "matched", "blind_spots"} for c in whole["coverage"])


def test_found_problems_fail_only_when_asked(ctl) -> None:  # type: ignore[no-untyped-def]
    """Exit 0 when it ran; 1 with --fail-on when something at least that bad was found; no colour in a pipe."""
    code, out, _ = ctl("diagnose", RECORDED)
    assert code == 0
    assert "\x1b" not in out
    assert ctl("diagnose", "--fail-on", "critical", RECORDED)[0] == 1
    assert ctl("diagnose", "--fail-on", "critical", "--until", "2001-01-01", RECORDED)[0] == 0


def test_a_window_leaves_out_what_lies_outside(ctl) -> None:  # type: ignore[no-untyped-def]
    """--since and --until in journalctl's words; a wrong word names the right ones."""
    assert json.loads(ctl("diagnose", "--json", "--until", "2001-01-01", RECORDED)[1])["incidents"] == []
    assert json.loads(ctl("diagnose", "--json", "--since", "2001-01-01", RECORDED)[1])["incidents"] != []
    code, out, err = ctl("diagnose", "--since", "noonish", RECORDED)
    assert (code, out) == (1, "")
    assert err.startswith("error: 'noonish' is not a time; write it like")


def test_standard_input_gzip_and_file_are_the_same(
    ctl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    """A log is a log, however it is handed over; --as forces its kind."""
    data = HANG.read_bytes()
    zipped = tmp_path / "gunicorn.log.gz"
    zipped.write_bytes(gzip.compress(data))
    plain = [i["cause"] for i in json.loads(ctl("diagnose", "--json", HANG)[1])["incidents"]]
    assert plain
    assert [i["cause"] for i in json.loads(ctl("diagnose", "--json", zipped)[1])["incidents"]] == plain
    forced = json.loads(ctl("diagnose", "--json", "--as", "gunicorn", HANG)[1])
    assert [i["cause"] for i in forced["incidents"]] == plain
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert [i["cause"] for i in json.loads(ctl("diagnose", "--json", "-")[1])["incidents"]] == plain


def test_what_is_not_there_or_not_known_is_said(ctl) -> None:  # type: ignore[no-untyped-def]
    """A missing file and an unknown kind: exit 1, one line with the name in it."""
    for arguments, word in ((("/nonexistent.log",), "/nonexistent.log"), (("--as", "frob", HANG), "frob")):
        code, out, err = ctl("diagnose", *arguments)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert word in err
        assert err.count("\n") == 1


def test_rules_are_listed_shown_and_tested(ctl) -> None:  # type: ignore[no-untyped-def]
    """The shipped rules have no mistake; an unknown name gets a suggestion."""
    code, out, err = ctl("rules", "list", "--json")
    assert (code, err) == (0, "")
    assert len(json.loads(out)) > 100
    assert "rule: out-of-memory" in ctl("rules", "show", "out-of-memory")[1]
    assert ctl("rules", "test", "out-of-memory")[1].endswith(" 0 failures\n")
    assert ctl("rules", "lint")[0] == 0
    code, out, err = ctl("rules", "show", "out-of-memry")
    assert (code, out) == (1, "")
    assert "did you mean 'out-of-memory'?" in err


def test_a_broken_rule_is_named_and_the_others_stay(ctl, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Lint fails with file, line and column; list still lists; diagnose with that folder refuses."""
    (tmp_path / "mine.yaml").write_text("rule: mine.rule\nkindd: signal\n")
    code, _, err = ctl("rules", "--rules-dir", tmp_path, "lint")
    assert code == 1
    assert "mine.yaml:2:1: unknown key 'kindd', did you mean 'kind'?" in err
    code, out, _ = ctl("rules", "--rules-dir", tmp_path, "list")
    assert code == 1
    assert "out-of-memory" in out
    code, out, err = ctl("diagnose", "--rules-dir", tmp_path, HANG)
    assert (code, out) == (1, "")
    assert "mine.yaml:2:1" in err


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration whose database holds one incident and one blind spot, as the engine tells it."""
    file = tmp_path / "analyzerd.yaml"
    file.write_text(f"state_dir: {tmp_path}\n")
    blind = Engine(RULES).step(Health(1.0, "nginx.error", "blind", "no permission to read /x", "setfacl it"))
    store = Store(tmp_path / "analyzerd.db", sinks=("console",))
    store.commit([saved(OUT_OF_MEMORY), *blind], [], None, OUT_OF_MEMORY.last_seen_s)
    store.close()
    return file


def test_status_shows_what_is_open_and_what_is_not_seen(ctl, config: Path) -> None:  # type: ignore[no-untyped-def]
    """The incident, the blind spot and its mend, for people and as JSON."""
    code, out, _ = ctl("status", "-c", config)
    assert code == 0
    assert OUT_OF_MEMORY.id in out
    assert "no permission to read /x" in out
    assert "setfacl it" in out
    whole = json.loads(ctl("-c", config, "--json", "status")[1])
    assert [spot["why"] for spot in whole["blind_spots"]] == ["no permission to read /x"]


def test_one_incident_by_the_beginning_of_its_id(ctl, config: Path) -> None:  # type: ignore[no-untyped-def]
    """A prefix is enough; a wrong one says how to list them."""
    assert OUT_OF_MEMORY.title in " ".join(ctl("-c", config, "incidents", OUT_OF_MEMORY.id[:8])[1].split())
    assert OUT_OF_MEMORY.id in ctl("-c", config, "incidents")[1]
    code, out, err = ctl("-c", config, "incidents", "INC-ZZZZ")
    assert (code, out) == (1, "")
    assert "`analyzerctl incidents` lists them" in err
    assert ctl("-c", config, "report", "--since", "2001-01-01")[0] == 0


def test_without_a_database_or_with_a_bad_configuration(ctl, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Nothing there yet is 1 or 3, in one line that says what to do; a bad configuration is 78."""
    file = tmp_path / "analyzerd.yaml"
    file.write_text(f"state_dir: {tmp_path}/none\n")
    code, out, err = ctl("-c", file, "status")
    assert code in (1, 3)
    assert out == ""
    assert err.startswith("error: ")
    file.write_text("slak: {}\n")
    code, _, err = ctl("-c", file, "status")
    assert code == 78
    assert f"{file}:1:1: unknown key 'slak'" in err
