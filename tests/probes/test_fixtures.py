"""The probes on captured /proc and cgroup trees of other layouts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analyzerd.daemon.inbox import Inbox
from analyzerd.daemon.sampler import Sampler
from analyzerd.model import CgroupReading, Sample
from analyzerd.probes.cgroup import CgroupProbe
from analyzerd.probes.machine import MachineProbe

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
V2 = {"": "/system.slice/shop.service"}
V1 = {"memory": "/system.slice/shop.service/sub", "cpu": "/system.slice/shop.service", "cpuacct": "/"}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Give a copy of the captured tree with the links that a repository cannot hold well."""
    root = tmp_path / "proc"
    shutil.copytree(FIXTURES / "proc", root)
    for listing in root.glob("*/fd.txt"):
        (listing.parent / "fd").mkdir()
        for line in listing.read_text().splitlines():
            number, _, target = line.partition(" ")
            (listing.parent / "fd" / number).symlink_to(target)
    return root


@pytest.fixture
def probe(proc: Path) -> MachineProbe:
    """Give a probe of the captured machine at one fixed instant."""
    cgroup = str(FIXTURES / "cgroup/hybrid")
    return MachineProbe(proc=str(proc), cgroup=cgroup, wall_s=lambda: 1.0e9, monotonic_s=lambda: 5000.0)


def test_captured_tree(probe: MachineProbe) -> None:
    """Master, workers, unit, connections and listeners come out as they were."""
    sample = probe.sample()
    seen = [(p.pid, p.role, p.unit, p.threads, p.connections, p.fds) for p in sample.processes]
    assert seen == [
        (4181, "master", "shop.service", 1, 0, 7),
        (4184, "worker", "shop.service", 3, 2, 14),
        (4185, "worker", "shop.service", 3, 3, 15),
    ]
    listeners = [(one.address, one.queue, one.queue_limit, one.established) for one in sample.listeners]
    assert listeners == [("127.0.0.1:28011", 0, None, 3), ("unix:/run/shop/g.sock", 0, None, 2)]
    assert sample.cgroups == (CgroupReading("shop.service", 1_000_000, 2_000_000, 4, 10, 1),)
    probe.close()


def test_host_counters(probe: MachineProbe) -> None:
    """The host's counters carry the names of the recordings."""
    host = probe.sample().host
    assert host.cores == 2
    assert {"user", "system", "idle", "iowait", "steal", "softirq"} <= host.cpu_s.keys()
    assert {"pswpin", "pswpout", "pgmajfault", "oom_kill"} == host.vmstat.keys()
    assert {"ListenOverflows", "ListenDrops", "TCPReqQFullDoCookies"} <= host.netstat.keys()
    assert host.psi_some_us.keys() == host.psi_full_us.keys() == {"cpu", "memory", "io"}
    assert host.memory_total_bytes > host.memory_available_bytes > 0
    probe.close()


def test_open_files_are_told_by_kind(probe: MachineProbe) -> None:
    """Sockets, pipes and files; what the kernel calls anonymous is none of them."""
    seen = {p.pid: (p.sockets, p.pipes, p.files) for p in probe.sample().processes}
    assert seen == {4181: (2, 0, 5), 4184: (4, 4, 4), 4185: (5, 4, 4)}
    probe.close()


def test_run_queue_is_summed_over_threads(probe: MachineProbe, proc: Path) -> None:
    """A worker's run time is that of all its threads, not of its main thread."""
    texts = [path.read_text().split() for path in (proc / "4184/task").glob("*/schedstat")]
    worker = next(p for p in probe.sample().processes if p.pid == 4184)
    assert len(texts) == 3
    assert worker.run_ns == sum(int(text[0]) for text in texts)
    probe.close()


