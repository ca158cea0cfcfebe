"""Stand in for pid 1: join a unit's cgroup, open its log, then become its program or speak for it.

Run as ``in_unit.py exec CGROUP SOCKET HEADER PROGRAM...`` or ``in_unit.py send CGROUP SOCKET``; the latter
reads hex datagrams from standard input, one a line, and stays alive until that is closed. journald looks
up the sender while it lives, so the sender must be a process of its own.
"""

import os
import socket
import sys


def join(cgroup):
    """Move this process into a cgroup ('' for none)."""
    if cgroup:
        with open(cgroup + "/cgroup.procs", "w") as procs:  # noqa: PTH123  (fast start: no pathlib)
            procs.write("0")


def become(cgroup, address, header, *program):
    """Replace this process by the program, its output on a stream to journald."""
    join(cgroup)
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(address)
    stream.shutdown(socket.SHUT_RD)
    stream.sendall(bytes.fromhex(header))
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    os.execvp(program[0], program)  # noqa: S606


def send(cgroup, address):
    """Send each line of standard input as one datagram."""
    join(cgroup)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        for line in sys.stdin:
            datagrams.sendto(bytes.fromhex(line), address)
            print("sent", flush=True)


if __name__ == "__main__":
    {"exec": become, "send": send}[sys.argv[1]](*sys.argv[2:])
