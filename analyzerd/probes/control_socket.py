"""Asks gunicorn's control socket (25.1 and later) what is in effect. Puts no other question, changes nothing.

The kernel is asked first who listens there: two gunicorns of one user share the default path, and the second takes
it from the first. Each visit ends at once, for gunicorn waits for open visits before it forks.
"""

from __future__ import annotations

import pwd
import socket
import stat
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

from analyzerd.formats.control_socket import (
    HEADER_BYTES,
    Question,
    answer_length,
    heartbeats,
    overlaid,
    parse_answer,
    request,
    settings_in_memory,
)
from analyzerd.model import Health, Setting
from analyzerd.probes.kept import stat_file
from analyzerd.probes.launch import Launch

SOURCE = "control socket"
VISIT_S = 1.0
_SHARE = (
    "in gunicorn.conf.py: control_socket = '/run/APP/gunicorn.ctl', control_socket_mode = 0o660, and analyzerd in the "
    "group; whoever may connect may also stop workers"
)
_OWN_PATH = "give each gunicorn a control_socket of its own"
_NEWER = "gunicorn 25.1 or newer without control_socket_disable, with a folder for control_socket it may write to"
_SWITCH_ON = "in analyzerd.yaml: witnesses: {control_socket: true}"
_STUCK = "see whether the master is stopped or overloaded, and whether gunicornc gets an answer"
_NAMED = "name it in the config file: control_socket = '/run/APP/gunicorn.ctl'"
Answers = list[Mapping[str, Any]]


class NotAskedError(Exception):
    """Why a socket told nothing, and what mends it."""

    def __init__(self, why: str, mend: str = "") -> None:
        super().__init__(why)
        self.why, self.mend = why, mend


def visit(path: str, master: int, questions: Sequence[Question], visit_s: float = VISIT_S) -> Answers:
    """Ask the process ``master`` at ``path``, and nobody else. Raises NotAskedError."""
    end_s = time.monotonic() + visit_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(visit_s)
            connection.connect(path)
            _must_be(master, connection)
            return [_ask(connection, question, end_s) for question in questions]
    except PermissionError:
        raise NotAskedError(f"{path} may not be opened", _SHARE) from None
    except TimeoutError:
        raise NotAskedError(f"{path} did not answer within {visit_s:g} s", _STUCK) from None
    except OSError as error:
        raise NotAskedError(f"{path}: {error.strerror or error}", _NEWER) from None
    except ValueError as error:
        raise NotAskedError(f"{path}: {error}", _STUCK) from None


def _must_be(master: int, connection: socket.socket) -> None:
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if pid != master:
        raise NotAskedError(f"its path belongs to process {pid} now, not to gunicorn {master}", _OWN_PATH)


def _must_say(master: int, stats: Mapping[str, Any]) -> None:
    if stats.get("pid") != master:
        raise NotAskedError(f"it says it is process {stats.get('pid')!r:.40}, not {master}", _OWN_PATH)


def _ask(connection: socket.socket, question: Question, end_s: float) -> Mapping[str, Any]:
    connection.sendall(request(question))
    return parse_answer(_read(connection, answer_length(_read(connection, HEADER_BYTES, end_s)), end_s))


def _read(connection: socket.socket, length: int, end_s: float) -> bytes:
    """Read exactly so much; the time left counts for the whole visit, not for each byte."""
    data = bytearray()
    while len(data) < length:
        connection.settimeout(max(0.001, end_s - time.monotonic()))
        part = connection.recv(length - len(data))
        if not part:
            raise ValueError("it hung up")
        if time.monotonic() > end_s:
            raise TimeoutError
        data += part
    return bytes(data)


