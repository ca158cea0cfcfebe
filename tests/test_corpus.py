"""Real logs of six gunicorns, nginx, three kernels and systemd: nothing breaks, nothing is lost, nothing is invented.

``corpus/gunicorn/expected.txt`` says by hand what each of the gunicorn logs means.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import pytest

from analyzerd.cli.diagnose import Findings, diagnose, load_rules
from analyzerd.sources.archive import open_archive

CORPUS = Path(__file__).parent / "corpus"
RULES = load_rules([])
GUESS = b"Perhaps out of memory"
MARKS = {"confirmed": "!", "likely": "~", "possible": "?"}


@cache
def found_in(name: str) -> Findings:
    """Diagnose one file of the corpus."""
    return diagnose(open_archive([str(CORPUS / name)]), RULES)


def said_of(name: str, app: str = "") -> set[str]:
    """What is said of a file or of one unit in it: causes, each with the mark of its verdict."""
    return {i.cause + MARKS[i.verdict.value] for i in found_in(name).incidents if app in ("", i.app)}


def gunicorn_table() -> list[tuple[str, str]]:
    """Files of the gunicorn corpus with what is expected of each."""
    text = (CORPUS / "gunicorn" / "expected.txt").read_text()
    rows = [line.lstrip("# ").split() for line in text.splitlines()[4:]]
    versions = rows[0]
    cells = [(v, row[0], said) for row in rows[1:] for v, said in zip(versions, row[1:], strict=True)]
    return [(f"gunicorn/{v}/{fault}.log.gz", said) for v, fault, said in cells if said != "."]


@pytest.mark.parametrize(("name", "expected"), gunicorn_table())
def test_a_gunicorn_log_gets_the_cause_of_its_fault(name: str, expected: str) -> None:
    """The fault that was made is named, as sure as this log alone allows; harmless ones stay silent."""
    assert said_of(name) == ({expected} - {"-"})


def test_the_table_knows_every_gunicorn_log() -> None:
    """No file of the corpus is left without an expectation."""
    files = {str(path.relative_to(CORPUS)) for path in (CORPUS / "gunicorn").glob("*/*.gz")}
    assert files == {name for name, _ in gunicorn_table()}
    assert len(files) > 300


@pytest.mark.parametrize("path", sorted(CORPUS.glob("gunicorn/*/*.gz")), ids=lambda path: path.name)
def test_no_line_is_lost(path: Path) -> None:
    """As many lines are read as stand in the file."""
    name = str(path.relative_to(CORPUS))
    assert sum(found_in(name).read.values()) == gzip.decompress(path.read_bytes()).count(b"\n")


def test_gunicorns_guess_is_never_believed() -> None:
    """A hundred "Perhaps out of memory?" and no kernel to witness it: nobody says out of memory."""
    files = [path for path in CORPUS.glob("gunicorn/*/*.gz") if GUESS in gzip.decompress(path.read_bytes())]
    said = {cause for path in files for cause in said_of(str(path.relative_to(CORPUS)))}
    assert len(files) >= 15
    assert not {cause for cause in said if cause.startswith("out-of-memory")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nginx/access.log.main.gz", set()),
        ("nginx/error-nofile.gz", {"file-descriptors-exhausted!"}),
        ("nginx/error-worker_connections.gz", {"nginx-connections-exhausted!"}),
        ("nginx/error-gunicorn-201-212-230gt-270gt.gz", {"unknown?"}),
        ("nginx/gunicorn-23.0.0-behind.log.gz", {"native-crash!", "app-waits!"}),
        ("app/dbapp.log.gz", {"db-pool-too-small?"}),
        ("app/db_errors.txt.gz", {"db-connection-limit!"}),
        ("kernel/journal_k.export.gz", set()),
        ("kernel/dmesg_after_oom.txt.gz", set()),
    ],
)
def test_a_log_of_one_thing(name: str, expected: set[str]) -> None:
    """nginx, applications, and kernels whose killed processes were nobody's gunicorn."""
    assert said_of(name) == expected


def test_one_error_log_with_many_faults() -> None:
    """Each error nginx names by itself is told apart; what needs another witness stays open."""
    said = said_of("nginx/error-main.gz")
    named = {"socket-missing!", "socket-permission!", "response-header-too-big!", "request-body-too-big!"}
    assert named <= said
    assert {"backlog-overflow!", "upstream-refused?", "stuck-requests?", "unknown?"} <= said


VM = "vm/kernel6.1-systemd252.export.gz"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("oom-stop", {"out-of-memory!"}),
        ("oom-continue", {"out-of-memory!"}),
        ("oom-kill", {"out-of-memory!"}),
        ("importerr", {"boot-failure!"}),
        ("importerr27", {"boot-failure!"}),
        ("bindconf", {"bind-in-use!"}),
        ("sockperm", {"boot-failure!"}),
        ("tasksmax", {"boot-failure!"}),
        ("hang", {"app-waits!"}),
        ("hang27", {"app-waits!"}),
        ("hang20", {"boot-hang?"}),
        ("segv20", {"native-crash!"}),
        ("segv23", {"native-crash!"}),
        ("segv27", {"native-crash!"}),
        ("kill9", {"master-killed!"}),
        ("watchdog", {"master-killed!"}),
        ("oomd", {"app-native-hang?"}),
        ("globoom", {"unknown?"}),
        ("slowstop", set()),
        ("synflood", set()),
        ("scenario", set()),
    ],
)
def test_one_journal_with_many_units(unit: str, expected: set[str]) -> None:
    """Each service that fails gets its own cause; where memory ran short (oomd, globoom) code is not blamed."""
    assert said_of(VM, unit) == expected


def test_the_journal_is_read_whole() -> None:
    """Every entry of the export is read, and each boot loop is one incident, not fifty."""
    found = found_in(VM)
    entries = gzip.decompress((CORPUS / VM).read_bytes()).count(b"\n__CURSOR=") + 1
    assert sum(found.read.values()) == entries
    assert len([i for i in found.incidents if i.app == "importerr27"]) == 1
