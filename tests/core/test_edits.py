"""Files changed by position: the rest stays to the byte, and real programs take the diffs back and forth."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzerd.core.edits import (
    Edit,
    EditError,
    as_bytes,
    change_directive,
    drop_in,
    insert_beside_proxy_pass,
    rollback,
    set_in_config,
    unified,
    with_option,
)
from analyzerd.formats.unit_settings import unit_commands

CONF = "/etc/shop/gunicorn.conf.py"
NGINX = "/etc/nginx/sites-enabled/shop"
UNIT = "[Service]\nExecStart=-/opt/v/bin/gunicorn --workers 3 -t30 'shop.wsgi:make(\"a b\")'\n"


def put(folder: Path, edit: Edit, content: bytes | None) -> Path:
    """Write a file as the machine would hold it below ``folder``, and return its place."""
    place = folder / edit.path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if content is not None:
        place.write_bytes(content)
    return place


def patched(folder: Path, edit: Edit, diff: str, command: list[str]) -> bytes | None:
    """Let a real program apply a diff from the root folder; the file's bytes after it, None when it is gone."""
    done = subprocess.run(command, cwd=folder, input=as_bytes(diff), capture_output=True, check=False)
    assert done.returncode == 0, (diff, done.stdout, done.stderr)
    place = folder / edit.path.lstrip("/")
    return place.read_bytes() if place.exists() else None


PROGRAMS = [["patch", "-p0", "-s", "--binary"], ["patch", "-p0", "-s"], ["git", "apply", "-p0", "--whitespace=nowarn"]]


def goes_both_ways(folder: Path, edit: Edit) -> None:
    """Apply a change and its rollback by each real program."""
    for command in PROGRAMS:
        put(folder, edit, edit.old)
        assert patched(folder, edit, unified(edit), command) == edit.new
        assert patched(folder, edit, rollback(edit), command) == edit.old


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"workers = 3\ntimeout = 30  # Sek\xc3\xbcnden\n", b"workers = 3\ntimeout = 60  # Sek\xc3\xbcnden\n"),
        (b"a = '\xc3\xa4'; timeout = 30 ; b = 1", b"a = '\xc3\xa4'; timeout = 60 ; b = 1"),
        (b"timeout\t=\t30\r\nbind = 'x'\r\n", b"timeout\t=\t60\r\nbind = 'x'\r\n"),
        (b"\xef\xbb\xbftimeout = 30\n", b"\xef\xbb\xbftimeout = 60\n"),
        (b"\xef\xbb\xbf", b"\xef\xbb\xbftimeout = 60  # analyzerd: was not set; p99.9 is 41 s\n"),
        (b"timeout: int = 30", b"timeout: int = 60"),
        (b"timeout = (30)\n", b"timeout = (60)\n"),
        (b"timeout = -1\n", b"timeout = 60\n"),
        (b"timeout = 10\ntimeout = 30\n", b"timeout = 10\ntimeout = 60\n"),
        (
            b"timeout = n() * 2; b = 3\nc = 1",
            b"timeout = n() * 2; b = 3\ntimeout = 60  # analyzerd: overrides line 1; p99.9 is 41 s\nc = 1",
        ),
        (
            b"timeout = (\r\n  10 +\r\n  20)\r\nx = 1\r\n",
            (
                b"timeout = (\r\n  10 +\r\n  20)\r\n"
                b"timeout = 60  # analyzerd: overrides line 1; p99.9 is 41 s\r\nx = 1\r\n"
            ),
        ),
        (
            b"timeout = 30\ngraceful_timeout = timeout + 5\n",
            (
                b"timeout = 30\ngraceful_timeout = timeout + 5\n"
                b"timeout = 60  # analyzerd: overrides line 1; p99.9 is 41 s\n"
            ),
        ),
        (
            b"if x:\n    timeout = 30\nelse:\n    timeout = 5",
            (
                b"if x:\n    timeout = 30\nelse:\n    timeout = 5\n"
                b"timeout = 60  # analyzerd: overrides line 1; p99.9 is 41 s\n"
            ),
        ),
        (
            b"timeout = 30\nfrom base import *\n",
            b"timeout = 30\nfrom base import *\ntimeout = 60  # analyzerd: overrides line 2; p99.9 is 41 s\n",
        ),
        (b"# only\rworkers = 3", b"# only\rworkers = 3\rtimeout = 60  # analyzerd: was not set; p99.9 is 41 s\r"),
        (
            b"timeout = 30\n\ndef on_exit(server):\n    print(timeout)\n",
            b"timeout = 60\n\ndef on_exit(server):\n    print(timeout)\n",
        ),
    ],
)
def test_gunicorn_conf_is_changed_in_one_place(old: bytes, new: bytes, tmp_path: Path) -> None:
    """The setting gets its value where it stands, else a line that overrides it; nothing else moves by a byte."""
    edit = set_in_config(CONF, old, "timeout", 60, "p99.9 is 41 s")
    assert edit.new == new
    goes_both_ways(tmp_path, edit)