def test_what_is_missing_is_none_and_named(proc: Path) -> None:
    """An empty machine gives an empty sample and a blind spot, not zeros and not an exception."""
    for pid in (4181, 4184, 4185):
        shutil.rmtree(proc / str(pid))
    shutil.rmtree(proc / "pressure")
    probe = MachineProbe(("shop.service",), ("/nowhere",), str(proc), str(proc / "none"))
    sample = probe.sample()
    assert (sample.processes, sample.listeners, sample.cgroups, sample.disks) == ((), (), (), ())
    assert sample.host.psi_some_us == {}
    assert [(h.state, h.unit) for h in probe.health()] == [("blind", "shop.service")]
    probe.close()


def test_reused_pid_is_a_new_process(probe: MachineProbe, proc: Path) -> None:
    """A worker replaced by another with the same pid is read anew, with its own start."""
    probe.sample()
    text = (proc / "4184/stat").read_text()
    (proc / "4184/stat").unlink()
    (proc / "4184/stat").write_text(text.replace(" 226919 ", " 400000 "))
    starts = {p.pid: p.start_s for p in probe.sample().processes}
    assert starts[4184] == 4000.0
    probe.close()


@pytest.mark.parametrize(
    ("layout", "paths", "expected"),
    [
        ("v2", V2, CgroupReading("u", 268435456, 536870912, 2, 4000, 250, None, 12, 40)),
        ("v1", V1, CgroupReading("u", 50921472, 62914560, 1, 900, 30)),
        ("hybrid", V1 | V2, CgroupReading("u", 1000000, 2000000, 4, 10, 1)),
        ("v2", {"": "/system.slice/free.service"}, CgroupReading("u", 1048576, None, 0)),
        ("v1", {"memory": "/system.slice/free.service"}, CgroupReading("u", 4096, None, 0)),
        ("v2", {"": "/system.slice/gone.service"}, None),
        ("v2", {"": "/"}, None),
        ("v2", {"": "/../../etc"}, None),
    ],
)
def test_cgroup_layouts(layout: str, paths: dict[str, str], expected: CgroupReading | None) -> None:
    """Each layout is read by its own names; no limit and no cgroup are not zero."""
    assert CgroupProbe(str(FIXTURES / "cgroup" / layout)).read("u", paths) == expected


@pytest.mark.parametrize(
    ("path", "file", "text", "paths", "frozen"),
    [
        ("freezer/shop.service", "freezer.state", "FROZEN\n", {"freezer": "/shop.service"}, True),
        ("freezer/shop.service", "freezer.state", "THAWED\n", {"freezer": "/shop.service"}, False),
        ("shop.service", "cgroup.events", "populated 1\nfrozen 1\n", {"": "/shop.service"}, True),
        ("shop.service", "cgroup.events", "populated 1\nfrozen 0\n", {"": "/shop.service"}, False),
    ],
)
def test_a_frozen_cgroup(tmp_path: Path, path: str, file: str, text: str, paths: dict[str, str], frozen: bool) -> None:
    """Both versions say whether their processes are held; where neither does, nobody knows."""
    (tmp_path / "cgroup.controllers").write_text("memory")
    (tmp_path / path).mkdir(parents=True)
    (tmp_path / path / file).write_text(text)
    assert CgroupProbe(str(tmp_path)).read("u", paths) == CgroupReading("u", frozen=frozen)
    (tmp_path / path / file).write_text("populated 1\n")
    assert CgroupProbe(str(tmp_path)).read("u", paths) is None


def test_a_late_reading_says_so(probe: MachineProbe) -> None:
    """The sampler tells how much later than planned it read; of its first reading nobody knows."""
    inbox = Inbox()
    sampler = Sampler(probe, tuple, inbox, -2.0, "")
    for _ in range(2):
        sampler.step()
    read = [item for batch in inbox.take(0.0) for item in batch.inputs if isinstance(item, Sample)]
    assert read[0].late_s is None
    assert read[1].late_s is not None
    assert 2.0 <= read[1].late_s < 60.0
    probe.close()
