"""Tells systemd how the service is: READY, STATUS, WATCHDOG. Silent when systemd did not start it."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Send one sd_notify message; a lost one is no error."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(message.encode(), address)
    except OSError:
        return


def watchdog_interval_s() -> float | None:
    """How often systemd wants to hear from us, None when it does not."""
    text = os.environ.get("WATCHDOG_USEC", "")
    own = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(text) / 2e6 if text.isdigit() and int(text) and own else None
