"""Parsers of /proc text, on captured and on hostile text."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzerd.probes import proctext
from analyzerd.probes.heartbeat import heartbeat_age_s
from analyzerd.probes.launch import config_path, option_values

PROC = Path(__file__).resolve().parent.parent / "fixtures/proc"


def test_stat_survives_a_hostile_name() -> None:
    """A process may call itself anything, brackets, spaces and newlines included."""
    text = (PROC / "4184/stat").read_bytes().replace(b"(gunicorn)", b"(a) R 1\n(b)")
    stat = proctext.parse_stat(text)
    assert (stat.comm, stat.state, stat.ppid, stat.threads) == ("a) R 1\n(b", "S", 4181, 3)
    assert stat.start_s == 2269.19
    assert stat.arg_start > 0


def test_stat_cut_short_is_an_error() -> None:
    """Half a line is no reading."""
    with pytest.raises(ValueError, match="cut short"):
        proctext.parse_stat(b"4184 (gunicorn) S 4181")


def test_status_without_memory_lines_is_unknown_not_zero() -> None:
    """A zombie has no memory lines: its sizes are None."""
    status = proctext.parse_status(b"Name:\tgunicorn\nState:\tZ (zombie)\nvoluntary_ctxt_switches:\t5\n")
    assert (status.rss_bytes, status.anon_bytes, status.voluntary_switches) == (None, None, 5)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (b"9:memory:/x\n1:name=systemd:/system.slice/shop.service\n0::/\n", "shop.service"),
        (b"0::/system.slice/shop.service\n", "shop.service"),
        (b"1:name=systemd:/\n0::/system.slice/shop.service\n", "shop.service"),
        (b"0::/user.slice/user@1000.service/app.slice/web@2.service/sub\n", "web@2.service"),
        (b"0::/user.slice/session-2.scope\n", ""),
        (b"", ""),
        (b"garbage", ""),
    ],
)
def test_unit_of_a_process(text: bytes, unit: str) -> None:
    """The last service of the systemd path names the unit in every layout."""
    assert proctext.unit_of(proctext.parse_cgroup(text)) == unit


def test_environment_keeps_only_what_was_asked_for() -> None:
    """Secrets of the environment are not even held."""
    text = b"DATABASE_URL=postgres://u:secret@h/d\0WEB_CONCURRENCY=4\0PORT=80"
    assert proctext.parse_environment(text, ("WEB_CONCURRENCY",)) == {"WEB_CONCURRENCY": "4"}


def test_fd_limit_unlimited_is_none() -> None:
    """A number is read, the word is not."""
    assert proctext.parse_fd_limit(b"Max open files            1024     4096     files") == 1024
    assert proctext.parse_fd_limit(b"Max open files            unlimited  unlimited  files") is None


def test_heartbeat_ages() -> None:
    """Both generations of heartbeat files are read; a clock that makes no sense is None."""
    wall, uptime = 1_795_417_732.0, 2_800.0
    assert heartbeat_age_s(0o100600, 2_797.5, wall, uptime, wall) == 2.5
    assert heartbeat_age_s(0o100001, wall - 900, wall - 4, uptime, wall) == 4.0
    assert heartbeat_age_s(0o100600, wall - 3, wall - 3, uptime, wall) < -1e6
    assert heartbeat_age_s(0o100600, uptime + 500, wall, uptime, wall) is None
    assert heartbeat_age_s(0o100600, uptime + 0.01, wall, uptime, wall) == 0.0


def test_option_values_in_every_spelling() -> None:
    """The four ways to write an option are understood, other options are not taken for it."""
    arguments = ("-b", "a:1", "-bb:2", "--bind", "c:3", "--bind=d:4", "--bind-x", "e", "-w", "3")
    assert option_values(arguments, "-b", "--bind") == ["a:1", "b:2", "c:3", "d:4"]


def test_config_path() -> None:
    """A relative path stands in the master's folder; a module is not a file; no folder, no guess."""
    assert config_path(("gunicorn", "-c", "file:conf/g.py"), "/srv/app") == "/srv/app/conf/g.py"
    assert config_path(("gunicorn", "-c", "python:conf"), "/srv/app") == ""
    assert config_path(("gunicorn",), "/srv/app") == "/srv/app/gunicorn.conf.py"
    assert config_path(("gunicorn",), "") == ""


def test_switches_of_a_thread_are_read_from_its_status() -> None:
    """Voluntary ones only; a text cut short tells nothing."""
    text = b"Name:\tgunicorn\nvoluntary_ctxt_switches:\t41\nnonvoluntary_ctxt_switches:\t7\n"
    assert proctext.parse_switches(text) == 41
    assert proctext.parse_switches(b"Name:\tgunicorn\n") is None
    assert proctext.parse_switches(b"") is None
