"""PATHs become the right streams, whole, in order, and what is missing or damaged is said."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from analyzerd.errors import SourceError
from analyzerd.model import Entries, Entry, Lines, Sample
from analyzerd.sources.archive import Archive, open_archive

CORPUS = Path(__file__).parent.parent / "corpus" / "archive"
RECORDED = Path(__file__).parent.parent / "recorded"
YEAR_2026_S = 1795417200


def entries_of(archive: Archive) -> list[Entry]:
    """Return all entries of all parts."""
    blocks = [block for part in archive.parts for block in part.blocks()]
    return [entry for block in blocks if isinstance(block, Entries) for entry in block.entries]


def gaps_of(archive: Archive) -> list[str]:
    """Return what the parts say is damaged once they are read."""
    for part in archive.parts:
        for _ in part.blocks():
            pass
    return [gap.why for part in archive.parts for gap in part.gaps]


def text_of(archive: Archive) -> bytes:
    """Return all text of all parts."""
    blocks = [block for part in archive.parts for block in part.blocks()]
    return b"".join(block.data for block in blocks if isinstance(block, Lines))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gunicorn-hang.log", "gunicorn"),
        ("nginx-error.log.1", "nginx.error"),
        ("nginx-access.log", "nginx.access"),
        ("journal-short.txt", "journal-short"),
        ("journal.json", "journal-json"),
        ("journal.export.gz", "journal-export"),
        ("dmesg.txt", "dmesg"),
    ],
)
def test_the_kind_of_a_real_file_is_told_from_its_content(name: str, kind: str, tmp_path: Path) -> None:
    """The name does not help: every file is called x here."""
    copy = tmp_path / "x"
    shutil.copy(CORPUS / name, copy)
    assert [part.kind for part in open_archive([str(copy)]).parts] == [kind]


def test_a_log_file_is_read_whole_plain_and_gzipped(tmp_path: Path) -> None:
    """Concatenated blocks are the file, byte for byte, also through two gzip members."""
    data = (CORPUS / "gunicorn-hang.log").read_bytes()
    packed = tmp_path / "error.log.2.gz"
    packed.write_bytes(gzip.compress(data[:500]) + gzip.compress(data[500:]))
    assert text_of(open_archive([str(CORPUS / "gunicorn-hang.log")])) == data
    assert text_of(open_archive([str(packed)])) == data


def test_blocks_are_whole_lines_and_bounded(tmp_path: Path) -> None:
    """A file of several MiB comes in blocks of whole lines of at most 2 MiB."""
    line = b"[2026-11-23 07:20:23 +0000] [10678] [INFO] " + b"x" * 900 + b"\n"
    path = tmp_path / "big.log"
    path.write_bytes(line * 5000)
    part = open_archive([str(path)], "gunicorn").parts[0]
    blocks = [block.data for block in part.blocks() if isinstance(block, Lines)]
    assert b"".join(blocks) == line * 5000
    assert len(blocks) > 2
    assert all(block.endswith(b"\n") and len(block) <= 2 << 20 for block in blocks)


def test_an_endless_line_is_cut_and_said(tmp_path: Path) -> None:
    """Five MiB without a newline keep one MiB; the next line is whole again."""
    path = tmp_path / "endless.log"
    path.write_bytes(b"first\n" + b"a" * (5 << 20) + b"\nlast\n")
    archive = open_archive([str(path)], "app")
    lines = text_of(archive).splitlines()
    assert [lines[0], lines[-1]] == [b"first", b"last"]
    assert max(map(len, lines)) <= 1 << 20
    assert "longer than" in gaps_of(archive)[0]


def test_json_and_export_of_one_journal_agree(tmp_path: Path) -> None:
    """The same entries come out of both of journalctl's formats."""
    from_json = entries_of(open_archive([str(CORPUS / "journal.json")]))
    lines = (CORPUS / "journal.json").read_text().splitlines()
    export = tmp_path / "journal.export"
    export.write_text("".join(_as_export(json.loads(line)) for line in lines))
    assert from_json == entries_of(open_archive([str(export)]))
    assert len(from_json) == len(lines)
    assert from_json[0].message.startswith(b"gunicorn invoked oom-killer")
    assert (from_json[0].transport, from_json[0].time_s) == ("kernel", 1795417762.013068)


def _as_export(fields: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in fields.items()) + "\n"


def test_binary_fields_of_an_export_are_read() -> None:
    """The machine's export has messages of several lines, stored with a length."""
    entries = entries_of(open_archive([str(CORPUS / "journal.export.gz")]))
    text = gzip.decompress((CORPUS / "journal.export.gz").read_bytes())
    assert len(entries) == text.count(b"\n__REALTIME_TIMESTAMP=")
    assert any(b"jiffy.\nProbably" in entry.message for entry in entries)
    assert any(entry.fields.get("UNIT") and entry.pid == 1 for entry in entries)


