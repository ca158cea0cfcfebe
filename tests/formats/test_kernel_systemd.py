"""Kernel and systemd records of real machines become typed events."""

# ruff: noqa: E501  (real log lines stand whole)
from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyzerd import formats
from analyzerd.model import Entry, Event, Stream

CORPUS = Path(__file__).parents[1] / "corpus" / "formats"
KERNEL = Stream("kernel", "kernel")
JOURNAL = Stream("journal", "gunicorn")


def vm_entries() -> list[Entry]:
    """Entries of a real systemd 252 on kernel 6.1."""
    records = [json.loads(line) for line in (CORPUS / "vm-journal.json").read_text().splitlines()]
    return [
        Entry(
            int(record["__REALTIME_TIMESTAMP"]) / 1e6,
            record["MESSAGE"].encode(),
            int(record["_PID"]) if "_PID" in record else None,
            record.get("_SYSTEMD_UNIT", ""),
            record.get("_TRANSPORT", ""),
            record.get("SYSLOG_IDENTIFIER", ""),
            {name: value for name, value in record.items() if not name.startswith("_")},
        )
        for record in records
    ]


def vm_events() -> list[Event]:
    """Those entries as events, reports joined."""
    assembler = formats.Assembler(JOURNAL)
    events: list[Event] = []
    for entry in vm_entries():
        events += assembler.feed_entry(entry)
        if not assembler.took and (event := formats.parse_entry(entry, JOURNAL)):
            events.append(event)
    return events + assembler.flush()


def test_a_report_of_kernel_6_18_is_one_event() -> None:
    """Header, table, summary and kill line give limit, usage, victim and its siblings."""
    events = formats.read((CORPUS / "oom-6.18.txt").read_bytes(), KERNEL)
    (oom,) = [event for event in events if event.fields.get("event") == "oom-kill"]
    fields = oom.fields
    assert (fields["pid"], fields["comm"], fields["constraint"]) == (4473, "gunicorn", "memcg")
    assert (fields["unit"], fields["limit_bytes"]) == ("gunicorn.service", 153600 * 1024)
    assert (fields["tasks"], fields["same_name_tasks"]) == (3, 3)
    assert fields["victim_rss_bytes"] == 34446 * 4096
    assert fields["anon_rss_bytes"] == 130176 * 1024


def test_every_victim_of_an_oom_group_is_one_event() -> None:
    """The first victim is printed twice and counted once; all bear the unit."""
    kills = [event for event in vm_events() if event.fields.get("event") == "oom-kill"]
    assert [kill.fields["pid"] for kill in kills] == [360, 359, 364]
    assert {kill.fields["unit"] for kill in kills} == {"oom-kill.service"}


def test_the_old_two_line_report_names_the_process_really_killed() -> None:
    """Kernel 4.x chooses one process and kills its child: the second line counts."""
    data = (
        b"[ 1.000000] python invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), order=0, oom_score_adj=0\n"
        b"[ 1.000001] Task in /system.slice/web.service killed as a result of limit of /system.slice\n"
        b"[ 1.000002] memory: usage 1000kB, limit 2000kB, failcnt 3\n"
        b"[ 1.000002] eth0: link up\n"
        b"[ 1.000003] Memory cgroup out of memory: Kill process 10 (gunicorn) score 999 or sacrifice child\n"
        b"[ 1.000004] Killed process 11 (gunicorn) total-vm:5kB, anon-rss:4kB, file-rss:3kB, shmem-rss:2kB\n"
    )
    link, oom = formats.read(data, KERNEL)
    assert link.text == "eth0: link up"
    assert (oom.fields["pid"], oom.fields["unit"], oom.fields["constraint"]) == (11, "web.service", "memcg")
    assert (oom.fields["limit_bytes"], oom.fields["victim_rss_bytes"]) == (2000 * 1024, 9 * 1024)


def test_a_global_kill_line_alone_is_enough() -> None:
    """Header and summary are rate-limited away: the kill line still speaks."""
    line = (
        b"Out of memory: Killed process 654 (gunicorn) total-vm:497600kB, anon-rss:468528kB, file-rss:0kB, "
        b"shmem-rss:0kB, UID:33 pgtables:992kB oom_score_adj:0"
    )
    (event,) = formats.read(line, KERNEL)
    assert (event.fields["pid"], event.fields["constraint"]) == (654, "host")


@pytest.mark.parametrize(
    ("line", "library"),
    [
        ("gunicorn[860]: segfault at 0 ip 00007f8321ce7219 sp 00007ffc21c99fb8 error 4 in libc.so.6[7f83+156000]", "libc.so.6"),
        ("gunicorn[860]: segfault at 0 ip 00007f sp 00007f error 4 in libc.so.6[b4cb6,7fa0+163000] likely on CPU 0 (core 0, socket 0)", "libc.so.6"),
        ("traps: gunicorn[860] general protection fault ip:7f sp:7f error:0 in x.so[55+1]", "x.so"),
    ],
)  # fmt: skip
def test_a_crash_names_thread_and_library(line: str, library: str) -> None:
    """Three kernels' wordings of a crash."""
    (event,) = formats.read(line.encode(), KERNEL)
    assert (event.fields["event"], event.fields["pid"], event.fields["comm"]) == ("segfault", 860, "gunicorn")
    assert event.fields["library"] == library


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("main-exited", "exit_status", 9),
        ("failed", "result", "oom-kill"),
        ("restart-scheduled", "restarts", 1),
        ("spawn-failed", "errno", 2),
        ("start-failed", "job_result", "failed"),
        ("coredump", "coredump_signal", "SIGSEGV"),
        ("killing", "signal", "SIGKILL"),
    ],
)
def test_manager_entries_are_typed(kind: str, field: str, value: object) -> None:
    """MESSAGE_ID and fields of a real systemd give the event and its value."""
    assert value in [event.fields.get(field) for event in vm_events() if event.fields.get("event") == kind]


def test_the_unit_of_a_manager_entry_is_the_one_it_is_about() -> None:
    """UNIT= counts, not the manager's own init.scope."""
    failed = next(event for event in vm_events() if event.fields.get("event") == "failed")
    assert failed.unit.endswith(".service")
    assert (failed.pid, failed.trusted) == (1, True)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("web.service: Start request repeated too quickly.", "start-limit"),
        ("web.service: State 'stop-sigterm' timed out. Killing.", "stop-timeout"),
        ("web.service: start operation timed out. Terminating.", "start-timeout"),
        ("web.service: Watchdog timeout (limit 1s)!", "watchdog"),
        ("web.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED", "main-exited"),
        ("web.service: Control process exited, code=exited, status=1/FAILURE", "control-exited"),
        ("Started web.service - The shop.", "started"),
    ],
)
def test_text_is_read_where_the_id_is_missing(text: str, kind: str) -> None:
    """A plain-text journal has no fields: the words are enough."""
    event = formats.parse_entry(Entry(1.0, text.encode(), 1, "init.scope", "journal", "systemd"), JOURNAL)
    assert event is not None
    assert (event.source, event.fields["event"], event.unit) == ("systemd", kind, "web.service")


def test_a_service_cannot_speak_as_systemd() -> None:
    """An app that sends systemd's MESSAGE_ID stays an app."""
    fields = {"MESSAGE_ID": "fe6faa94e7774663a0da52717891d8ef", "UNIT": "web.service"}
    entry = Entry(1.0, b"web.service: A process ...", 77, "web.service", "journal", "systemd", fields)
    event = formats.parse_entry(entry, JOURNAL)
    assert event is not None
    assert event.source == "app"
