"""The probes on a real gunicorn and a real OOM kill."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from analyzerd.model import ProcessReading, Sample
from analyzerd.probes.cgroup import CgroupProbe
from analyzerd.probes.configured import settings_of
from analyzerd.probes.finder import Finder
from analyzerd.probes.launch import read_launch
from analyzerd.probes.machine import MachineProbe
from tests.world.apps import venv

pytestmark = pytest.mark.world

APP = """
import time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/cpu":
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
    if path.startswith("/sleep/"):
        time.sleep(float(path.rsplit("/", 1)[1]))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


class Server:
    """A real gunicorn on loopback; ``address`` is a port's or a unix socket's bind value."""

    def __init__(self, folder: Path, workers: int, *arguments: str, address: str = "") -> None:
        self.folder, self.workers = folder, workers
        self.address = address or f"127.0.0.1:{_free_port()}"
        (folder / "probed.py").write_text(APP)
        program = [str(venv("27.0.1") / "bin/gunicorn"), "probed:app", "--no-control-socket"]
        self.argv = [*program, "--bind", self.address, "--workers", str(workers), *arguments]
        self.clients: list[socket.socket] = []

    def __enter__(self) -> Server:
        with (self.folder / "gunicorn.log").open("ab") as log:
            self.process = subprocess.Popen(self.argv, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        _until(self._answers, f"{self.address} answers", log=self.folder / "gunicorn.log")
        _until(lambda: len(self._children()) == self.workers, f"{self.workers} workers")
        return self

    def _children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def ask(self, path: str) -> socket.socket:
        """Send one request without waiting for its answer."""
        client = self._connect()
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        self.clients.append(client)
        return client

    def _connect(self) -> socket.socket:
        if self.address.startswith("unix:"):
            with contextlib.ExitStack() as on_failure:
                client = on_failure.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(self.address.removeprefix("unix:"))
                on_failure.pop_all()
            return client
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=30)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "gunicorn.log").read_text()[-2000:])
        with contextlib.suppress(OSError), self._connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.1 200")
        return False


@pytest.fixture
def probe() -> Iterator[MachineProbe]:
    """Give a probe of this machine."""
    machine = MachineProbe()
    yield machine
    machine.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _until(done: Callable[[], object], what: str, patience_s: float = 20.0, log: Path | None = None) -> None:
    end = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience_s} s: {what}\n{log.read_text() if log else ''}")
        threading.Event().wait(0.05)


def _family(sample: Sample, master: int) -> tuple[list[ProcessReading], list[ProcessReading]]:
    """Split the readings of one master's tree: other gunicorns may run on this machine."""
    children = {
        p.pid
        for p in sample.processes
        if f"\nPPid:\t{master}\n" in Path(f"/proc/{p.pid}/status").read_text(errors="replace")
    }
    masters = [p for p in sample.processes if p.pid == master]
    return masters, [p for p in sample.processes if p.pid in children]


def test_master_and_workers_are_found_with_their_counters(probe: MachineProbe, tmp_path: Path) -> None:
    """Roles, unit and every counter of a fresh tree are read; none is missing for its owner."""
    with Server(tmp_path, 3) as server:
        masters, workers = _family(probe.sample(), server.process.pid)
    assert [p.role for p in masters] == ["master"]
    assert [p.role for p in workers] == ["worker"] * 3
    for reading in (*masters, *workers):
        missing = [name for name in reading.__slots__ if getattr(reading, name) is None]
        assert missing == (["heartbeat_age_s"] if reading.role == "master" else [])
        assert reading.unit == ""
        assert reading.pss_bytes > 1 << 20
        assert reading.fd_limit >= 256


def test_long_kernel_lists_are_read_to_their_end(probe: MachineProbe) -> None:
    """The live host shows every counter that is looked for, the last ones of long files too."""
    host = probe.sample().host
    assert {"pswpin", "pgmajfault", "oom_kill"} <= host.vmstat.keys()
    assert {"ListenOverflows", "TCPReqQFullDrop", "TCPSynRetrans"} <= host.netstat.keys()
    assert host.memory_available_bytes > 0


def test_settings_of_a_running_master(tmp_path: Path) -> None:
    """Command line and config file of a live master are read, named with their places."""
    (tmp_path / "gunicorn.conf.py").write_text("timeout = 77\n")
    with Server(tmp_path, 2, "--threads", "3") as server:
        found = Finder().find(0.0)[server.process.pid]
        settings = {one.name: one.value for one in settings_of(read_launch(found), 1.0)}
    wanted = {"gunicorn.workers": 2, "gunicorn.threads": 3, "gunicorn.timeout": 77}
    assert wanted.items() <= settings.items()
    assert settings["gunicorn.worker_class"] == "gthread"


def test_counters_grow_under_load(probe: MachineProbe, tmp_path: Path) -> None:
    """CPU seconds and run nanoseconds of workers grow by what the requests burnt, and agree."""
    with Server(tmp_path, 1) as server:
        _, before = _family(probe.sample(), server.process.pid)
        for _ in range(3):
            assert server.ask("/cpu").recv(64).startswith(b"HTTP/1.1 200")
        _, after = _family(probe.sample(), server.process.pid)
    burnt_s = after[0].cpu_user_s + after[0].cpu_system_s - before[0].cpu_user_s - before[0].cpu_system_s
    ran_s = (after[0].run_ns - before[0].run_ns) / 1e9
    assert burnt_s > 0.8
    assert abs(ran_s - burnt_s) < 0.3


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_queue_is_seen_while_workers_are_busy(probe: MachineProbe, tmp_path: Path, kind: str) -> None:
    """Requests behind a busy sync worker stand in the listener's queue, against its limit."""
    address = f"unix:{tmp_path}/g.sock" if kind == "unix" else ""
    with Server(tmp_path, 1, "--backlog", "32", address=address) as server:
        for _ in range(4):
            server.ask("/sleep/20")

        def listener():
            sample = probe.sample()
            mine = [one for one in sample.listeners if one.address == server.address]
            return sample, mine[0]

        _until(lambda: listener()[1].queue == 3, "three requests wait")
        sample, mine = listener()
        _, workers = _family(sample, server.process.pid)
    assert (mine.queue, mine.queue_limit, mine.established) == (3, 32, 1)
    assert [p.connections for p in workers] == [1]


