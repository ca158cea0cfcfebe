"""``analyzerctl loadtest`` with stand-ins for the tools: programs that print at once what the real ones print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Ctl

URL = "http://127.0.0.1:9/health?token=s3cretvalue"


class Tools:
    """A folder in front of PATH for the stand-ins, and a home for what is kept."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.bin, self.kept = folder / "bin", folder / "analyzerd" / "loadtests.json"
        self.bin.mkdir()
        patch.setenv("PATH", str(self.bin))
        patch.setenv("XDG_STATE_HOME", str(folder))

    def wrk(self, us: int, *, lost: int = 0) -> None:
        """A wrk whose requests take about so long."""
        bins = "\n".join(f"analyzerd bin {us + 1000 * n} 30" for n in range(10))
        self._write("wrk", f"analyzerd requests 300 status 0 lost {lost}\n{bins}")

    def hey(self, *rows: str) -> None:
        """A hey that lists these requests."""
        self._write("hey", "\n".join(["response-time,a,b,c,d,e,status-code,offset", *rows]))

    def _write(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n[ -n \"$ANALYZERD_RATE\" ] && echo '{text}'\n")
        file.chmod(0o700)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Return an empty folder for stand-ins."""
    return Tools(tmp_path, monkeypatch)


def test_without_a_tool_it_says_what_to_install(ctl: Ctl, tools: Tools) -> None:
    """Neither is there."""
    code, out, err = ctl("loadtest", URL, "--yes")
    assert (code, out) == (1, "")
    assert err == "error: wrk and hey not found on this machine; install one of them: apt install wrk (or hey)\n"


def test_nothing_is_sent_before_somebody_said_so(ctl: Ctl, tools: Tools) -> None:
    """In a pipe there is nobody to ask; the load is named, the secret is not."""
    tools.wrk(20_000)
    code, out, err = ctl("loadtest", URL, "--rate", "50")
    assert (code, out) == (1, "")
    assert "wrk will send 50 requests/s for 6 min 5 s to http://127.0.0.1:9/health" in err
    assert "--yes" in err
    assert "s3cretvalue" not in err
    assert not tools.kept.exists()


@pytest.mark.parametrize("url", ["ftp://x/", "shop", "-o/etc/passwd", "http://", "http://a b/"])
def test_what_is_no_address_is_refused(ctl: Ctl, tools: Tools, url: str) -> None:
    """Nothing of it reaches a command line."""
    tools.wrk(20_000)
    code, _, err = ctl("loadtest", "--yes", "--", url)
    assert code == 1
    assert "is no address to send to" in err


def test_half_the_time_is_better_twice_is_worse(ctl: Ctl, tools: Tools) -> None:
    """Three tests of six minutes: the second is compared with the first, the third with the second."""
    tools.wrk(200_000)
    assert ctl("loadtest", URL, "--compare", "--yes")[2].startswith("error: there is no earlier test")
    code, out, _ = ctl("loadtest", URL, "--yes", "-q")
    assert code == 0
    assert "3600 requests in 6 min by wrk" in out
    tools.wrk(100_000)
    code, out, _ = ctl("loadtest", URL, "--yes", "--compare", "--fail-on", "worse")
    assert (code, "better" in out) == (0, True)
    tools.wrk(200_000)
    code, out, _ = ctl("loadtest", URL, "--yes", "--compare", "--fail-on", "worse")
    assert (code, ": worse" in out) == (1, True)
    assert "s3cretvalue" not in tools.kept.read_text()


def test_requests_that_get_no_answer_are_worse(ctl: Ctl, tools: Tools) -> None:
    """The same times, but every tenth is lost."""
    tools.wrk(100_000)
    ctl("loadtest", URL, "--yes")
    tools.wrk(100_000, lost=30)
    out = ctl("loadtest", URL, "--yes", "--compare")[1]
    assert "9.1% of the requests fail, before the change 0.0%" in out


def test_one_slice_is_told_and_decides_nothing(ctl: Ctl, tools: Tools) -> None:
    """With hey, as JSON."""
    tools.hey("0.0100,0,0,0,0,0,200,0.1", "0.0300,0,0,0,0,0,500,0.2")
    ctl("loadtest", URL, "--yes", "--for", "30s")
    whole = json.loads(ctl("loadtest", URL, "--yes", "--for", "30s", "--compare", "--json")[1])
    assert (whole["tool"], whole["client"]["requests"], whole["client"]["failed_share"]) == ("hey", 2, 0.5)
    assert whole["compared"]["outcome"] == "not decidable yet"


def test_nobody_answers(ctl: Ctl, tools: Tools) -> None:
    """What the tool says is passed on."""
    tools.hey()
    code, out, err = ctl("loadtest", URL, "--yes")
    assert (code, out) == (1, "")
    assert "no request to http://127.0.0.1:9/health" in err
    assert not tools.kept.exists()
