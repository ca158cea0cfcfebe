"""Settings and log kinds are read from text alone."""

# ruff: noqa: E501  (real log lines stand whole)
from __future__ import annotations

from pathlib import Path

import pytest

from analyzerd.formats.detect import detect
from analyzerd.formats.nginx_includes import NginxText
from analyzerd.formats.settings import effective, from_command_line, from_config, from_nginx
from analyzerd.model import Setting, Value

CORPUS = Path(__file__).parents[1] / "corpus" / "formats"


def values(settings: tuple[Setting, ...]) -> dict[str, Value]:
    """Names without their prefix, and values."""
    return {setting.name.partition(".")[2]: setting.value for setting in settings}


def test_a_command_line_in_all_its_spellings() -> None:
    """Glued, spaced and = forms, several binds, flags without value, and the app."""
    found = values(
        from_command_line(
            "/venv/bin/python /venv/bin/gunicorn -w4 --threads=8 -b 127.0.0.1:1 --bind unix:/run/g.sock "
            "--preload -t 60 --keep-alive 5 -c conf.py --reload shop:app"
        )
    )
    assert found == {
        "workers": 4, "threads": 8, "bind": "127.0.0.1:1,unix:/run/g.sock", "preload_app": True, "timeout": 60,
        "keepalive": 5, "config": "conf.py", "app": "shop:app", "worker_class": "gthread", "reload": True,
    }  # fmt: skip


def test_the_command_line_wins_over_the_environment() -> None:
    """GUNICORN_CMD_ARGS is the weaker of the two; each says where it came from."""
    settings = from_command_line(["gunicorn", "--workers", "3", "a:b"], env_args="--workers 9 --timeout 7")
    assert {(s.name, s.value, s.origin) for s in settings} >= {
        ("gunicorn.workers", 3, "gunicorn.cmdline"),
        ("gunicorn.timeout", 7, "GUNICORN_CMD_ARGS"),
    }


def test_a_config_file_is_read_not_run() -> None:
    """Literals and arithmetic count; calls, conditionals and huge powers are left out."""
    text = (
        "import multiprocessing\nbase = 2\nworkers = base * 2 + 1\nthreads = multiprocessing.cpu_count()\n"
        "bind = ['127.0.0.1:1', 'unix:/x']\ntimeout = 10 ** 10 ** 10\nmax_requests: int = 100\n"
        "accesslog = '/var/' + 'a.log'\nworkers_note = open('/etc/passwd')\n"
    )
    settings = from_config(text, "/srv/gunicorn.conf.py")
    assert values(settings) == {
        "workers": 5, "bind": "127.0.0.1:1,unix:/x", "max_requests": 100, "accesslog": "/var/a.log",
    }  # fmt: skip
    assert next(s.origin for s in settings if s.name == "gunicorn.workers") == "/srv/gunicorn.conf.py:3"
    assert [from_config(text, "x") for text in ("workers = (", "timeout = 1e400", "bind = [[1]]")] == [()] * 3


def test_an_endless_sum_in_a_config_file_is_survived() -> None:
    """Deep nesting neither raises nor hangs: the value is read or left out."""
    assert values(from_config("workers = " + "1+" * 5000 + "1", "x")) in ({}, {"workers": 5001})


def test_effective_settings_turn_sync_with_threads_into_gthread() -> None:
    """The class from the config and the threads from the command line meet."""
    found = values(effective(from_config("worker_class = 'sync'", "c"), from_command_line("gunicorn --threads 4 a:b")))
    assert (found["worker_class"], found["timeout"], found["workers"]) == ("gthread", 30, 1)


def test_nginx_settings_of_a_real_configuration() -> None:
    """The smallest timeout over the proxied locations, inherited where not set, and all upstreams."""
    settings = from_nginx([NginxText("/etc/nginx/nginx.conf", (CORPUS / "nginx.conf").read_text())])
    found = values(settings)
    assert (found["proxy_read_timeout"], found["proxy_connect_timeout"], found["worker_connections"]) == (
        1.0,
        2.0,
        512,
    )
    assert {"127.0.0.1:31200", "unix:/srv/tmp/rt/nx/perm.sock", "127.0.0.1:2"} <= set(
        str(found["upstream_addresses"]).split(",")
    )
    assert found["proxy_request_buffering"] is False
    assert str(found["log_format"]).startswith('$remote_addr - $remote_user [$time_local] "$request"')


def test_nginx_defaults_are_named_as_such() -> None:
    """A location that sets nothing has nginx's 60 s."""
    settings = from_nginx([NginxText("n", "http { server { location / { proxy_pass http://127.0.0.1:8000; } } }")])
    read = next(s for s in settings if s.name == "nginx.proxy_read_timeout")
    assert (read.value, read.origin) == (60.0, "nginx default")


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"[2026-11-23 07:04:05 +0000] [1] [INFO] Starting gunicorn 27.0.1\n", "", "gunicorn"),
        (b"2026/11/23 07:04:04 [notice] 1#1: nginx/1.22.1\n", "", "nginx.error"),
        (b'1.2.3.4 - - [23/Nov/2026:07:26:38 +0000] "GET / HTTP/1.1" 200 9 "-" "-"\n', "x.log", "nginx.access"),
        (b'1.2.3.4 - - [23/Nov/2026:07:26:38 +0000] "GET / HTTP/1.1" 200 9 "-" "-"\n', "gunicorn-access.log", "gunicorn.access"),
        (b"[    0.000000] Linux version 6.18\n", "", "kernel"),
        (b"Nov 23 07:09:22.013068 vm kernel: gunicorn invoked oom-killer: x\n", "", "journal-short"),
        (b"2026-11-23T07:09:22+0000 vm gunicorn[12]: x\n", "", "journal-short-iso"),
        (b'{"__CURSOR":"s=1","MESSAGE":"x"}\n', "", "journal-json"),
        (b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\n", "", "journal-export"),
        (b"", "/var/log/nginx/error.log", "nginx.error"),
        (b"hello\nworld\n", "notes.txt", ""),
    ],
)  # fmt: skip
def test_kinds(head: bytes, name: str, kind: str) -> None:
    """Each kind is told by its lines; what is unsure says why."""
    found = detect(head, name)
    assert found.kind == kind
    assert found.reason