def test_heartbeat_age_grows_on_a_hung_sync_worker(probe: MachineProbe, tmp_path: Path) -> None:
    """A worker in one long request stops beating, and what it waits on is shown; its sibling beats on."""
    with Server(tmp_path, 2, "--timeout", "60") as server:
        server.ask("/sleep/30")

        def ages() -> list[float]:
            _, workers = _family(probe.sample(), server.process.pid)
            return [p.heartbeat_age_s for p in workers if p.connections]

        _until(lambda: ages() and ages()[0] > 3.2, "the busy worker's heartbeat is 3 s old")
        _, workers = _family(probe.sample(), server.process.pid)
    hung = next(p for p in workers if p.connections)
    assert 3.2 < hung.heartbeat_age_s < 30
    assert hung.blocked[0]["tid"] == hung.pid
    assert "nanosleep" in hung.blocked[0]["wchan"]


def test_a_worker_that_never_beat_is_told_from_a_silent_one(probe: MachineProbe, tmp_path: Path) -> None:
    """While the app is still being imported the heartbeat age is far below zero."""
    with Server(tmp_path, 1) as server:
        (tmp_path / "probed.py").write_text("import time\ntime.sleep(60)\n")
        server.process.send_signal(signal.SIGHUP)

        def booting() -> bool:
            _, workers = _family(probe.sample(), server.process.pid)
            return any(p.heartbeat_age_s is not None and p.heartbeat_age_s < -1e6 for p in workers)

        _until(booting, "a worker that is booting")


def test_second_master_after_usr2_is_a_master(probe: MachineProbe, tmp_path: Path) -> None:
    """A binary upgrade shows two masters, each with workers of its own, on one listener."""
    with Server(tmp_path, 2) as server:
        server.process.send_signal(signal.SIGUSR2)

        def roles() -> list[str]:
            group = os.getpgid(server.process.pid)
            own = [p for p in probe.sample().processes if _group(p.pid) == group]
            return sorted(p.role for p in own)

        _until(lambda: roles() == ["master"] * 2 + ["worker"] * 4, "two masters with two workers each")
        assert [one.address for one in probe.sample().listeners].count(server.address) == 1


def test_processes_that_leave_are_let_go(probe: MachineProbe, tmp_path: Path) -> None:
    """After the tree has ended no reading of it and no handle on it is left."""
    handles = len(list(Path("/proc/self/fd").iterdir()))
    with Server(tmp_path, 2) as server:
        pid = server.process.pid
        assert _family(probe.sample(), pid)[0]
        assert len(list(Path("/proc/self/fd").iterdir())) > handles
    assert pid not in {p.pid for p in probe.sample().processes}
    assert not [key for key in probe._probes if key[0] == pid]


def test_oom_counter_of_a_memory_cgroup_rises_after_a_real_kill() -> None:
    """The kernel kills a process over its cgroup's limit, and the reading counts it."""
    own = Path("/sys/fs/cgroup/memory")
    group = own / f"analyzerd-probe-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no writable v1 memory cgroup: {error}")
    try:
        _write_limit(group, 32 << 20)
        paths = {"memory": f"/{group.name}", "cpu": "/"}
        before = CgroupProbe().read("x.service", paths)
        code = _eat_memory(group)
        after = CgroupProbe().read("x.service", paths)
    finally:
        group.rmdir()
    assert code == -signal.SIGKILL
    assert before.memory_limit_bytes == 32 << 20
    assert after.oom_kills == before.oom_kills + 1


def _write_limit(group: Path, limit_bytes: int) -> None:
    (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    with contextlib.suppress(OSError):  # without swap accounting there is no such limit, nor a need for it
        (group / "memory.memsw.limit_in_bytes").write_text(str(limit_bytes))


def _eat_memory(group: Path) -> int:
    script = (
        "import os,pathlib\n"
        f"pathlib.Path({str(group / 'cgroup.procs')!r}).write_text(str(os.getpid()))\n"
        "hold = [bytearray(1 << 20) for _ in range(256)]\n"
    )
    return subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def _as_nobody(work: Callable[[], object]) -> str:
    """Run ``work`` in a child without privileges; returns what it says of its result."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start gunicorn as one user and read as another")
def test_another_users_reader_sees_less_and_says_so(tmp_path: Path) -> None:
    """Without ptrace access counters and the listener are read, handles are None, and the mend is named."""
    with Server(tmp_path, 1) as server:
        pid = server.process.pid

        def look() -> object:
            probe = MachineProbe()
            sample = probe.sample()
            worker = _family(sample, pid)[1][0]
            queues = [one.queue_limit for one in sample.listeners if one.address == server.address]
            denied = [h.mend for h in probe.health() if h.state == "blind" and "open files" in h.why]
            hidden = (worker.fds, worker.connections, worker.heartbeat_age_s, worker.wchan, worker.pss_bytes)
            return hidden, worker.role, worker.run_ns > 0, queues, any("CAP_SYS_PTRACE" in m for m in denied)

        answer = _as_nobody(look)
    assert answer == repr(((None,) * 5, "worker", True, [2048], True))
