"""Kernel answers about sockets (sock_diag messages, /proc/net text) to values. Opens no socket itself."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

ESTABLISHED, SYN_RECEIVED, CLOSE_WAIT, LISTEN, NEW_SYN_RECEIVED = 1, 3, 8, 10, 12
ALIVE_STATES = (1 << ESTABLISHED) | (1 << SYN_RECEIVED) | (1 << CLOSE_WAIT) | (1 << NEW_SYN_RECEIVED)
LISTEN_STATE = 1 << LISTEN

_SOCK_DIAG_BY_FAMILY, _DUMP_FLAGS, _BYTECODE = 20, 0x301, 1
_DONE, _ERROR = 3, 2
_HEADER = struct.Struct("=IHHII")
_INET_MESSAGE = struct.Struct("=BBBB2s2s16s16sIII5I")
_UNIX_MESSAGE = struct.Struct("=BBBBIII")
_UNIX_NAME, _UNIX_QUEUE = 0, 4
_PORT_AT_LEAST, _PORT_AT_MOST = 2, 3
_JUMP, _PEER_PORT_AT_LEAST, _PEER_PORT_AT_MOST = 1, 4, 5
_PEER_STEPS_BYTES = 20


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket as the kernel shows it. ``port`` 0: a unix socket, whose path is ``host``.

    For a listener ``queue`` counts connections not yet accepted and ``queue_limit`` its backlog (None where
    the source does not tell). ``inode`` 0: the connection has not been accepted by any process. ``peer_port``: where a
    TCP connection leads.
    """

    host: str
    port: int
    state: int
    inode: int
    queue: int | None = None
    queue_limit: int | None = None
    peer_port: int = 0

    @property
    def address(self) -> str:
        """Write it as gunicorn and nginx do: ``127.0.0.1:8000``, ``[::1]:8000``, ``unix:/run/x.sock``."""
        if not self.port:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def inet_request(family: int, states: int, port: int = 0) -> bytes:
    """Ask for TCP sockets in ``states`` (a bit mask), of one local port when given."""
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, states) + bytes(48)
    if port:
        code = struct.pack("=BBHBBH", _PORT_AT_LEAST, 8, 20, 0, 0, port)
        code += struct.pack("=BBHBBH", _PORT_AT_MOST, 8, 12, 0, 0, port)
        body += struct.pack("=HH", 4 + len(code), _BYTECODE) + code
    return _request(body)


def peer_request(family: int, states: int, ports: Sequence[int]) -> bytes:
    """Ask for TCP sockets in ``states`` that lead to one of ``ports``; the kernel picks them out."""
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, states) + bytes(48)
    code = b""
    left = _PEER_STEPS_BYTES * len(ports) + 4
    for port in ports:
        code += struct.pack("=BBHBBH", _PEER_PORT_AT_LEAST, 8, _PEER_STEPS_BYTES, 0, 0, port)
        code += struct.pack("=BBHBBH", _PEER_PORT_AT_MOST, 8, _PEER_STEPS_BYTES - 8, 0, 0, port)
        code += struct.pack("=BBH", _JUMP, 4, left - 16)  # found: to the end of the code, which accepts
        left -= _PEER_STEPS_BYTES
    code += struct.pack("=BBH", _JUMP, 4, 8)  # none of them: beyond the end, which refuses
    return _request(body + struct.pack("=HH", 4 + len(code), _BYTECODE) + code)


def unix_request(states: int) -> bytes:
    """Ask for unix sockets in ``states`` with their names and queue lengths."""
    show_name_and_queue = 0x11
    return _request(
        struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, states, 0, show_name_and_queue, 0xFFFFFFFF, 0xFFFFFFFF)
    )


def _request(body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _DUMP_FLAGS, 1, 0) + body


def split_messages(data: bytes) -> tuple[list[bytes], bool]:
    """Split one datagram into message bodies; True once the dump is complete.

    Raises OSError with the errno the kernel answered.
    """
    bodies: list[bytes] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + length]
        if kind == _DONE:
            return bodies, True
        if kind == _ERROR:
            number = -struct.unpack_from("=i", body)[0]
            raise OSError(number, "sock_diag refused")
        bodies.append(body)
        at += max(_HEADER.size, (length + 3) & ~3)
    return bodies, False


