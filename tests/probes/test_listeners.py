"""Listener readings of real sockets, by netlink and by text."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzerd.model import ListenerReading
from analyzerd.probes import sockets
from analyzerd.probes.listeners import ListenerProbe, owned_listeners
from analyzerd.probes.sockets import LISTEN, Socket


@pytest.fixture(params=["netlink", "text"])
def probe(request: pytest.FixtureRequest) -> Iterator[ListenerProbe]:
    """Give the probe with and without netlink: another name of /proc makes it read text."""
    one = ListenerProbe("/proc" if request.param == "netlink" else "/proc/self/root/proc")
    if request.param == "netlink" and one.refused:
        pytest.skip(f"netlink is refused: {one.refused}")
    yield one
    one.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """Give a listener with a backlog of 5, three connections, one of them accepted."""
    kind = request.param
    family = {"unix": socket.AF_UNIX, "v4": socket.AF_INET, "v6": socket.AF_INET6}[kind]
    address = {"unix": str(tmp_path / "x.sock"), "v4": ("127.0.0.1", 0), "v6": ("::1", 0)}[kind]
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind(address)
        listener.listen(5)
        for _ in range(3):
            stack.enter_context(socket.socket(family)).connect(listener.getsockname())
        stack.enter_context(listener.accept()[0])
        yield listener


def read(probe: ListenerProbe, listener: socket.socket) -> ListenerReading:
    """Read the one listener."""
    inode = int(Path(f"/proc/self/fd/{listener.fileno()}").readlink().name[8:-1])
    readings, accepted = probe.read(owned_listeners(probe.listening(), {inode: "u"}, {}))
    assert len(readings) == 1
    assert len(accepted) == 1
    return readings[0]


@pytest.mark.parametrize("server", ["v4", "v6", "unix"], indirect=True)
def test_waiting_and_accepted_are_told_apart(probe: ListenerProbe, server: socket.socket) -> None:
    """Two wait in the queue, one is established; only netlink knows the limit."""
    seen = read(probe, server)
    by_netlink = not probe.refused and probe._netlink is not None
    assert (seen.queue, seen.established) == (2, 1)
    assert seen.queue_limit == (5 if by_netlink else None)
    assert seen.address.startswith("unix:" if server.family == socket.AF_UNIX else ("127.0.0.1:", "[::1]:"))


@pytest.mark.parametrize("server", ["v4"], indirect=True)
def test_netlink_that_fails_is_replaced_by_text(server: socket.socket) -> None:
    """When the kernel refuses, the reading goes on without the limit, and the refusal is kept."""
    one = ListenerProbe()
    if one._netlink is not None:
        one._netlink.close()
    seen = read(one, server)
    assert (seen.queue, seen.queue_limit, seen.established) == (2, None, 1)
    assert one.refused


def test_kernel_error_message_is_raised_with_its_number() -> None:
    """An error answer is an OSError with the kernel's errno."""
    body = struct.pack("=i", -1) + bytes(16)
    with pytest.raises(PermissionError):
        sockets.split_messages(struct.pack("=IHHII", 16 + len(body), 2, 0, 1, 0) + body)


def test_bind_values_name_listeners() -> None:
    """Without handles a listener is recognised by the bind value gunicorn was given."""
    anywhere, local = Socket("0.0.0.0", 8000, LISTEN, 1), Socket("127.0.0.1", 8000, LISTEN, 2)  # noqa: S104
    assert sockets.matches_bind(anywhere, (":8000",))
    assert sockets.matches_bind(local, ("localhost:8000",))
    assert sockets.matches_bind(Socket("/run/x.sock", 0, LISTEN, 3), ("unix:/run/x.sock",))
    assert not sockets.matches_bind(local, ("127.0.0.1:80",))


def test_unix_text_with_a_hostile_path() -> None:
    """A path with spaces stays one path; an unnamed socket and a datagram socket are left out."""
    text = (
        b"Num RefCount Protocol Flags Type St Inode Path\n"
        b"0: 00000002 00000000 00010000 0001 01 50 /run/a b.sock\n"
        b"0: 00000002 00000000 00000000 0001 02 0 /run/a b.sock\n"
        b"0: 00000003 00000000 00000000 0001 03 51\n"
        b"0: 00000002 00000000 00000000 0002 01 52 /run/log\n"
    )
    assert sockets.parse_net_unix(text) == [Socket("/run/a b.sock", 0, LISTEN, 50, 1)]


def test_connections_are_picked_by_where_they_lead(probe: ListenerProbe) -> None:
    """Of three connections to three ports those to the two that were asked for; not their other ends."""
    by_text = probe._netlink is None
    with contextlib.ExitStack() as stack:
        ports, clients = list[int](), list[int]()
        for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET)):
            listener, client = (stack.enter_context(socket.socket(family)) for _ in range(2))
            listener.bind((host, 0))
            listener.listen()
            client.connect(listener.getsockname())
            stack.enter_context(listener.accept()[0])
            ports.append(listener.getsockname()[1])
            clients.append(int(Path(f"/proc/self/fd/{client.fileno()}").readlink().name[8:-1]))
        for asked in (ports[:2], ports[1:], ports[2:], [65535, *ports]):
            assert probe.leading_to(asked) == {
                inode for inode, port in zip(clients, ports, strict=True) if port in asked
            }
        assert (probe._netlink is None) == by_text  # the kernel took the program it was given