def test_the_quotes_of_a_text_stay() -> None:
    """A text keeps the quotes it was written in."""
    assert (
        set_in_config(CONF, b'worker_class = "sync"\n', "worker_class", "gthread").new == b'worker_class = "gthread"\n'
    )
    assert set_in_config(CONF, b"worker_class = 'sync'", "worker_class", "gthread").new == b"worker_class = 'gthread'"


@pytest.mark.parametrize(
    "old",
    [
        b"timeout = = 3\n",
        b"# coding: latin-1\ntimeout = 30\n",
        b"\0",
        b"timeout = 60\n",
        b"x = 1\\\n",
        b"#" * 2_000_000,
    ],
)
def test_what_cannot_be_changed_safely_is_refused(old: bytes) -> None:
    """No guess is written: the error names the file."""
    with pytest.raises(EditError, match=CONF):
        set_in_config(CONF, old, "timeout", 60)


def test_a_reason_cannot_leave_its_comment() -> None:
    """Measured text that holds line ends or code stays on the comment's one line."""
    edit = set_in_config(CONF, b"a = 1\n", "timeout", 60, "x\nimport os\r\x0b\u2028é" + "y" * 500)
    assert len(edit.new.splitlines()) == 2
    assert len(ast.parse(edit.new).body) == 2


