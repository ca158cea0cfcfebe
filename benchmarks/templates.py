"""The lines of the benchmark's log: healthy ones with near-misses on purpose, and 36 kinds of fault."""

from __future__ import annotations

import random

WORKERS = tuple(range(4101, 4109))
PATHS = (
    "/", "/api/v1/orders", "/api/v1/orders/{n}", "/api/v1/timeout-settings", "/api/v1/errors",
    "/admin/worker/",
    "/static/app.{n}.js", "/login", "/health", "/api/v1/kill-switch", "/report?from=2026-11-0{d}&oom=no",
    "/search?q=upstream+prematurely", "/api/v1/users/{n}/timeouts", "/metrics", "/api/v1/segfault-reports",
)  # fmt: skip
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "curl/8.5.0", "python-requests/2.32.3", "ELB-HealthChecker/2.0",
)  # fmt: skip
APP_LINES = (
    "order {n} stored in {ms} ms", "cache hit for user {n}", "retrying job {n} after timeout setting change",
    "worker pool has {d} idle threads", "mail queued for user {n}", "no errors in batch {n}",
    "killed 0 stale sessions", "upstream inventory answered in {ms} ms", "memory cache holds {n} entries",
)  # fmt: skip

FLASK_TRACE = """\
Traceback (most recent call last):
  File "/srv/app/venv/lib/python3.11/site-packages/flask/app.py", line 1511, in wsgi_app
    response = self.full_dispatch_request()
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/venv/lib/python3.11/site-packages/flask/app.py", line 919, in full_dispatch_request
    rv = self.handle_user_exception(e)
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/app.py", line {line}, in {view}
    {code}
  {tail}
"""
TIMEOUT_TRACE = """\
Traceback (most recent call last):
  File "/srv/app/venv/lib/python3.11/site-packages/gunicorn/workers/sync.py", line 141, in handle
    self.handle_request(listener, req, client, addr)
  File "/srv/app/venv/lib/python3.11/site-packages/gunicorn/workers/sync.py", line 184, in handle_request
    respiter = self.wsgi(environ, resp.start_response)
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/app.py", line {line}, in {view}
    time.sleep(60)
  File "/srv/app/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 204, in handle_abort
    sys.exit(1)
SystemExit: 1
"""

GUNICORN_FAULTS = (
    ("CRITICAL", "WORKER TIMEOUT (pid:{pid})"),
    ("ERROR", "Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?"),
    ("ERROR", "Worker (pid:{pid}) was sent SIGSEGV!"),
    ("ERROR", "Worker (pid:{pid}) exited with code 1."),
    ("WARNING", "Worker with pid {pid} was terminated due to signal 9"),
    ("INFO", "Booting worker with pid: {pid}"),
    ("INFO", "Worker exiting (pid: {pid})"),
    ("INFO", "Autorestarting worker after current request."),
    ("INFO", "Handling signal: hup"),
    ("ERROR", "Connection in use: ('127.0.0.1', 8000)"),
    ("ERROR", "Error handling request (no URI read)"),
    ("ERROR", "Socket error processing request."),
    ("ERROR", "Control server error: [Errno 13] Permission denied: '/var/www/.gunicorn'"),
    ("WARNING", "Invalid request from ip=203.0.113.{d}: Invalid HTTP request line: ''"),
)
POOL = (
    "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, "
    "timeout 30.00 (Background on this error at: https://sqlalche.me/e/20/3o7r)"
)
CLIENTS = (
    'psycopg2.OperationalError: connection to server at "10.0.0.5", port 5432 failed: FATAL:  sorry, '
    "too many clients already"
)
API = "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='10.0.0.7', port=80): Read timed out. (read timeout=5)"
EXCEPTIONS = (
    (POOL, "db.session.execute(query)"),
    (CLIENTS, "psycopg2.connect(DSN)"),
    ("OSError: [Errno 24] Too many open files: '/srv/app/data.csv'", "open(path)"),
    ("OSError: [Errno 28] No space left on device", "file.write(data)"),
    ("MemoryError", "bytearray(1 << 34)"),
    (API, "requests.get(URL, timeout=5)"),
    ("KeyError: 'price'", "row['price']"),
)
_REQUEST = (
    ', client: 203.0.113.{d}, server: app.example.com, request: "GET {path} HTTP/1.1", upstream: '
    '"http://127.0.0.1:8000{path}", host: "app.example.com"'
)
_CONNECTING, _HEADER = " while connecting to upstream", " while reading response header from upstream"
_UPSTREAM = (
    ("error", "connect() failed (111: Connection refused)" + _CONNECTING),
    ("crit", "connect() to unix:/run/app.sock failed (2: No such file or directory)" + _CONNECTING),
    ("crit", "connect() to unix:/run/app.sock failed (13: Permission denied)" + _CONNECTING),
    ("error", "connect() to unix:/run/app.sock failed (11: Resource temporarily unavailable)" + _CONNECTING),
    ("error", "upstream timed out (110: Connection timed out)" + _CONNECTING),
    ("error", "upstream timed out (110: Connection timed out)" + _HEADER),
    ("error", "upstream prematurely closed connection" + _HEADER),
    ("error", "recv() failed (104: Connection reset by peer)" + _HEADER),
    ("error", "no live upstreams" + _CONNECTING),
    ("error", "upstream sent too big header" + _HEADER),
    ("error", "client intended to send too large body: 12582912 bytes"),
)
NGINX_FAULTS = (
    *((level, text + _REQUEST) for level, text in _UPSTREAM),
    ("alert", "512 worker_connections are not enough"),
)
OOM = (
    "Memory cgroup out of memory: Killed process {pid} (gunicorn) total-vm:912340kB, anon-rss:166412kB, "
    "file-rss:9216kB, shmem-rss:0kB, UID:33 pgtables:680kB oom_score_adj:0"
)
SEGFAULT = (
    "gunicorn[{pid}]: segfault at 8 ip 00007f1c2a6b1f30 sp 00007ffd1c0a7d58 error 4 in "
    "_native.cpython-311-x86_64-linux-gnu.so[7f1c2a6b0000+2000]"
)
FLOOD = "TCP: request_sock_TCP: Possible SYN flooding on port 127.0.0.1:8000. Sending cookies."
KERNEL_FAULTS = (OOM, SEGFAULT, FLOOD)


def path(rng: random.Random) -> str:
    """Draw one request path."""
    return rng.choice(PATHS).format(n=rng.randrange(100_000), d=rng.randrange(1, 10))


def exception_lines(rng: random.Random) -> list[str]:
    """Draw the traceback of a failed view, without its headline."""
    tail, code = rng.choice(EXCEPTIONS)
    text = FLASK_TRACE.format(line=rng.randrange(20, 400), view="view", code=code, tail=tail)
    lines = text.splitlines()
    return [*lines[:-1], lines[-1].strip()]


def timeout_lines(rng: random.Random) -> list[str]:
    """Draw the traceback a sync worker leaves at its timeout, without its headline."""
    return TIMEOUT_TRACE.format(line=rng.randrange(20, 400), view="slow").splitlines()