def parse_inet(body: bytes) -> Socket:
    """Read one inet_diag_msg."""
    family, state, _, _, port, peer_port, source, _, *numbers = _INET_MESSAGE.unpack_from(body)
    queue, limit, inode = numbers[4], numbers[5], numbers[7]
    address = socket.inet_ntop(family, source[: 4 if family == socket.AF_INET else 16])
    listening = state == LISTEN
    return Socket(
        address,
        int.from_bytes(port),
        state,
        inode,
        queue if listening else None,
        limit if listening else None,
        int.from_bytes(peer_port),
    )


def parse_unix(body: bytes) -> Socket | None:
    """Read one unix_diag_msg; None for a socket without a name."""
    _, _, state, _, inode, _, _ = _UNIX_MESSAGE.unpack_from(body)
    name, queue, limit = b"", None, None
    for kind, value in _attributes(body[_UNIX_MESSAGE.size :]):
        if kind == _UNIX_NAME:
            name = value
        elif kind == _UNIX_QUEUE and state == LISTEN:
            queue, limit = struct.unpack_from("=II", value)
    return Socket(_unix_name(name), 0, state, inode, queue, limit) if name else None


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        yield kind, data[at + 4 : at + length]
        at += max(4, (length + 3) & ~3)


def _unix_name(name: bytes) -> str:
    abstract = name.startswith(b"\0")
    text = name.lstrip(b"\0").partition(b"\0")[0].decode("utf-8", "replace")
    return "@" + text if abstract else text


def parse_net_tcp(data: bytes) -> list[Socket]:
    """Read /proc/net/tcp or tcp6; it tells no listener's limit."""
    found = []
    for line in data.splitlines()[1:]:
        field = line.split()
        if len(field) < 10:
            continue
        address, _, port = field[1].partition(b":")
        state = int(field[3], 16)
        queue = int(field[4].partition(b":")[2], 16) if state == LISTEN else None
        peer_port = int(field[2].rpartition(b":")[2], 16)
        found.append(Socket(_hex_address(address), int(port, 16), state, int(field[9]), queue, peer_port=peer_port))
    return found


def _hex_address(text: bytes) -> str:
    words = [int(text[n : n + 8], 16) for n in range(0, len(text), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, raw)


def parse_net_unix(data: bytes) -> list[Socket]:
    """Read the named stream sockets of /proc/net/unix; a listener's queue is its connections in state 02."""
    found: list[Socket] = []
    waiting: dict[str, int] = {}
    for line in data.splitlines()[1:]:
        field = line.split(maxsplit=7)
        if len(field) < 8 or field[4] != b"0001":
            continue
        path = field[7].decode("utf-8", "replace")
        if int(field[3], 16) & 0x10000:
            found.append(Socket(path, 0, LISTEN, int(field[6]), 0))
        elif field[5] == b"03":
            found.append(Socket(path, 0, ESTABLISHED, int(field[6])))
        elif field[5] == b"02":
            waiting[path] = waiting.get(path, 0) + 1
    return [_with_queue(found_one, waiting) for found_one in found]


def _with_queue(found: Socket, waiting: dict[str, int]) -> Socket:
    if found.state != LISTEN:
        return found
    return Socket(found.host, 0, LISTEN, found.inode, waiting.get(found.host, 0))


def serves(listener: Socket, other: Socket) -> bool:
    """Tell whether ``other`` is a connection that came in through ``listener``."""
    if listener.port != other.port:
        return False
    return listener.host in (other.host, "0.0.0.0", "::")  # noqa: S104 the wildcard as text


def matches_bind(listener: Socket, binds: Iterable[str]) -> bool:
    """Tell whether a listener is one of gunicorn's ``bind`` values (used where handles may not be read)."""
    names = {listener.address, listener.address.replace("0.0.0.0:", ":")}
    if listener.host == "127.0.0.1":
        names.add(f"localhost:{listener.port}")
    return any(bind.removeprefix("tcp://") in names for bind in binds)
