"""Listening sockets of the app: queues, limits and connections, by sock_diag or else /proc/net text.

Opens only a netlink socket; never connects to the app.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzerd.model import ListenerReading
from analyzerd.probes import sockets
from analyzerd.probes.kept import read_file
from analyzerd.probes.sockets import LISTEN, Socket

_NETLINK_SOCK_DIAG = 4
_ANSWER_BYTES = 1 << 16
_PROC_NET_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Owned:
    """A listener and whose it is; unit '' when unknown."""

    socket: Socket
    unit: str


class ListenerProbe:
    """Lists listeners, then reads those that belong to the app."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._netlink: socket.socket | None = None
        self.refused = ""
        if proc == "/proc":
            self._open()

    def listening(self) -> list[Socket]:
        """List every listening TCP and unix stream socket of this network namespace."""
        try:
            return [*self._tcp(sockets.LISTEN_STATE), *self._unix(sockets.LISTEN_STATE)]
        except OSError as error:
            self._give_up(error)
            return [found for found in self._from_text() if found.state == LISTEN]

    def read(self, owned: Collection[Owned]) -> tuple[tuple[ListenerReading, ...], frozenset[int]]:
        """Read the given listeners; also the inodes of all connections accepted through them."""
        alive = self._alive([one.socket for one in owned]) if owned else []
        readings: list[ListenerReading] = []
        accepted: set[int] = set()
        for one in owned:
            mine = [found for found in alive if sockets.serves(one.socket, found)]
            accepted.update(found.inode for found in mine if found.inode)
            readings.append(_reading(one, mine))
        return tuple(readings), frozenset(accepted)

    def leading_to(self, ports: Sequence[int]) -> frozenset[int]:
        """Return the inodes of all established TCP connections to one of ``ports``, of whatever process."""
        states = 1 << sockets.ESTABLISHED
        try:
            requests = [sockets.peer_request(family, states, ports) for family in (socket.AF_INET, socket.AF_INET6)]
            found = [sockets.parse_inet(body) for request in requests for body in self._ask(request)]
        except OSError as error:
            self._give_up(error)
            found = [one for one in self._from_text() if one.state == sockets.ESTABLISHED and one.peer_port in ports]
        return frozenset(one.inode for one in found)

    def close(self) -> None:
        """Close the netlink socket."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _alive(self, listeners: list[Socket]) -> list[Socket]:
        try:
            found: list[Socket] = []
            for port in dict.fromkeys(one.port for one in listeners if one.port):
                found += self._tcp(sockets.ALIVE_STATES, port)
            if any(not one.port for one in listeners):
                found += self._unix(1 << sockets.ESTABLISHED)
        except OSError as error:
            self._give_up(error)
            return [one for one in self._from_text() if one.state != LISTEN]
        return found

    def _tcp(self, states: int, port: int = 0) -> Iterator[Socket]:
        for family in (socket.AF_INET, socket.AF_INET6):
            for body in self._ask(sockets.inet_request(family, states, port)):
                yield sockets.parse_inet(body)

    def _unix(self, states: int) -> Iterator[Socket]:
        for body in self._ask(sockets.unix_request(states)):
            found = sockets.parse_unix(body)
            if found is not None:
                yield found

    def _ask(self, request: bytes) -> list[bytes]:
        if self._netlink is None:
            raise OSError(self.refused or "no netlink")
        self._netlink.send(request)
        bodies: list[bytes] = []
        done = False
        while not done:
            part, done = sockets.split_messages(self._netlink.recv(_ANSWER_BYTES))
            bodies += part
        return bodies

    def _from_text(self) -> list[Socket]:
        found: list[Socket] = []
        for name in ("tcp", "tcp6"):
            found += sockets.parse_net_tcp(read_file(f"{self._proc}/net/{name}", _PROC_NET_BYTES) or b"")
        return found + sockets.parse_net_unix(read_file(f"{self._proc}/net/unix", _PROC_NET_BYTES) or b"")

    def _open(self) -> None:
        try:
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
            self._netlink.settimeout(2.0)
            self._netlink.connect((0, 0))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Use the text files from now on: a half-read answer must not be taken for the next one."""
        if self._netlink is not None:
            self.refused = str(error)
            with contextlib.suppress(OSError):
                self._netlink.close()
            self._netlink = None
        elif self._proc == "/proc":
            self.refused = self.refused or str(error)


def owned_listeners(
    listening: Iterable[Socket], units: dict[int, str], binds: dict[str, tuple[str, ...]]
) -> list[Owned]:
    """Pick the app's listeners: by a master's inode (``units``: inode to unit), else by its bind values."""
    owned = []
    for found in listening:
        if found.inode in units:
            owned.append(Owned(found, units[found.inode]))
            continue
        unit = next((unit for unit, names in binds.items() if sockets.matches_bind(found, names)), None)
        if unit is not None:
            owned.append(Owned(found, unit))
    return owned


def _reading(one: Owned, mine: list[Socket]) -> ListenerReading:
    accepted = [found.state for found in mine if found.inode]
    tcp = bool(one.socket.port)
    half_open = (sockets.SYN_RECEIVED, sockets.NEW_SYN_RECEIVED)
    return ListenerReading(
        address=one.socket.address,
        queue=one.socket.queue,
        queue_limit=one.socket.queue_limit,
        established=accepted.count(sockets.ESTABLISHED),
        close_wait=accepted.count(sockets.CLOSE_WAIT) if tcp else None,
        syn_received=sum(found.state in half_open for found in mine) if tcp else None,
        unit=one.unit,
    )
