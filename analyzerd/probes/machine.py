"""One reading of the whole machine: what the sampler thread calls. Decides nothing about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from analyzerd.model import CgroupReading, Health, ProcessReading, Sample, Setting
from analyzerd.probes.blindness import Sight, describe, unseen_units
from analyzerd.probes.cgroup import CgroupProbe
from analyzerd.probes.configured import settings_of
from analyzerd.probes.control_socket import ControlSocketProbe
from analyzerd.probes.disks import read_disks
from analyzerd.probes.finder import Finder, Found
from analyzerd.probes.host import HostProbe
from analyzerd.probes.launch import Launch, option_values, read_launch, with_config_read_again
from analyzerd.probes.listeners import ListenerProbe, owned_listeners
from analyzerd.probes.processes import Handles, ProcessProbe
from analyzerd.probes.release import release_of

DATABASE_PORTS = (5432, 6432, 3306, 1433, 1521)
"""PostgreSQL, PgBouncer, MySQL and MariaDB, SQL Server, Oracle: what connection pools are made for."""
Readings = list[tuple[ProcessReading, Handles]]


def _wall_s() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


class MachineProbe:
    """Samples host, gunicorn trees, their listeners, cgroups and disks. Not safe for several threads.

    ``units``: systemd services to watch (shell patterns allowed); none: every gunicorn found.
    ``extra_paths``: paths whose file systems matter beside those of the app (log folders).
    ``control``: asks gunicorn itself what is in effect; None leaves it alone.
    """

    def __init__(
        self,
        units: Collection[str] = (),
        extra_paths: Collection[str] = (),
        proc: str = "/proc",
        cgroup: str = "/sys/fs/cgroup",
        *,
        control: ControlSocketProbe | None = None,
        wall_s: Callable[[], float] = _wall_s,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._units, self._paths, self._proc = tuple(units), tuple(extra_paths), proc
        self._wall_s, self._monotonic_s = wall_s, monotonic_s
        self._control = control
        self._finder, self._host = Finder(units, proc), HostProbe(proc)
        self._listeners, self._cgroups = ListenerProbe(proc), CgroupProbe(cgroup)
        self._probes: dict[tuple[int, float], ProcessProbe] = {}
        self._launches: dict[tuple[int, float], Launch] = {}
        self._sight = Sight(0.0, 0)

    def sample(self) -> Sample:
        """Read now. ``start_s`` of processes counts from boot; what may not be read is None."""
        now_s, wall_s = self._monotonic_s(), self._wall_s()
        found = self._finder.find(now_s)
        self._keep(found)
        read = self._with_heartbeats(self._read_processes(found, now_s, wall_s), found)
        owned = owned_listeners(self._listeners.listening() if read else (), _inodes(read), self._binds(read))
        listeners, accepted = self._listeners.read(owned)
        databases = self._listeners.leading_to(DATABASE_PORTS) if any(h.sockets for _, h in read) else frozenset()
        cgroups = self._read_cgroups(found)
        self._sight = self._look_back(wall_s, read, cgroups)
        return Sample(
            time_s=wall_s,
            host=self._host.read(),
            processes=tuple(_with_connections(reading, handles, accepted, databases) for reading, handles in read),
            listeners=listeners,
            cgroups=cgroups,
            disks=read_disks((*self._paths, *self._working_directories())),
        )

    def launches(self) -> tuple[Launch, ...]:
        """How the masters of the last sample were started."""
        return tuple(self._launches.values())

    def settings(self) -> tuple[Setting, ...]:
        """Return the settings of the masters of the last sample; config files are read anew as text."""
        time_s = self._wall_s()
        by_unit = {one.unit: one for one in sorted(self.launches(), key=lambda one: one.start_s)}
        found: list[Setting] = []
        for launch in by_unit.values():
            written = settings_of(with_config_read_again(launch), time_s)
            found += self._control.settings(launch, written, time_s) if self._control else written
            found += release_of(launch, time_s)
        if self._control:
            self._control.keep(set(by_unit))
        return tuple(found)

    def health(self) -> tuple[Health, ...]:
        """Say what the last sample could not see, and what opens it."""
        asked = self._control.health(self._sight.time_s) if self._control else ()
        return (*describe(self._sight), *asked)

    def close(self) -> None:
        """Close every handle."""
        for probe in self._probes.values():
            probe.close()
        self._probes.clear()
        self._host.close()
        self._listeners.close()

    def _keep(self, found: dict[int, Found]) -> None:
        """Hold one probe per living process; start time tells a reused pid from the old one."""
        present = {(pid, one.member.start_s): one for pid, one in found.items()}
        for key in self._probes.keys() - present.keys():
            self._probes.pop(key).close()
        masters = {key for key, one in present.items() if one.role == "master"}
        for key in self._launches.keys() - masters:
            del self._launches[key]
        for key, one in present.items():
            if key not in self._probes:
                self._probes[key] = ProcessProbe(one.member.pid, self._proc)
            if key in masters and key not in self._launches:
                self._launches[key] = read_launch(one, self._proc)

    def _read_processes(self, found: dict[int, Found], now_s: float, wall_s: float) -> Readings:
        read = []
        for (pid, _), probe in self._probes.items():
            one = probe.read(found[pid].role, found[pid].member.unit, now_s, wall_s)
            if one is not None:
                read.append(one)
            else:
                self._finder.forget(pid)
        return sorted(read, key=lambda pair: (pair[0].unit, pair[0].role, pair[0].pid))

    def _with_heartbeats(self, read: Readings, found: dict[int, Found]) -> Readings:
        """Let the masters tell the heartbeats of workers whose files may not be looked at."""
        dark = {found[r.pid].member.ppid for r, handles in read if r.role == "worker" and handles.count is None}
        ages: dict[int, float] = {}
        for launch in self._launches.values() if self._control and dark else ():
            if launch.pid in dark and self._control:
                ages |= self._control.heartbeats(launch)
        return [(replace(r, heartbeat_age_s=ages[r.pid]) if r.pid in ages else r, handles) for r, handles in read]

    def _read_cgroups(self, found: dict[int, Found]) -> tuple[CgroupReading, ...]:
        first = {one.member.unit: one for one in reversed(found.values()) if one.role == "master"}
        readings = (self._cgroups.read(unit, first[unit].cgroup) for unit in sorted(first))
        return tuple(reading for reading in readings if reading is not None)

    def _binds(self, read: Readings) -> dict[str, tuple[str, ...]]:
        """Name the addresses of masters whose sockets may not be listed."""
        blind = {reading.pid for reading, handles in read if handles.sockets is None}
        return {
            launch.unit: tuple(option_values(launch.arguments, "-b", "--bind")) or ("127.0.0.1:8000",)
            for launch in self._launches.values()
            if launch.pid in blind and not launch.title_only
        }

    def _working_directories(self) -> list[str]:
        return sorted({launch.cwd for launch in self._launches.values() if launch.cwd})

    def _look_back(self, time_s: float, read: Readings, cgroups: tuple[CgroupReading, ...]) -> Sight:
        units = {reading.unit for reading, _ in read}
        accounted = {reading.unit for reading in cgroups if reading.memory_bytes is not None}
        launches = self._launches.values()
        denied = {(self._unit(pid, read), p.uid) for (pid, _), p in self._probes.items() if p.fds_denied}
        return Sight(
            time_s=time_s,
            masters=len(launches),
            units_without_process=unseen_units(self._units, units),
            denied_fds=tuple(sorted((unit, uid) for unit, uid in denied if uid is not None)),
            denied_launch=tuple(sorted({one.unit for one in launches if one.denied})),
            titled=tuple(sorted({one.unit for one in launches if one.title_only})),
            netlink_refused=self._listeners.refused,
            no_memory_account=tuple(sorted(unit for unit in units - accounted if unit)),
            sees_other_users=self._finder.sees_init,
        )

    @staticmethod
    def _unit(pid: int, read: Readings) -> str:
        return next((reading.unit for reading, _ in read if reading.pid == pid), "")


def _inodes(read: Readings) -> dict[int, str]:
    """Map the socket inodes of masters to their units: among them are the listeners."""
    found: dict[int, str] = {}
    for reading, handles in read:
        if reading.role == "master":
            found.update(dict.fromkeys(handles.sockets or (), reading.unit))
    return found


def _with_connections(
    reading: ProcessReading, handles: Handles, accepted: frozenset[int], databases: frozenset[int]
) -> ProcessReading:
    held = handles.sockets
    if held is None:
        return reading
    return replace(reading, connections=len(held & accepted), database_connections=len(held & databases))