def candidates(launch: Launch, named: str, uid: int) -> list[str]:
    """Where a master's socket can be: as named, else in its runtime directory or home, the way gunicorn looks."""
    if named:
        return [named] if named.startswith("/") else [f"{launch.cwd}/{named}"] if launch.cwd else []
    runtime = launch.environment.get("XDG_RUNTIME_DIR", f"/run/user/{uid}" if launch.denied else "")
    home = launch.environment.get("HOME", "") or _home(uid)
    places = ((runtime, "gunicorn.ctl"), (home, ".gunicorn/gunicorn.ctl"))
    return [f"{folder}/{name}" for folder, name in places if folder.startswith("/")]


def _home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return ""


class ControlSocketProbe:
    """Asks the masters' control sockets; remembers what each visit came to, for health()."""

    def __init__(self, *, enabled: bool = True, proc: str = "/proc") -> None:
        self._enabled, self._proc = enabled, proc
        self._told: dict[str, NotAskedError | None] = {}
        self._drifted: dict[str, frozenset[str]] = {}
        self._place: dict[str, str] = {}

    def settings(self, launch: Launch, written: tuple[Setting, ...], time_s: float) -> tuple[Setting, ...]:
        """Return what is in effect: as written, corrected by what the master says where it can be asked."""
        try:
            stats, config = self._visit(launch, written, (Question.STATS, Question.CONFIG))
            _must_say(launch.pid, stats)
        except NotAskedError as error:
            self._told[launch.unit] = error
            return written
        self._told[launch.unit] = None
        memory = settings_in_memory(config, stats, time_s=time_s, unit=launch.unit)
        return self._with_mended(overlaid(written, memory), launch.unit, time_s)

    def heartbeats(self, launch: Launch) -> dict[int, float]:
        """Return the workers' heartbeat ages, {} unless settings() got an answer before."""
        place = self._place.get(launch.unit, "")
        try:
            return heartbeats(visit(place, launch.pid, (Question.WORKERS,))[0]) if place else {}
        except NotAskedError:
            return {}

    def keep(self, units: set[str]) -> None:
        """Forget units that are gone."""
        for unit in self._told.keys() - units:
            self._told.pop(unit)
            self._drifted.pop(unit, None)
            self._place.pop(unit, None)

    def health(self, time_s: float) -> tuple[Health, ...]:
        """Say which masters cannot be asked, and what mends it."""
        if not self._enabled:
            why = "settings in memory are not asked for: switched off"
            return (Health(time_s, SOURCE, "blind", why, _SWITCH_ON),)
        blind = [Health(time_s, SOURCE, "blind", e.why, e.mend, unit) for unit, e in self._told.items() if e]
        return tuple(blind) or (Health(time_s, SOURCE, "reading"),)

    def _visit(self, launch: Launch, written: tuple[Setting, ...], questions: Sequence[Question]) -> Answers:
        if not self._enabled:
            raise NotAskedError("switched off", _SWITCH_ON)
        named = next((str(s.value) for s in written if s.name == "gunicorn.control_socket"), "")
        places = candidates(launch, named, self._uid(launch.pid))
        problem = NotAskedError(f"no control socket at {' or '.join(places)}", _NEWER)
        if not places:
            problem = NotAskedError("where it is cannot be told from here", _NAMED)
        for place in places:
            if _is_socket(place):
                try:
                    answers = visit(place, launch.pid, questions)
                except NotAskedError as error:
                    problem = error
                else:
                    self._place[launch.unit] = place
                    return answers
        raise problem

    def _uid(self, pid: int) -> int:
        try:
            return stat_file(f"{self._proc}/{pid}").st_uid
        except OSError:
            return -1

    def _with_mended(self, found: tuple[Setting, ...], unit: str, time_s: float) -> tuple[Setting, ...]:
        """Take back what was said to differ on disk and no longer does."""
        notes = frozenset(s.name for s in found if s.name.endswith(".on_disk"))
        gone = self._drifted.get(unit, frozenset()) - notes
        self._drifted[unit] = notes
        return (*found, *(Setting(time_s, unit, name, None, SOURCE) for name in sorted(gone)))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(stat_file(path).st_mode)
    except PermissionError:
        return True  # the visit will say that it may not
    except OSError:
        return False
