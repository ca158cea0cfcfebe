"""Settings as people lay them out: what is read without running anything equals what the running programs say.

The witness for gunicorn is its own control socket, for nginx the dump of `nginx -T`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from analyzerd.formats.control_socket import Question, settings_in_memory
from analyzerd.formats.nginx_includes import NginxText
from analyzerd.formats.settings import from_nginx, unresolved
from analyzerd.model import Setting, Value
from analyzerd.probes.configured import settings_of
from analyzerd.probes.control_socket import visit
from analyzerd.probes.launch import Launch, with_config_read_again
from analyzerd.probes.machine import MachineProbe
from analyzerd.sources.conf_files import nginx_texts
from tests.world.apps import HERE, Program, free_port, open_folder, venv, worker_user

pytestmark = [pytest.mark.world, pytest.mark.timeout(300)]  # the first run of a machine installs gunicorn
PLAIN = 'workers = 2\ntimeout = 41\nworker_class = "gthread"\nthreads = 3\nkeepalive = 7\n'
COMPUTED = "import multiprocessing\nworkers = min(multiprocessing.cpu_count() * 2 + 1, 3)\ntimeout = 20 + 2 * 5\n"
FROM_ENVIRONMENT = (
    "import os\nworkers = int(os.environ.get('SHOP_WORKERS', '1'))\ntimeout = int(os.getenv('SHOP_TIMEOUT', 33))\n"
    "max_requests = int(os.environ['SHOP_RECYCLE'])\n"
)
CONDITIONAL = (
    "import os\nfrom pathlib import Path\nkeepalive = 9\nif os.environ.get('SHOP_WORKERS') == '3':\n    workers = 2\n"
    "timeout = len(str(Path.cwd())) + 30\ndef post_fork(server, worker):\n    pass\n"
)
SPLIT = "from shop_common import *\nkeepalive = 4\n"
COMMON = "workers = 2\ntimeout = 77\n"
MARKING = PLAIN + "import os\nopen(os.environ['MARK'], 'a').write('ran\\n')\n"


@dataclass(frozen=True)
class Layout:
    """Files below the folder gunicorn is started in, its flags and variables, and what cannot be told."""

    files: Mapping[str, str] = field(default_factory=dict)
    flags: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    before: tuple[str, ...] = ()
    version: str = "27.0.1"


LAYOUTS = {
    "config file, plain": Layout({"gunicorn.conf.py": PLAIN}),
    "config file, named": Layout({"deploy/g.py": PLAIN}, "--config deploy/g.py"),
    "config file, named as file:": Layout({"deploy/g.py": PLAIN}, "-c file:deploy/g.py"),
    "computed from the processors": Layout({"gunicorn.conf.py": COMPUTED}),
    "computed under an affinity": Layout(
        {"gunicorn.conf.py": "import os\nworkers = len(os.sched_getaffinity(0))\nthreads = os.cpu_count()\n"},
        before=("taskset", "-c", "0"),
    ),
    "taken from the environment": Layout(
        {"gunicorn.conf.py": FROM_ENVIRONMENT}, environment={"SHOP_WORKERS": "2", "SHOP_RECYCLE": "500"}
    ),
    "flags alone": Layout(flags="-w 2 --timeout=44 -k gthread --threads 2 --max-requests 90 --max-requests-jitter 9"),
    "flags beside a file": Layout({"gunicorn.conf.py": PLAIN}, "--timeout 50 --workers 1"),
    "GUNICORN_CMD_ARGS": Layout(
        {"gunicorn.conf.py": PLAIN}, "--graceful-timeout 12", {"GUNICORN_CMD_ARGS": "--timeout 60 --keep-alive 11"}
    ),
    "WEB_CONCURRENCY": Layout(environment={"WEB_CONCURRENCY": "3"}),
    "threads that turn sync into gthread": Layout({"gunicorn.conf.py": "threads = 4\n"}),
    "python:module": Layout({"shop/__init__.py": "", "shop/conf.py": PLAIN}, "-c python:shop.conf"),
    "set under a condition": Layout(
        {"gunicorn.conf.py": CONDITIONAL},
        environment={"SHOP_WORKERS": "3"},
        unknown=frozenset({"gunicorn.workers", "gunicorn.timeout"}),
    ),
    "split over modules": Layout(
        {"gunicorn.conf.py": SPLIT, "shop_common.py": COMMON}, environment={"PYTHONPATH": "."}, unknown=frozenset({"*"})
    ),
}
NAMES = ("workers", "threads", "worker_class", "timeout", "graceful_timeout", "keepalive", "max_requests",
         "max_requests_jitter", "worker_connections", "bind")  # fmt: skip


@contextmanager
def running(layout: Layout, home: Path) -> Iterator[Program]:
    """Run a real gunicorn of that layout until its control socket answers."""
    for name, text in layout.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    argv = [*layout.before, str(venv(layout.version) / "bin" / "gunicorn"), "demo_app:app", "--pythonpath", str(HERE)]
    argv += ["--bind", f"127.0.0.1:{free_port()}", *layout.flags.split()]
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "MARK": str(home / "mark"), **layout.environment}
    with Program(argv, home, identifier="gunicorn", environment=environment) as gunicorn:
        gunicorn.wait_until(lambda: "Control socket listening" in gunicorn.tail(), "control socket")
        yield gunicorn


def launched(pid: int) -> Launch:
    """Read how that master was started."""
    with closing(MachineProbe()) as probe:
        probe.sample()
        return next(launch for launch in probe.launches() if launch.pid == pid)


def in_memory(pid: int, home: Path) -> dict[str, Value]:
    """Ask gunicorn itself."""
    stats, config = visit(str(home / ".gunicorn/gunicorn.ctl"), pid, (Question.STATS, Question.CONFIG))
    return named(settings_in_memory(config, stats, time_s=0.0, unit=""))


def named(settings: Sequence[Setting]) -> dict[str, Value]:
    """Give values by name."""
    return {one.name: one.value for one in settings}


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_read_is_what_gunicorn_says(name: str) -> None:
    """Each value equals the one in memory; what could not be told is named, and no default stands in for it."""
    layout = LAYOUTS[name]
    with open_folder() as home, running(layout, home) as gunicorn:
        launch = with_config_read_again(launched(gunicorn.pid))
        truth = in_memory(gunicorn.pid, home)
    read = named(settings_of(launch, 0.0))
    left = {row[0] for row in unresolved(launch.config_text, launch.config_path, launch.about)}
    assert left == layout.unknown
    for one in (f"gunicorn.{known}" for known in NAMES):
        if one in read:
            assert read[one] == truth[one], one
        else:
            assert one in left or "*" in left, one
    if "*" not in left:
        assert len(read.keys() & {f"gunicorn.{known}" for known in NAMES}) == len(NAMES) - len(left)


def test_no_code_of_the_user_ran() -> None:
    """A config that leaves a mark each time it is run: gunicorn ran it, reading it did not."""
    with open_folder() as home, running(Layout({"gunicorn.conf.py": MARKING}), home) as gunicorn:
        before = (home / "mark").read_text()
        launch = with_config_read_again(launched(gunicorn.pid))
        read = named(settings_of(launch, 0.0))
        unresolved(launch.config_text, launch.config_path, launch.about)
        assert (home / "mark").read_text() == before
    assert (read["gunicorn.timeout"], read["gunicorn.workers"]) == (41, 2)


def test_a_file_that_chdir_has_left_behind_is_not_taken_for_another() -> None:
    """With --chdir gunicorn reads the file where it was started, not the one where it works."""
    files = {"gunicorn.conf.py": PLAIN, "app/gunicorn.conf.py": "timeout = 99\n"}
    for known in (True, False):
        with open_folder() as home:
            layout = Layout(files, "--chdir app", {"PWD": str(home)} if known else {})
            with running(layout, home) as gunicorn:
                read = named(settings_of(launched(gunicorn.pid), 0.0))
                truth = in_memory(gunicorn.pid, home)
        assert truth["gunicorn.timeout"] == 41
        assert read.get("gunicorn.timeout") == (41 if known else None)


# ---- nginx ---------------------------------------------------------------------------------------------

SERVER = "server {{ listen 127.0.0.1:{port}; server_name {name}; {inside} }}\n"
NGINX: Mapping[str, Mapping[str, str]] = {
    "one file, inherited from http": {
        "nginx.conf": "http {{ {temps} proxy_read_timeout 45s;\n"
        "server {{ listen 127.0.0.1:{port};\n location / {{ proxy_pass http://127.0.0.1:8000; }} }} }}"
    },
    "a location of its own, several upstreams": {
        "nginx.conf": "http {{ {temps} proxy_read_timeout 45s;\nupstream api {{ server 127.0.0.1:8001; }}\n"
        "upstream shop {{ server 127.0.0.1:8000; server 127.0.0.1:8002; keepalive 8; }}\n"
        "server {{ listen 127.0.0.1:{port};\n location / {{ proxy_pass http://shop; }}\n"
        "location /api {{ proxy_read_timeout 5s; proxy_pass http://api; }} }} }}"
    },
    "split by includes": {
        "nginx.conf": "http {{ {temps} include conf.d/*.conf; include sites/*; }}",
        "conf.d/timeouts.conf": "proxy_read_timeout 90s;\nclient_max_body_size 8m;\n",
        "sites/shop": "server {{ listen 127.0.0.1:{port};\n include snippets/proxy;\n location / {{\n"
        " proxy_pass http://127.0.0.1:8000; }} }}",
        "snippets/proxy": "proxy_connect_timeout 7s;\n",
    },
}


@pytest.mark.parametrize("name", NGINX)
def test_nginx_is_read_as_it_reads_itself(name: str) -> None:
    """The same files in the same places as `nginx -T` dumps, and the same settings from both."""
    with open_folder() as home:
        main = _written(home, NGINX[name])
        done = subprocess.run(["nginx", "-T", "-c", main, "-p", home], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        dumped = dict(_files(done.stdout))
        found = nginx_texts(main, here=True)
        assert found is not None
        texts, includes = found
        ours = {file.path: file.text for group in (texts, *includes.values()) for file in group}
        assert {path: text.strip() for path, text in ours.items()} == dumped
        theirs = from_nginx([NginxText(str(main), dumped[str(main)])], _behind(includes, dumped))
    assert [(s.name, s.value) for s in from_nginx(texts, includes)] == [(s.name, s.value) for s in theirs]
    EXPECTED[name]({s.name: (s.value, s.origin.removeprefix(f"{home}/")) for s in from_nginx(texts, includes)})


def _written(home: Path, files: Mapping[str, str]) -> Path:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temps = "".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
    head = f"user {worker_user()};\n" if os.geteuid() == 0 else ""
    head += f"pid {home}/pid;\nerror_log {home}/error.log;\nevents {{}}\n"
    for path, text in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        whole = text.format(port=free_port(), temps=f"{temps} access_log {home}/access.log;")
        (home / path).write_text((head if path == "nginx.conf" else "") + whole)
    return home / "nginx.conf"


def _files(dump: str) -> Iterator[tuple[str, str]]:
    parts = re.split(r"(?m)^# configuration file (.+):$", dump)
    yield from zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True)


def _behind(includes: Mapping[str, Sequence[NginxText]], dumped: Mapping[str, str]) -> dict[str, Sequence[NginxText]]:
    return {name: [NginxText(file.path, dumped[file.path]) for file in files] for name, files in includes.items()}


Told = Mapping[str, tuple[Value, str]]


def _inherited(told: Told) -> None:
    assert told["nginx.proxy_read_timeout"] == (45, "nginx.conf:5")
    assert told["nginx.proxy_connect_timeout"] == (60, "nginx default")


def _several(told: Told) -> None:
    assert told["nginx.proxy_read_timeout@127.0.0.1:8001"][0] == 5
    assert told["nginx.proxy_read_timeout@127.0.0.1:8000,127.0.0.1:8002"] == (45, "nginx.conf:5")


def _split(told: Told) -> None:
    assert told["nginx.proxy_read_timeout"] == (90, "conf.d/timeouts.conf:1")
    assert told["nginx.proxy_connect_timeout"] == (7, "snippets/proxy:1")
    assert told["nginx.client_max_body_size"] == (8 << 20, "conf.d/timeouts.conf:2")


EXPECTED: Mapping[str, Callable[[Told], None]] = dict(zip(NGINX, (_inherited, _several, _split), strict=True))


def test_a_file_edited_after_the_start_is_told_as_not_loaded() -> None:
    """Before a reload the new value is on disk only; the command names both."""
    with open_folder() as home, running(LAYOUTS["config file, plain"], home) as gunicorn:
        time.sleep(3)
        (home / "gunicorn.conf.py").write_text(PLAIN.replace("41", "55"))
        config = home / "analyzerd.yaml"
        config.write_text("journal: {enabled: false}\n")
        ctl = Path(sys.executable).parent / "analyzerctl"
        argv = [str(ctl), "--config", str(config), "settings"]
        said = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
        mine = next(part for part in said.split("\n\n") if f"(master {gunicorn.pid}" in part)
    assert f"gunicorn.timeout: {home}/gunicorn.conf.py:2 says 55, 41 is in effect: not loaded" in mine
    assert "no worker is younger: not reloaded" in mine