def test_a_binary_field_may_hold_blank_lines(tmp_path: Path) -> None:
    """A blank line inside a sized value does not end the entry."""
    value = b"one\n\ntwo\n__CURSOR=x"
    path = tmp_path / "e"
    path.write_bytes(
        b"__CURSOR=a\n__REALTIME_TIMESTAMP=1000000\nMESSAGE\n" + len(value).to_bytes(8, "little") + value
        + b"\n_PID=7\n\n__CURSOR=b\n__REALTIME_TIMESTAMP=2000000\nMESSAGE=x\n\n"
    )  # fmt: skip
    entries = entries_of(open_archive([str(path)]))
    assert [(entry.message, entry.pid) for entry in entries] == [(value, 7), (b"x", None)]


def test_a_cut_export_gives_what_came_before_and_a_gap(tmp_path: Path) -> None:
    """Half a file gives its whole entries and says inside which one it ends."""
    whole = gzip.decompress((CORPUS / "journal.export.gz").read_bytes())
    path = tmp_path / "cut.export"
    path.write_bytes(whole[: len(whole) // 2])
    archive = open_archive([str(path)])
    read, entries = entries_of(archive), entries_of(open_archive([str(CORPUS / "journal.export.gz")]))
    assert 50 < len(read) < len(entries)
    assert read == entries[: len(read)]
    assert f"entry {len(read) + 1}" in gaps_of(archive)[0]


def test_a_damaged_gzip_gives_its_beginning_and_a_gap(tmp_path: Path) -> None:
    """A truncated gzip file and one with garbage inside are read as far as they go."""
    lines = "".join(f"[2026-11-23 07:20:23 +0000] [1] [INFO] line {n} {n * n}\n" for n in range(50_000))
    packed = gzip.compress(lines.encode())
    for name, data in {
        "cut": packed[: len(packed) // 2],
        "hit": packed[:9000] + b"\xff" * 4000 + packed[13000:],
    }.items():
        path = tmp_path / f"{name}.gz"
        path.write_bytes(data)
        archive = open_archive([str(path)], "gunicorn")
        text = text_of(archive).decode("utf-8", "replace")
        assert text.startswith("[2026-11-23 07:20:23 +0000] [1] [INFO] line 0 0\n")
        assert "gzip" in gaps_of(archive)[0]


def test_a_broken_json_line_is_skipped_and_named(tmp_path: Path) -> None:
    """The lines around it are read; the last one is cut in the middle."""
    lines = (CORPUS / "journal.json").read_bytes().splitlines()[:4]
    path = tmp_path / "j.json"
    path.write_bytes(b"\n".join([lines[0], b'{"MESSAGE":', lines[1], b"[1]", lines[2], lines[3][:50]]))
    archive = open_archive([str(path)])
    assert len(entries_of(archive)) == 3
    assert [f"line {n} " in gap for n, gap in zip((2, 4, 6), gaps_of(archive), strict=True)] == [True] * 3


def test_endless_damage_is_counted_not_kept(tmp_path: Path) -> None:
    """A thousand broken lines make a handful of sentences."""
    path = tmp_path / "j.json"
    path.write_text("{\n" * 1000)
    gaps = gaps_of(open_archive([str(path)], "journal-json"))
    assert len(gaps) == 6
    assert "and 995 more" in gaps[-1]


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ([104, 105, 255], b"hi\xff"),
        (None, b""),
        ("h\u00e9", "h\u00e9".encode()),
        (["first", "second"], b"second"),
        ([300, -1], b""),
    ],
)
def test_every_shape_of_a_json_message(message: object, read: bytes, tmp_path: Path) -> None:
    """Binary comes as numbers, too long as null, repeated as a list."""
    path = tmp_path / "j.json"
    path.write_text(json.dumps({"__REALTIME_TIMESTAMP": "1000000", "MESSAGE": message}))
    assert [entry.message for entry in entries_of(open_archive([str(path)]))] == [read]


def test_only_root_may_speak_of_units(tmp_path: Path) -> None:
    """UNIT= and COREDUMP_PID= of an ordinary user's entry are dropped."""
    fields = {"__REALTIME_TIMESTAMP": "1000000", "MESSAGE": "x", "UNIT": "a.service", "COREDUMP_PID": "1"}
    path = tmp_path / "j.json"
    path.write_text("\n".join(json.dumps({**fields, "_UID": uid}) for uid in ("1000", "0")))
    forged, real = entries_of(open_archive([str(path)]))
    assert dict(forged.fields) == {}
    assert real.fields["UNIT"] == "a.service"


def test_journalctl_short_text_gets_its_year_from_the_file(tmp_path: Path) -> None:
    """The same lines as in the JSON output, at the same microsecond."""
    path = tmp_path / "k.txt"
    shutil.copy(CORPUS / "journal-short.txt", path)
    os.utime(path, (YEAR_2026_S + 86400, YEAR_2026_S + 86400))
    entries = entries_of(open_archive([str(path)]))
    same = entries_of(open_archive([str(CORPUS / "journal.json")]))
    assert [(e.message, e.transport) for e in entries[:40]] == [(e.message, e.transport) for e in same]
    assert [e.time_s for e in entries[:40]] == pytest.approx([e.time_s for e in same], abs=1e-6)


@pytest.mark.parametrize(
    ("line", "time_s", "rest"),
    [
        ("2026-11-23T07:00:00+0000 vm gunicorn[12]: hi", 1795417200.0, (12, "", b"hi")),
        (
            "2026-11-23T08:00:00.250000+01:00 vm kernel: [   12.345678] oops",
            1795417200.25,
            (None, "", b"oops"),
        ),
        ("Mon 2026-11-23 07:00:00 UTC vm web.service[12]: hi", 1795417200.0, (12, "web.service", b"hi")),
        ("[Mon Nov 23 07:00:00 2026]  <TASK>", 1795417200.0, (None, "", b" <TASK>")),
        ("2026-11-23T07:00:00,500000+00:00 oops", 1795417200.5, (None, "", b"oops")),
    ],
)
def test_text_stamps(line: str, time_s: float, rest: tuple[object, ...], tmp_path: Path) -> None:
    """Each of the text outputs gives time, pid, unit and message."""
    path = tmp_path / "x"
    path.write_text(line + "\n")
    (entry,) = entries_of(open_archive([str(path)]))
    assert (entry.time_s, (entry.pid, entry.unit, entry.message)) == (time_s, rest)


def test_a_short_journal_over_new_year(tmp_path: Path) -> None:
    """December before the file was written is last year's, January after it this year's."""
    path = tmp_path / "x"
    path.write_text("Dec 31 23:59:59 vm gunicorn[1]: a\nJan  1 00:00:01 vm gunicorn[1]: b\n")
    os.utime(path, (1767225700, 1767225700))
    before, after = entries_of(open_archive([str(path)]))
    assert (before.time_s, after.time_s) == (1767225599, 1767225601)


def test_dmesg_without_dates_is_anchored_to_the_file_and_says_so(tmp_path: Path) -> None:
    """Uptime stamps are placed so that the last line was written when the file was."""
    path = tmp_path / "x"
    path.write_text("[   10.000000] a\n[   25.500000] b\n")
    os.utime(path, (2000, 2000))
    archive = open_archive([str(path)])
    assert [(entry.time_s, entry.message) for entry in entries_of(archive)] == [(1984.5, b"a"), (2000, b"b")]
    assert "dmesg -T" in gaps_of(archive)[0]


def test_a_recording_gives_its_streams_settings_and_witnesses() -> None:
    """All files of a recording are found, packed or not, in UTC, with nginx's own log format."""
    archive = open_archive([str(RECORDED / "oom-memcg")], utc_offset_s=3600)
    parts = {part.name.rsplit("/", 1)[-1].removesuffix(".gz"): part for part in archive.parts}
    assert {name: part.kind for name, part in parts.items()} == {
        "gunicorn.log": "gunicorn",
        "gunicorn-access.log": "gunicorn.access",
        "nginx-error.log": "nginx.error",
        "nginx-access.log": "nginx.access",
        "kernel.json": "journal-json",
        "samples.jsonl": "samples",
    }
    assert {part.stream.utc_offset_s for part in archive.parts} == {0}
    assert parts["nginx-access.log"].stream.log_format.startswith('$msec $remote_addr "$request"')
    assert parts["gunicorn-access.log"].stream.log_format == '%(t)s pid=%(p)s "%(r)s" st=%(s)s us=%(D)s b=%(B)s'
    values = {setting.name: setting.value for setting in archive.settings}
    assert values["gunicorn.timeout"] == 10
    blind = {health.source for health in archive.health if health.state == "blind"}
    assert blind == {"systemd"}


def test_the_truth_of_a_recording_is_never_read(tmp_path: Path) -> None:
    """expected.json may be garbage or unreadable: nothing changes."""
    shutil.copytree(RECORDED / "oom-memcg", tmp_path / "r")
    (tmp_path / "r" / "expected.json").unlink()
    (tmp_path / "r" / "expected.json").mkdir()
    assert len(open_archive([str(tmp_path / "r")]).parts) == 6


def test_samples_are_typed_readings(tmp_path: Path) -> None:
    """Counters keep their names and units; a cut last line is a gap."""
    source = RECORDED / "oom-memcg" / "samples.jsonl"
    packed = source.with_name("samples.jsonl.gz")
    data = source.read_bytes() if source.exists() else gzip.decompress(packed.read_bytes())
    path = tmp_path / "samples.jsonl"
    path.write_bytes(data[:-40])
    part = open_archive([str(path)]).parts[0]
    blocks = list(part.blocks())
    samples = [block for block in blocks if isinstance(block, Sample)]
    assert len(samples) == data.count(b"\n") - 1
    first = samples[0]
    assert (first.host.cores, first.processes[0].role, first.listeners[0].address) == (
        4,
        "master",
        "127.0.0.1:28000",
    )
    assert (first.cgroups[0].memory_bytes, first.cgroups[0].oom_kills) == (49348608, 0)
    assert [(gap.source, gap.state, gap.time_s) for gap in part.gaps] == [("samples", "gap", samples[-1].time_s)]


def test_one_units_journal_does_not_count_as_a_kernel_log(tmp_path: Path) -> None:
    """Without one kernel line in it the kernel is a blind spot, with the mend."""
    path = tmp_path / "unit.json"
    path.write_text(json.dumps({"__REALTIME_TIMESTAMP": "1000000", "_TRANSPORT": "stdout", "MESSAGE": "gunicorn"}))
    health = {item.source: item for item in open_archive([str(path)]).health}
    assert (health["kernel"].state, health["gunicorn"].state) == ("blind", "reading")
    assert "journalctl -k" in health["kernel"].mend


def test_standard_input_is_recognised_and_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is gzip."""
    data = (CORPUS / "gunicorn-hang.log").read_bytes()
    for given in (data, gzip.compress(data)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        archive = open_archive(["-"])
        assert [part.kind for part in archive.parts] == ["gunicorn"]
        assert text_of(archive) == data


def test_a_folder_of_logs_is_read_file_by_file(tmp_path: Path) -> None:
    """What is no log in it is a gap, not an end."""
    for name in ("gunicorn-hang.log", "nginx-error.log.1"):
        shutil.copy(CORPUS / name, tmp_path / name)
    (tmp_path / "photo.jpg").write_bytes(bytes(range(256)) * 10)
    archive = open_archive([str(tmp_path)])
    assert sorted(part.kind for part in archive.parts) == ["gunicorn", "nginx.error"]
    assert [item.why for item in archive.health if "photo.jpg" in item.why]


def test_an_unknown_kind_names_the_kinds_and_the_option(tmp_path: Path) -> None:
    """The error says what can be done."""
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(SourceError, match=r"--as KIND.*nginx\.error.*journal-json"):
        open_archive([str(path)])
    with pytest.raises(SourceError, match="unknown kind 'nonsense'"):
        open_archive([str(path)], "nonsense")
    assert [part.kind for part in open_archive([str(path)], "gunicorn").parts] == ["gunicorn"]


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    """The path and the reason stand in it."""
    with pytest.raises(SourceError, match=r"cannot read .*nothing: No such file"):
        open_archive([str(tmp_path / "nothing")])


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.iterdir()))
def test_every_recording_is_read_without_damage(name: str) -> None:
    """All lines of all its files come out, none is called damaged."""
    archive = open_archive([str(RECORDED / name)])
    lines = sum(len(_unpacked(Path(part.name)).splitlines()) for part in archive.parts)
    blocks = [block for part in archive.parts for block in part.blocks()]
    assert gaps_of(archive) == []
    assert lines == sum(
        len(block.data.splitlines())
        if isinstance(block, Lines)
        else len(block.entries)
        if isinstance(block, Entries)
        else 1
        for block in blocks
    )


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def test_a_journal_boiled_down_to_time_of_day_is_read_whole(tmp_path: Path) -> None:
    """Time, identifier, [pid], priority, text: every line is an entry of its own."""
    log = tmp_path / "boot.txt"
    log.write_text(
        "07:25:13.838 kernel [] P5 Linux version 6.1.0\n"
        "07:25:24.733 gunicorn [306] P6 [2026-11-23 07:25:24 +0000] [306] [INFO] Starting gunicorn 23.0.0\n"
        "07:25:25.001 systemd [1] P5 app.service: A process of this unit has been killed by the OOM killer.\n"
    )
    (part,) = open_archive([str(log)]).parts
    entries = [entry for block in part.blocks() if isinstance(block, Entries) for entry in block.entries]
    assert [(e.transport == "kernel", e.pid) for e in entries] == [(True, None), (False, 306), (False, 1)]
    assert entries[1].time_s - entries[0].time_s == pytest.approx(10.895)
