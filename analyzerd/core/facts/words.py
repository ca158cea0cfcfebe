"""How gunicorn's versions word the death of a worker."""

from __future__ import annotations

from analyzerd.model import Signal

CRASH_SIGNALS = {
    "SIGSEGV": "SIGSEGV", "11": "SIGSEGV", "code 139": "SIGSEGV",
    "SIGABRT": "SIGABRT", "6": "SIGABRT", "code 134": "SIGABRT",
    "SIGBUS": "SIGBUS", "7": "SIGBUS", "code 135": "SIGBUS",
    "SIGFPE": "SIGFPE", "8": "SIGFPE", "code 136": "SIGFPE",
    "SIGILL": "SIGILL", "4": "SIGILL", "code 132": "SIGILL",
}  # fmt: skip


SIGNAL_NAMES = {"6": "SIGABRT", "7": "SIGBUS", "8": "SIGFPE", "9": "SIGKILL", "11": "SIGSEGV", "15": "SIGTERM"}
"""Signals by the number systemd prints as EXIT_STATUS."""


def is_sigkill(signal: Signal) -> bool:
    """Whether a worker-signal line says SIGKILL, in any version's words."""
    return str(signal.fields.get("signal")) in ("SIGKILL", "9", "code 137")
