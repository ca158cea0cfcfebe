"""Host-wide counters of one instant. Draws no conclusion from them."""

from __future__ import annotations

import os

from analyzerd.model import HostReading
from analyzerd.probes import hosttext
from analyzerd.probes.kept import KeptFile

_FILES = ("stat", "vmstat", "net/netstat", "meminfo", "loadavg")
_PRESSURES = ("cpu", "memory", "io")


class HostProbe:
    """Keeps the host's files open; a file this kernel lacks leaves its fields None or empty."""

    def __init__(self, proc: str = "/proc") -> None:
        names = (*_FILES, *(f"pressure/{name}" for name in _PRESSURES))
        self._files = {name: KeptFile(f"{proc}/{name}") for name in names}
        self._ticks = os.sysconf("SC_CLK_TCK")

    def read(self) -> HostReading:
        """Read everything now; never raises for a file that cannot be read."""
        stat, meminfo = self._text("stat"), self._text("meminfo")
        pressure = {name: hosttext.parse_pressure(self._text(f"pressure/{name}")) for name in _PRESSURES}
        return HostReading(
            cores=hosttext.count_cores(stat),
            cpu_s=hosttext.parse_cpu(stat, self._ticks),
            load1=hosttext.parse_load(self._text("loadavg")),
            memory_available_bytes=hosttext.parse_meminfo(meminfo, b"MemAvailable"),
            memory_total_bytes=hosttext.parse_meminfo(meminfo, b"MemTotal"),
            vmstat=hosttext.parse_counters(self._text("vmstat"), hosttext.VMSTAT_NAMES),
            netstat=hosttext.parse_netstat(self._text("net/netstat")),
            psi_some_us={name: kinds["some"] for name, kinds in pressure.items() if "some" in kinds},
            psi_full_us={name: kinds["full"] for name, kinds in pressure.items() if "full" in kinds},
        )

    def close(self) -> None:
        """Close every handle."""
        for file in self._files.values():
            file.close()

    def _text(self, name: str) -> bytes:
        try:
            return self._files[name].read()
        except OSError:
            return b""
