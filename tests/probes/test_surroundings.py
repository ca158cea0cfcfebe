"""What an audit looks at beside processes, read from a made-up /proc and from real files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from analyzerd.model import ProcessReading, Sample
from analyzerd.probes.surroundings import NginxMaster, look_around, nginx_masters

LIMITS = (
    "Limit  Soft Limit  Hard Limit  Units\nMax open files            2048                 4096                 files\n"
)


def process(proc: Path, pid: int, command: bytes, **files: str) -> Path:
    """One process of a made-up /proc."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(command)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("words", "conf"),
    [
        ("nginx", "/etc/nginx/nginx.conf"),
        ("/usr/sbin/nginx -g daemon on; master_process on;", "/etc/nginx/nginx.conf"),
        ("nginx -c /srv/own.conf", "/srv/own.conf"),
        ("nginx -p /srv/x -c conf/n.conf", "/srv/x/conf/n.conf"),
    ],
)
def test_an_nginx_master_names_its_configuration(tmp_path: Path, words: str, conf: str) -> None:
    """By the title it gives itself; its workers and others are none."""
    process(tmp_path, 7, f"nginx: master process {words}\0".encode(), limits=LIMITS)
    process(tmp_path, 8, b"nginx: worker process\0")
    process(tmp_path, 9, b"python\0nginx: master process x\0")
    assert nginx_masters(str(tmp_path)) == (NginxMaster(7, conf, (), 2048),)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_the_version_stands_in_the_program_itself(tmp_path: Path) -> None:
    """Nothing is executed to learn it."""
    folder = process(tmp_path, 7, b"nginx: master process nginx\0")
    (folder / "exe").symlink_to(shutil.which("nginx") or "")
    (master,) = nginx_masters(str(tmp_path))
    assert len(master.version) == 3
    assert master.version > (1,)


def test_the_surroundings_of_one_app(tmp_path: Path) -> None:
    """File systems as its master sees them, where heartbeats are, how old files and processes are, older copies."""
    proc, conf = tmp_path / "proc", tmp_path / "gunicorn.conf.py"
    mounts = f"/dev/vda / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\ntmpfs {tmp_path}/a\\040b tmpfs rw 0 0\n"
    folder = process(proc, 5, b"gunicorn\0", mounts=mounts)
    (folder / "fd").mkdir()
    (folder / "fd" / "6").symlink_to("/run/beats/wgunicorn-x1y2 (deleted)")
    conf.write_text("workers = 2\n")
    os.utime(conf, (1_000_000.0, 1_000_000.0))
    conf.with_name("gunicorn.conf.py.bak").write_text("workers = 1\n")
    sample = Sample(
        0.0, processes=(ProcessReading(5, "worker", start_s=10.0), ProcessReading(99, "worker", start_s=1.0))
    )
    ground = look_around(sample, (5,), [str(conf), "relative.py", str(conf)], None, str(proc))
    assert ground.live
    assert ground.file_systems == {"/": "ext4", "/dev/shm": "tmpfs", f"{tmp_path}/a b": "tmpfs"}
    assert ground.temporary == "/run/beats"
    assert ground.written_s == {str(conf): 1_000_000.0}
    assert list(ground.started_s) == [5]
    assert ground.copies == {str(conf): f"{conf}.bak"}
    assert (ground.somaxconn, ground.nginx_version, ground.nginx_fd_limit) == (None, (), None)


def test_what_may_not_be_read_is_unknown(tmp_path: Path) -> None:
    """An empty /proc is no error."""
    ground = look_around(Sample(0.0), (), ["/no/such/conf.py"], None, str(tmp_path))
    assert (ground.file_systems, ground.temporary, ground.written_s, ground.copies) == ({}, "", {}, {})
