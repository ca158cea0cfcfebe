"""What an audit looks at beside processes: file systems, kernel limits, when files were written, nginx itself.

Reads only; executes nothing, not even ``nginx -V``.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from analyzerd.core.audit import Ground
from analyzerd.model import Sample
from analyzerd.probes.heartbeat import MARK
from analyzerd.probes.kept import list_names, read_file, read_link, stat_file
from analyzerd.probes.proctext import parse_fd_limit, parse_stat

_MASTER_TITLE = b"nginx: master process "
_DEFAULT_CONF = "/etc/nginx/nginx.conf"
_VERSION = re.compile(rb"nginx/(\d{1,3})\.(\d{1,3})\.(\d{1,3})")
_PROGRAM_BYTES = 8 << 20
_ESCAPED = re.compile(r"\\([0-7]{3})")
_OLDER = ("~", ".bak", ".orig", ".old", ".prev", ".dpkg-old", ".rpmsave", ".save")


@dataclass(frozen=True, slots=True)
class NginxMaster:
    """A running nginx: its configuration's path, its version (() unknown) and its workers' limit of open files.

    ``started_s``, ``workers_s``: when master and workers were started, Unix time.
    """

    pid: int
    conf: str
    version: tuple[int, ...]
    fd_limit: int | None
    started_s: float = 0.0
    workers_s: tuple[float, ...] = ()


def nginx_masters(proc: str = "/proc") -> tuple[NginxMaster, ...]:
    """Find the nginx masters of this machine by the title they give themselves."""
    found = []
    for name in list_names(proc):
        title = (read_file(f"{proc}/{name}/cmdline", 4096) or b"") if name.isdigit() else b""
        if title.startswith(_MASTER_TITLE):
            words = title.removeprefix(_MASTER_TITLE).rstrip(b"\0 ").decode("utf-8", "replace").split()
            limit = parse_fd_limit(read_file(f"{proc}/{name}/limits") or b"")
            started_s, workers_s = _started(int(name), proc)
            version = _version(f"{proc}/{name}/exe")
            found.append(NginxMaster(int(name), _conf(words), version, limit, started_s, workers_s))
    return tuple(sorted(found, key=lambda one: one.pid))


def _started(pid: int, proc: str) -> tuple[float, tuple[float, ...]]:
    """When a master and its children were started; 0 and none where it has ended meanwhile."""
    ticks, booted_s = os.sysconf("SC_CLK_TCK"), _booted_s()
    children = (read_file(f"{proc}/{pid}/task/{pid}/children") or b"").split()
    found = []
    for one in (str(pid), *(child.decode() for child in children)):
        try:
            found.append(booted_s + parse_stat(read_file(f"{proc}/{one}/stat") or b"", ticks).start_s)
        except ValueError:
            continue
    return (found[0], tuple(found[1:])) if found else (0.0, ())


def _conf(words: list[str]) -> str:
    """The file named by -c, below the prefix named by -p where it is relative."""
    options = dict(pairwise(words))
    prefix = options.get("-p", "/etc/nginx")
    return str(PurePosixPath(prefix, options["-c"])) if "-c" in options else _DEFAULT_CONF


def _version(program: str) -> tuple[int, ...]:
    """Nginx's version as its program file holds it for the Server header."""
    match = _VERSION.search(read_file(program, _PROGRAM_BYTES) or b"")
    return tuple(int(part) for part in match.groups()) if match else ()


def look_around(
    sample: Sample, pids: Collection[int], configurations: Iterable[str], nginx: NginxMaster | None, proc: str = "/proc"
) -> Ground:
    """Look at the surroundings of one app whose processes are ``pids``."""
    readings = [p for p in sample.processes if p.pid in pids]
    first = min(pids, default=0)
    booted_s = _booted_s()
    paths = [path for path in dict.fromkeys(configurations) if path.startswith("/")]
    return Ground(
        live=True,
        file_systems=_mounts(f"{proc}/{first}/mounts") or _mounts(f"{proc}/mounts"),
        temporary=next((folder for pid in sorted(pids) if (folder := _heartbeat_folder(f"{proc}/{pid}/fd"))), ""),
        somaxconn=_number(f"{proc}/sys/net/core/somaxconn"),
        written_s={path: time_s for path in paths if (time_s := written_s(path)) is not None},
        started_s={p.pid: booted_s + p.start_s for p in readings if p.start_s is not None},
        copies={path: copy for path in paths if (copy := _older_copy(Path(path)))},
        nginx_version=nginx.version if nginx else (),
        nginx_fd_limit=nginx.fd_limit if nginx else None,
    )


def _booted_s() -> float:
    """Unix time of the boot, which processes count their start from."""
    return time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)


def _mounts(path: str) -> Mapping[str, str]:
    """Mount point to type; of several on one point the last covers the others."""
    found = {}
    for line in (read_file(path) or b"").decode("utf-8", "replace").splitlines():
        words = line.split(" ")
        if len(words) > 2:
            found[_ESCAPED.sub(lambda match: chr(int(match[1], 8)), words[1])] = words[2]
    return found


def _heartbeat_folder(folder: str) -> str:
    """Where a worker's heartbeat file was made, '' when its open files may not be seen."""
    try:
        links = [read_link(f"{folder}/{name}") for name in list_names(folder)[:256]]
    except OSError:
        return ""
    return next((link.rpartition("/")[0] for link in links if MARK in link and link.startswith("/")), "")


def _number(path: str) -> int | None:
    text = (read_file(path) or b"").strip()
    return int(text) if text.isdigit() else None


def written_s(path: str) -> float | None:
    """When a regular file was last written, Unix time; None where it is none."""
    try:
        found = stat_file(path)
    except OSError:
        return None
    return found.st_mtime if stat.S_ISREG(found.st_mode) else None


def _older_copy(path: Path) -> str:
    """Name what holds an older version of a file: a copy beside it, or a repository above it."""
    try:
        beside = [path.with_name(path.name + end) for end in _OLDER]
        copy = next((one for one in beside if one.is_file()), None)
        repository = next((above for above in path.parents if (above / ".git").exists()), None)
    except OSError:
        return ""
    if copy is not None:
        return str(copy)
    return f"the repository {repository}" if repository is not None else ""
