"""Recordings as record writes them: nothing secret in them, and the diagnosis of one is that of what was recorded."""

# ruff: noqa: E501 - files are read as they stand

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzerd.cli import recording
from analyzerd.cli.diagnose import diagnose
from analyzerd.cli.recording import Recording, begin
from analyzerd.cli.tails import Tail
from analyzerd.errors import AnalyzerdError
from analyzerd.formats.settings import from_command_line, from_config
from analyzerd.model import Entry, ProcessReading, Sample, Setting, Stream
from analyzerd.probes.launch import Launch
from analyzerd.render import recorded
from analyzerd.sources.archive import open_archive
from analyzerd.sources.journal_text import read_json, write_json
from analyzerd.sources.samples_text import read_samples, write_sample
from tests.core.stage import RULES

RECORDED = Path(__file__).parents[1] / "recorded"
SECRETS = ("hunter2", "s3cr3t", "jane@example.com", "eyJhbGciOi", "203.0.113.77")
NGINX_FORMAT = '$remote_addr [$time_local] "$request" $status it\'s=$request_time'
LOGS = {"gunicorn.log": "gunicorn", "gunicorn-access.log": "gunicorn.access", "nginx-error.log": "nginx.error",
        "nginx-access.log": "nginx.access"}  # fmt: skip


