"""The text of /proc/PID files to values. Reads nothing itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

MASTER_TITLE = "gunicorn: master"
WORKER_TITLE = "gunicorn: worker"
_GUNICORN = re.compile(r"gunicorn\d?(?:\.exe)?", re.ASCII)
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*", re.ASCII)
_PYTHON_TAKES_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_MODULES = ("gunicorn", "gunicorn.app.wsgiapp", "gunicorn.__main__")
_MAX_ARGUMENTS = 512


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says; times in seconds, ``start_s`` since boot.

    ``arg_start`` is the address of the command line: equal in a forked child, different after an exec,
    0 when the reader lacks ptrace access.
    """

    comm: str
    state: str
    ppid: int
    minor_faults: int
    major_faults: int
    cpu_user_s: float
    cpu_system_s: float
    threads: int
    start_s: float
    arg_start: int


@dataclass(frozen=True, slots=True)
class Status:
    """What /proc/PID/status adds: memory in bytes, switches of that one thread. None: line absent."""

    rss_bytes: int | None
    anon_bytes: int | None
    swap_bytes: int | None
    voluntary_switches: int | None
    involuntary_switches: int | None
    uid: int | None


def parse_stat(data: bytes, ticks_per_s: int = 100) -> Stat:
    """Read /proc/PID/stat. Raises ValueError when it is cut short."""
    head, _, rest = data.rpartition(b")")
    field = rest.split()
    if len(field) < 20:
        raise ValueError("stat is cut short")
    number = [int(part) for part in field[1:]]
    return Stat(
        comm=head.partition(b"(")[2].decode("utf-8", "replace"),
        state=field[0].decode("ascii", "replace"),
        ppid=number[0],
        minor_faults=number[6],
        major_faults=number[8],
        cpu_user_s=number[10] / ticks_per_s,
        cpu_system_s=number[11] / ticks_per_s,
        threads=number[16],
        start_s=number[18] / ticks_per_s,
        arg_start=number[44] if len(number) > 44 else 0,
    )


def parse_status(data: bytes) -> Status:
    """Read /proc/PID/status; a kernel thread or a dead process has no memory lines."""
    line = dict(part.partition(b":")[::2] for part in data.splitlines())

    def count(name: bytes, unit: int = 1) -> int | None:
        words = line.get(name, b"").split()
        return int(words[0]) * unit if words and words[0].isdigit() else None

    return Status(
        rss_bytes=count(b"VmRSS", 1024),
        anon_bytes=count(b"RssAnon", 1024),
        swap_bytes=count(b"VmSwap", 1024),
        voluntary_switches=count(b"voluntary_ctxt_switches"),
        involuntary_switches=count(b"nonvoluntary_ctxt_switches"),
        uid=count(b"Uid"),
    )


def parse_switches(data: bytes) -> int | None:
    """Read only the voluntary switches of a thread's status file."""
    digits = data.rpartition(b"\nvoluntary_ctxt_switches:")[2].split(None, 1)
    return int(digits[0]) if digits and digits[0].isdigit() else None


def parse_schedstat(data: bytes) -> tuple[int, int] | None:
    """Read a schedstat file: nanoseconds on a CPU, nanoseconds waiting for one."""
    field = data.split()
    return (int(field[0]), int(field[1])) if len(field) >= 2 else None


def parse_fd_limit(data: bytes) -> int | None:
    """Read the soft ``Max open files`` of /proc/PID/limits; None when absent or unlimited."""
    match = re.search(rb"^Max open files +(\d+)", data, re.MULTILINE)
    return int(match[1]) if match else None


def parse_pss(data: bytes) -> int | None:
    """Read the proportional set size of /proc/PID/smaps_rollup, in bytes."""
    match = re.search(rb"^Pss: +(\d+) kB", data, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def parse_arguments(data: bytes) -> tuple[str, ...]:
    """Split /proc/PID/cmdline; a title written by setproctitle becomes one argument."""
    text = data.rstrip(b"\0 ").decode("utf-8", "replace")
    return tuple(text.split("\0", _MAX_ARGUMENTS)[:_MAX_ARGUMENTS]) if text else ()


def parse_environment(data: bytes, names: tuple[str, ...]) -> dict[str, str]:
    """Pick ``names`` out of /proc/PID/environ; nothing else of it is kept, for it holds secrets."""
    wanted = {name.encode(): name for name in names}
    found = {}
    for part in data.split(b"\0"):
        key, sep, value = part.partition(b"=")
        if sep and key in wanted:
            found[wanted[key]] = value.decode("utf-8", "replace")
    return found


def parse_cgroup(data: bytes) -> dict[str, str]:
    """Read /proc/PID/cgroup: controller to path; the unified hierarchy is ''."""
    paths: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        _, first, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if first and second:
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def unit_of(paths: dict[str, str]) -> str:
    """Name the systemd service a process belongs to: the last ``*.service`` of its path, or ''."""
    for controller in ("name=systemd", ""):
        for part in reversed(paths.get(controller, "").split("/")):
            if part.endswith(".service"):
                return part
    return ""


def unit_path(path: str) -> str:
    """Cut a cgroup path after its last ``*.service``: where the unit itself is accounted."""
    parts = path.split("/")
    last = max((n for n, part in enumerate(parts) if part.endswith(".service")), default=len(parts) - 1)
    return "/".join(parts[: last + 1]) or "/"


def title_role(arguments: tuple[str, ...]) -> str:
    """Read master or worker from a title set by setproctitle, '' when there is none."""
    first = arguments[0] if arguments else ""
    if first.startswith(MASTER_TITLE):
        return "master"
    return "worker" if first.startswith(WORKER_TITLE) else ""


def is_gunicorn(arguments: tuple[str, ...]) -> bool:
    """Tell whether a command line starts gunicorn (script, ``python -m``) or is one of its titles."""
    if not arguments:
        return False
    if arguments[0].startswith("gunicorn: "):
        return True
    program = PurePosixPath(arguments[0]).name
    if _GUNICORN.fullmatch(program):
        return True
    return bool(_PYTHON.fullmatch(program)) and _runs_gunicorn(arguments[1:])


def is_python(arguments: tuple[str, ...], comm: str) -> bool:
    """Tell whether a process can be a gunicorn started by the app's own script."""
    program = PurePosixPath(arguments[0]).name if arguments else ""
    return bool(_PYTHON.fullmatch(program) or _PYTHON.match(comm) or comm.startswith("gunicorn"))


def _runs_gunicorn(arguments: tuple[str, ...]) -> bool:
    rest = iter(arguments)
    for argument in rest:
        if argument == "-m":
            return next(rest, "") in _MODULES
        if argument in _PYTHON_TAKES_VALUE:
            next(rest, "")
        elif not argument.startswith("-"):
            return bool(_GUNICORN.fullmatch(PurePosixPath(argument).name))
        elif argument == "-c":
            return False
    return False
