"""Sixty patterns that mean the same to grep -E, ripgrep, fail2ban and Python's re, each with a literal.

They stand in for rules so that every tool has the same work; the shipped rules are measured by ``diagnose``.
"""

from __future__ import annotations

from analyzerd.model import Severity
from analyzerd.rules.schema import SignalRule

_N = "[0-9]+"
PATTERNS: tuple[tuple[str, str], ...] = (
    ("WORKER TIMEOUT (pid:", rf"\[CRITICAL\] WORKER TIMEOUT \(pid:{_N}\)"),
    ("was sent SIGKILL!", rf"Worker \(pid:{_N}\) was sent SIGKILL!"),
    ("was sent SIGSEGV!", rf"Worker \(pid:{_N}\) was sent SIGSEGV!"),
    ("was sent SIGABRT!", rf"Worker \(pid:{_N}\) was sent SIGABRT!"),
    ("was sent SIGBUS!", rf"Worker \(pid:{_N}\) was sent SIGBUS!"),
    ("was sent code ", rf"Worker \(pid:{_N}\) was sent code {_N}!"),
    (") exited with code ", rf"Worker \(pid:{_N}\) exited with code {_N}"),
    ("was terminated due to signal ", rf"Worker with pid {_N} was terminated due to signal {_N}"),
    ("Booting worker with pid: ", rf"\[INFO\] Booting worker with pid: {_N}"),
    ("Worker exiting (pid: ", rf"\[INFO\] Worker exiting \(pid: {_N}\)"),
    ("Autorestarting worker after current request.", r"Autorestarting worker after current request\."),
    ("Handling signal: ", r"\[INFO\] Handling signal: [a-z]+"),
    ("Connection in use: ", r"\[ERROR\] Connection in use: \("),
    ("(no URI read)", r"Error handling request \(no URI read\)"),
    ("Error handling request GET ", r"\[ERROR\] Error handling request GET /"),
    ("Error handling request POST ", r"\[ERROR\] Error handling request POST /"),
    ("Socket error processing request.", r"\[ERROR\] Socket error processing request\."),
    ("Control server error: ", r"Control server error: \[Errno 13\]"),
    ("Invalid request from ip=", rf"Invalid request from ip={_N}\.{_N}\.{_N}\.{_N}: "),
    ("Exception in worker process", r"\[ERROR\] Exception in worker process"),
    ("Worker failed to boot.", r"Reason: Worker failed to boot\."),
    ("App failed to load.", r"Reason: App failed to load\."),
    ("Shutting down: Master", r"Shutting down: Master"),
    ("Failed to find attribute ", r"Failed to find attribute '[a-z_]+' in '"),
    ("Unhandled exception in main loop", r"Unhandled exception in main loop"),
    ("Worker graceful timeout (pid:", rf"Worker graceful timeout \(pid:{_N}\)"),
    ("Parent changed, shutting down: ", r"Parent changed, shutting down: <Worker"),
    ("Starting gunicorn ", rf"Starting gunicorn {_N}\.{_N}"),
    ("ERROR in app: Exception on ", r"ERROR in app: Exception on /[^ ]* \[[A-Z]+\]"),
    ("QueuePool limit of size ", rf"QueuePool limit of size {_N} overflow {_N} reached"),
    ("too many clients already", r"FATAL:  sorry, too many clients already"),
    ("remaining connection slots are reserved", r"remaining connection slots are reserved"),
    ("server closed the connection unexpectedly", r"server closed the connection unexpectedly"),
    ("could not connect to server", r"could not connect to server: "),
    ("canceling statement due to statement timeout", r"canceling statement due to statement timeout"),
    ("Errno 24] ", r"OSError: \[Errno 24\] Too many open files"),
    ("Errno 28] ", r"OSError: \[Errno 28\] No space left on device"),
    ("Errno 12] ", r"\[Errno 12\] Cannot allocate memory"),
    ("MemoryError", r"^MemoryError"),
    ("SystemExit: 1", r"^SystemExit: 1"),
    ("Read timed out.", rf"ReadTimeout: .*Read timed out\. \(read timeout={_N}\)"),
    ("Lost connection to MySQL server", r"Lost connection to MySQL server"),
    ("(111: Connection refused) while connecting to upstream",
     r"connect\(\) failed \(111: Connection refused\) while connecting to upstream"),
    ("(2: No such file or directory) while connecting to upstream",
     r"connect\(\) to unix:[^ ]+ failed \(2: No such file or directory\) while connecting to upstream"),
    ("(13: Permission denied) while connecting to upstream",
     r"connect\(\) to unix:[^ ]+ failed \(13: Permission denied\) while connecting to upstream"),
    ("(11: Resource temporarily unavailable) while connecting",
     r"connect\(\) to unix:[^ ]+ failed \(11: Resource temporarily unavailable\) while connecting"),
    ("(110: Connection timed out) while connecting to upstream",
     r"upstream timed out \(110: Connection timed out\) while connecting to upstream"),
    ("(110: Connection timed out) while reading response header",
     r"upstream timed out \(110: Connection timed out\) while reading response header"),
    ("upstream prematurely closed connection", r"upstream prematurely closed connection while reading"),
    ("recv() failed (104: ", r"recv\(\) failed \(104: Connection reset by peer\) while reading"),
    ("no live upstreams while connecting to upstream", r"no live upstreams while connecting to upstream"),
    ("upstream sent too big header", r"upstream sent too big header while reading"),
    ("client intended to send too large body: ", rf"client intended to send too large body: {_N} bytes"),
    ("worker_connections are not enough", rf"{_N} worker_connections are not enough"),
    ("accept4() failed (24: ", r"accept4\(\) failed \(24: Too many open files\)"),
    ("host not found in upstream", r"\[emerg\] .*host not found in upstream"),
    (" (core dumped)", r"worker process [0-9]+ exited on signal [0-9]+ \(core dumped\)"),
    ("Killed process ", rf"Killed process {_N} \([^)]+\) total-vm:{_N}kB"),
    (" segfault at ", rf"\[{_N}\]: segfault at [0-9a-f]+ ip "),
    ("Possible SYN flooding on port ", r"Possible SYN flooding on port [^ ]+\. Sending cookies\."),
)  # fmt: skip


def as_rules() -> list[SignalRule]:
    """Return the patterns as rules of one kind of stream, for a file in which all kinds are mixed."""
    return [
        SignalRule(
            id=f"bench.p{number}", title=literal, sources=("gunicorn",), severity=Severity.INFO,
            regex=pattern, literals=(literal,),
        )
        for number, (literal, pattern) in enumerate(PATTERNS)
    ]  # fmt: skip


def as_file() -> str:
    """Return the patterns one a line, for ``-f`` of grep -E and ripgrep."""
    return "".join(f"{pattern}\n" for _, pattern in PATTERNS)


def as_fail2ban_filter() -> str:
    """Return a filter of fail2ban that fails each pattern; it demands an id, so the first word is one."""
    rows = (_fail2ban(pattern) for _, pattern in PATTERNS)
    return "[Definition]\ndatepattern = {NONE}\nfailregex = " + "\n            ".join(rows) + "\n"


def _fail2ban(pattern: str) -> str:
    # fail2ban wants one failure id in every pattern; a look-ahead takes the first word without eating text.
    text = pattern[1:] if pattern.startswith("^") else ".*?" + pattern
    return rf"^(?=\W*<F-ID>\w+</F-ID>){text}".replace("%", "%%")