def data_of(path: Path) -> bytes:
    """Read a file, packed or not."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def recorded_again(folder: Path, into: Path) -> Path:
    """Write a recording anew, the way record does, from what stands in another."""
    out = begin(into)
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".gz")
        if name in LOGS:
            recording.write_log(out, name, data_of(path).splitlines(), Stream("x", LOGS[name]))
        elif name == "samples.jsonl":
            samples = read_samples([data_of(path)], "", [])
            with out.open(name) as file:
                for sample in samples:
                    recording.write_readings(out, file, name, sample)
        elif name == "kernel.json":
            recording.write_journal(out, (e for block in read_json([data_of(path)], []) for e in block))
        elif name == "nginx.conf":
            recording.write_nginx(out, path.read_text(), [])
        elif name == "gunicorn.cmdline":
            text = path.read_text()
            out.write(name, [" ".join(recorded.arguments(text.split(" "))).encode()])
        elif name == "gunicorn.conf.py":
            out.write(name, [recorded.python(path.read_text()).encode()])
    for empty in ("journal.json", "systemd.json"):
        (into / empty).unlink(missing_ok=True)
    return into


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.iterdir() if path.is_dir()))
def test_redaction_changes_no_answer(name: str, tmp_path: Path) -> None:
    """Every recorded fault, hidden secrets or not: the same causes, as sure as before, by the same evidence."""
    before = diagnose(open_archive([str(RECORDED / name)]), RULES).incidents
    after = diagnose(open_archive([str(recorded_again(RECORDED / name, tmp_path / "again"))]), RULES).incidents
    answers = [[(i.cause, i.verdict, i.confidence, i.counts) for i in found] for found in (before, after)]
    assert answers[0] == answers[1]


def test_no_secret_is_left(tmp_path: Path) -> None:
    """Tokens, cookies, passwords, query values, e-mail and clients' addresses: in no file, whatever it is."""
    out = begin(tmp_path / "new")
    lines = [
        b'203.0.113.77 - - [23/Nov/2026:07:00:48 +0000] "GET /a?password=hunter2&x=s3cr3t HTTP/1.1" 200 7 "-" "-"',
        b"[2026-11-23 07:00:48 +0000] [1] [ERROR] login of jane@example.com failed, token=hunter2",
        b"Cookie: session=s3cr3t; a=hunter2",
        b"-----BEGIN RSA PRIVATE KEY-----",
        b"hunter2hunter2hunter2",
        b"-----END RSA PRIVATE KEY-----",
        b"after the key",
    ]
    recording.write_log(out, "gunicorn.log", lines, Stream("x", "gunicorn"))
    entry = Entry(
        1.0, b"Authorization: Bearer eyJhbGciOi.abc.def", 9, "a.service", "stdout", "gunicorn", {"_CMDLINE": "hunter2"}
    )
    recording.write_journal(out, [entry])
    launch = Launch(
        1, "a.service", ("gunicorn", "-e", "DB=hunter2", "--env=K=s3cr3t", "-eX=hunter2", "--api-key", "hunter2", "app:app"),
        {"GUNICORN_CMD_ARGS": "--workers 7", "SECRET": "s3cr3t"}, "/", "/x/gunicorn.conf.py",
        'raw_env = ["DB=hunter2"]\nx = connect("s3cr3t")  # hunter2\nworkers = 3\nbind = "127.0.0.1:9"\ndef f():\n    "s3cr3t"\n',
        title_only=False, denied=False,
    )  # fmt: skip
    recording.write_settings(out, launch, [Setting(0.0, "a.service", "gunicorn.workers", 7, "GUNICORN_CMD_ARGS")], "")
    conf = (
        "# hunter2\nhttp { map $http_x $ok { s3cr3t 1; default 0; }\n set $key 'hunter2'; server {\n"
        " location / { if ($arg_k = 's3cr3t') { return 403; } proxy_set_header X-Key hunter2; proxy_set_header Host $host;\n"
        " proxy_pass http://127.0.0.1:8000; proxy_read_timeout 7s; } } }\n"
    )
    recording.write_nginx(out, conf, [("nginx-access.log", NGINX_FORMAT)])
    unit = (
        "[Service]\nEnvironment=A=hunter2 \\\n  B=s3cr3t\nEnvironment=C=hunter2\n# s3cr3t\nExecStart=gunicorn app:app\n"
    )
    out.write("a.service", [recorded.unit(unit).encode()])
    everything = "".join(path.read_text() for path in out.folder.iterdir())
    assert [secret for secret in SECRETS if secret in everything] == []
    assert "after the key" in everything
    assert "proxy_set_header Host $host;" in everything
    assert "ExecStart=gunicorn app:app" in everything


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Directory 0700, files 0600, whatever the umask."""
    out = begin(tmp_path / "new")
    out.write("gunicorn.log", [b"x\n"])
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "gunicorn.log").stat().st_mode) == 0o600


def test_a_folder_that_holds_anything_is_refused(tmp_path: Path) -> None:
    """Nothing is overwritten; an empty folder is taken, a file in its place is an error."""
    begin(tmp_path / "new")
    assert begin(tmp_path / "new").records == {}
    (tmp_path / "new" / "note").touch()
    with pytest.raises(AnalyzerdError, match="is not empty"):
        begin(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(AnalyzerdError, match="cannot record"):
        begin(tmp_path / "file")


def test_settings_in_effect_are_what_is_read_back(tmp_path: Path) -> None:
    """Command line, configuration and what came from elsewhere (variables, a running gunicorn): all of it arrives."""
    out = begin(tmp_path / "new")
    launch = Launch(1, "a.service", ("python", "/bin/gunicorn", "-w", "2", "app:app"), {}, "/", "/x/gunicorn.conf.py",
                    "timeout = 3\naccess_log_format = '%(t)s x'\n", title_only=False, denied=False)  # fmt: skip
    found = (("workers", 5), ("timeout", 3), ("bind", "127.0.0.1:1,unix:/x"), ("preload_app", True))
    settings = [Setting(0.0, "a.service", f"gunicorn.{name}", value, "memory") for name, value in found]
    recording.write_settings(out, launch, settings, "")
    read = {s.name.removeprefix("gunicorn."): s.value for s in open_archive([str(out.folder)]).settings}
    assert {name: read[name] for name, _ in found} == dict(found)
    assert read["access_log_format"] == "%(t)s x"


def test_an_access_log_keeps_its_format(tmp_path: Path) -> None:
    """The format the daemon was told stands in the recorded nginx.conf, quotes and all; so for the second log."""
    out = begin(tmp_path / "new")
    streams = [
        Stream("a", "nginx.access", log_format="$status a"),
        Stream("b", "nginx.access", log_format=NGINX_FORMAT),
    ]
    names = recording.name_logs(streams)
    assert names == ["nginx-access.log", "nginx-access-2.log"]
    for name in names:
        out.write(name, [b"\n"])
    recording.write_nginx(
        out, "http { access_log /var/log/nginx/access.log; }", zip(names, ("$status a", NGINX_FORMAT), strict=True)
    )
    parts = open_archive([str(out.folder)]).parts
    assert {Path(p.name).name: p.stream.log_format for p in parts} == dict(
        zip(names, ("$status a", NGINX_FORMAT), strict=True)
    )


def test_local_stamps_become_utc() -> None:
    """Nginx's error log and Flask's lines print local time; a recording is read as UTC."""
    east = recorded.LogLines(utc_offset_s=3600)
    assert east.line(b"2026/11/23 00:30:48 [error] 1#1: x").startswith("2026/11/22 23:30:48 [error]")
    assert east.line(b"[2026-11-23 08:00:48,123] ERROR in app: x").startswith("[2026-11-23 07:00:48,123]")
    assert east.line(b"[2026-11-23 08:00:48 +0100] [1] [INFO] x") == "[2026-11-23 08:00:48 +0100] [1] [INFO] x"
    assert east.line(b"2026/99/23 00:30:48 [error] 1#1: x").startswith("2026/99/23 00:30:48")


def test_what_the_journal_did_not_say_was_silence(tmp_path: Path) -> None:
    """The kernel and systemd were read and silent: no blind spot for them."""
    out = begin(tmp_path / "new")
    recording.write_journal(
        out, [Entry(5.0, b"[2026-11-23 07:00:48 +0000] [9] [INFO] x", 9, "a.service", "stdout", "gunicorn")]
    )
    blind = {h.source for h in open_archive([str(out.folder)]).health if h.state == "blind"}
    assert blind.isdisjoint({"kernel", "systemd", "gunicorn"})


@given(
    st.builds(
        Entry,
        st.floats(1e9, 2e9).map(lambda t: round(t, 6)),
        st.text(st.characters(exclude_categories=["Cs"])).map(str.encode),
        st.none() | st.integers(1, 1 << 22),
        st.sampled_from(["", "a.service"]),
        st.sampled_from(["", "kernel", "stdout", "journal"]),
        st.sampled_from(["", "gunicorn"]),
        st.dictionaries(st.sampled_from(["MESSAGE_ID", "UNIT", "EXIT_CODE"]), st.text("abc1", min_size=1)),
    )
)
def test_an_entry_is_read_back_as_it_was(entry: Entry) -> None:
    """Written as journalctl prints it, read as journalctl's output is."""
    ((again,),) = read_json([write_json(entry)], [])
    assert abs(again.time_s - entry.time_s) < 1e-5
    assert (again.message, again.pid, again.unit, again.fields) == (entry.message, entry.pid, entry.unit, entry.fields)