LINES = st.sampled_from(
    [
        "timeout = 30",
        "timeout = int('3')",
        "workers = 4  # \u00e4\u4e16",
        "\tx = 1",
        "if workers:\n    timeout = 7",
        "name = '''a\ntimeout = 1\nb'''",
        "threads = timeout",
        "def post_fork(server, worker):\n\ttimeout = 1",
        "# timeout = 3",
        "",
        "bind = ['a', 'b']; backlog = 3",
        "from x import *",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_any_file_ends_with_the_value_or_a_refusal(lines: list[str], newline: str, last: bool, bom: bool) -> None:
    """After a change the last word on the setting is the value, and every old line but one is still there."""
    text = "\n".join(lines) + ("\n" if last else "")
    old = (b"\xef\xbb\xbf" if bom else b"") + text.replace("\n", newline).encode()
    try:
        edit = set_in_config(CONF, old, "timeout", 60)
    except EditError:
        with pytest.raises(SyntaxError):
            ast.parse(old)
        return
    was, now = old.split(b"\n"), edit.new.split(b"\n")
    assert sum(line.rstrip(b"\r") not in [one.rstrip(b"\r") for one in now] for line in was) <= 1
    bound = [
        n
        for n in ast.parse(edit.new).body
        if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "timeout"
    ]
    assert ast.literal_eval(bound[-1].value) == 60
    if newline == "\r\n" and b"\r\n" in old:
        assert edit.new.count(b"\n") == edit.new.count(b"\r\n")


@settings(max_examples=40, deadline=None)
@given(
    old=st.lists(
        st.sampled_from([b"a\n", b"b\r\n", b"\xff\n", b"\t \n", b"\xc3\xa4\n", b"\\ No newline\n"]), max_size=30
    ),
    new=st.lists(st.sampled_from([b"a\n", b"c\r\n", b"\n", b"--- x\n", b"+++ y\n"]), min_size=1, max_size=30),
    ends=st.tuples(st.sampled_from([b"", b"z"]), st.sampled_from([b"", b"z", b"\r"])),
)
def test_real_programs_take_every_diff_there_and_back(
    old: list[bytes], new: list[bytes], ends: tuple[bytes, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both patch and git apply make the new file from the old one and the old one from the new, byte for byte."""
    edit = Edit("/srv/a b/x.conf", b"# first\n" + b"".join(old) + ends[0], b"# first\n" + b"".join(new) + ends[1])
    if edit.old != edit.new:
        goes_both_ways(tmp_path_factory.mktemp("diff"), edit)


SITE = """upstream shop { server unix:/run/shop.sock; }\r
server {\r
\tlocation / {  # gr\u00fc\u00dfe { }\r
\t\tproxy_read_timeout\t60s;\r
\t\tproxy_pass http://shop;\r
\t}\r
\tlocation /b { proxy_pass http://shop/x; }\r
\tlocation /other {\r
\t\tproxy_pass http://127.0.0.1:9000;\r
\t}\r
}"""


def test_a_directive_of_nginx_is_changed_where_it_stands(tmp_path: Path) -> None:
    """Its argument alone is another one; tabs, CRLF, comments and a missing last newline stay."""
    edit = change_directive(NGINX, SITE.encode(), "proxy_read_timeout", "95s", 4)
    assert edit.new == SITE.replace("\t60s", "\t95s").encode()
    goes_both_ways(tmp_path, edit)
    for line, name, value in (
        (5, "proxy_read_timeout", "95s"),
        (4, "proxy_read_timeout", "60s"),
        (3, "location", "/x"),
    ):
        with pytest.raises(EditError, match=f"{NGINX}:{line}"):
            change_directive(NGINX, SITE.encode(), name, value, line)


def test_a_missing_directive_goes_beside_the_apps_proxy_pass(tmp_path: Path) -> None:
    """Each of the app's locations gets it with the file's own indentation; another app's is left alone."""
    edit = insert_beside_proxy_pass(NGINX, SITE.encode(), "proxy_connect_timeout", "5s", ("shop",))
    one = SITE.replace("\t\tproxy_pass http://shop;", "\t\tproxy_connect_timeout 5s;\r\n\t\tproxy_pass http://shop;")
    assert edit.new == one.replace("{ proxy_pass", "{ proxy_connect_timeout 5s; proxy_pass").encode()
    goes_both_ways(tmp_path, edit)
    with pytest.raises(EditError, match="certainly"):
        insert_beside_proxy_pass(NGINX, SITE.encode(), "proxy_connect_timeout", "5s")
    with pytest.raises(EditError, match="already"):
        insert_beside_proxy_pass(NGINX, SITE.encode(), "proxy_read_timeout", "5s", ("shop",))
    with pytest.raises(EditError, match="plain"):
        insert_beside_proxy_pass(NGINX, SITE.encode(), "proxy_read_timeout", "5s; } evil", ("shop",))


def test_a_unit_is_changed_by_a_drop_in(tmp_path: Path) -> None:
    """A new file of its own sets the value; taking it back removes the file."""
    edit = drop_in("shop.service", "TimeoutStopSec", "35", [("/etc/systemd/system/shop.service", UNIT)], None, "ladder")
    assert edit.path == "/etc/systemd/system/shop.service.d/zz-analyzerd-timeoutstopsec.conf"
    assert edit.new == b"# analyzerd: ladder\n[Service]\nTimeoutStopSec=35\n"
    goes_both_ways(tmp_path, edit)
    later = ("/etc/systemd/system/shop.service.d/zzz.conf", "[Service]\nTimeoutStopSec=5\n")
    with pytest.raises(EditError, match="counts after"):
        drop_in("shop.service", "TimeoutStopSec", "35", [later], None, "")
    for unit, value in (("../x.service", "35"), ("shop.service", "35\nExecStart=/bin/sh")):
        with pytest.raises(EditError):
            drop_in(unit, "TimeoutStopSec", value, [], None, "")


@pytest.mark.parametrize(
    ("command", "name", "new"),
    [
        ("-/v/gunicorn --workers 3 a:b", "workers", "-/v/gunicorn --workers 7 a:b"),
        ("/v/gunicorn -w3 'a:b(\"x y\")'", "workers", "/v/gunicorn -w7 'a:b(\"x y\")'"),
        ("gunicorn --workers=3 a:b", "workers", "gunicorn --workers=7 a:b"),
        ("/v/gunicorn a:b", "graceful_timeout", "/v/gunicorn --graceful-timeout 7 a:b"),
        ("/v/python -m gunicorn -w 2 -w 3 a:b", "workers", "/v/python -m gunicorn -w 2 -w 7 a:b"),
    ],
)
def test_an_option_of_the_command_line_is_changed_as_it_is_written(command: str, name: str, new: str) -> None:
    """The whole new line goes into a drop-in that takes the old one back first."""
    assert with_option(command, name, 7) == new
    edit = drop_in("shop.service", "ExecStart", new, [], None, "")
    assert b"\nExecStart=\nExecStart=" in edit.new
    assert unit_commands([("", edit.new.decode())])[0] == new.lstrip("-")


@pytest.mark.parametrize("command", ["/bin/sh -c 'gunicorn -w 3 a:b'", "/srv/start.sh"])
def test_a_command_line_that_hides_gunicorn_is_refused(command: str) -> None:
    """A shell's line is not taken apart."""
    with pytest.raises(EditError, match="by hand"):
        with_option(command, "max_requests", "7 ; rm")