def test_readings_are_read_back_as_they_were() -> None:
    """What was not readable stays None, what was stays itself."""
    sample = Sample(
        5.0, processes=(ProcessReading(7, "worker", "a.service", rss_bytes=9, blocked=({"tid": 7, "wchan": "x"},)),)
    )
    assert list(read_samples([write_sample(sample)], "", [])) == [sample]


def test_a_tail_begins_now_and_follows_rotation(tmp_path: Path) -> None:
    """Not what stood there, not the half of a line; then the rest of the old file and all of the new one."""
    log = tmp_path / "error.log"
    log.write_text("before\nhalf")
    with Tail(log) as tail:
        with log.open("a") as file:
            file.write(" a line\none\n")
        log.rename(tmp_path / "error.log.1")
        with (tmp_path / "error.log.1").open("a") as file:
            file.write("two\n")
        log.write_text("three\nfour")
        assert list(tail.lines()) == [b"one", b"two", b"three", b"four"]


def test_a_tail_of_a_file_that_appears_or_is_emptied(tmp_path: Path) -> None:
    """From its first line; after a truncation from the beginning."""
    late, cut = tmp_path / "late", tmp_path / "cut"
    cut.write_text("a long line that goes away\n")
    with Tail(late) as first, Tail(cut) as second:
        late.write_text("one\n")
        cut.write_text("two\n")
        assert list(first.lines()) == [b"one"]
        assert list(second.lines()) == [b"two"]


def test_an_interrupted_write_is_an_error_with_its_place(tmp_path: Path) -> None:
    """A file that is there already, a folder that went: what and where."""
    out = Recording(tmp_path / "gone")
    with pytest.raises(AnalyzerdError, match="gone/x"):
        out.write("x", [b""])


def test_python_settings_keep_their_lines() -> None:
    """What sets something of gunicorn's stands where it stood; expressions of numbers too."""
    text = '"""doc"""\nimport os\ncores = 2\nworkers = cores * 2 + 1\nbind = [\n  "a:1",\n  "b:2",\n]\nname = os.environ["X"]\n'
    kept = recorded.python(text)
    assert kept.splitlines() == [
        "",
        "",
        "cores = 2",
        "workers = cores * 2 + 1",
        "bind = [",
        '  "a:1",',
        '  "b:2",',
        "]",
    ]
    before, after = (from_config(source, "p") for source in (text, kept))
    assert before == after
    assert recorded.python("def broken(") == ""


def test_json_of_a_command_line_is_whole() -> None:
    """Arguments keep their number and order: a hidden value is still a value."""
    words = ["gunicorn", "--env", "A=1", "-w", "3", "--access-logformat", "%(h)s x", "app:app"]
    kept = recorded.arguments(words)
    assert len(kept) == len(words)
    assert from_command_line(kept) == from_command_line(words)
    assert json.dumps(kept)
