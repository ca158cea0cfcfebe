"""What happened, written once for many tests: the lines that each witness leaves of a real incident."""

from __future__ import annotations

READS = "+0s reads gunicorn, nginx.error, nginx.access, kernel, systemd\n"
START = "+0s start 23.0.0 sync master=8 workers=12,13\n"
CLOSED = (
    "[error] 77#77: *{n} upstream prematurely closed connection while reading response header from upstream, client: "
    '10.0.0.9, server: s, request: "GET /report HTTP/1.1", upstream: "http://127.0.0.1:8000/report", host: "s"'
)
REFUSED = (
    "[error] 77#77: *{n} connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.9, "
    'server: s, request: "GET /report HTTP/1.1", upstream: "http://{address}/report", host: "s"'
)
KERNEL_KILL = (
    "Memory cgroup out of memory: Killed process {pid} (gunicorn) total-vm:900000kB, anon-rss:500000kB, "
    "file-rss:0kB, shmem-rss:0kB, UID:33 pgtables:100kB oom_score_adj:0"
)
PERHAPS = "[8] [ERROR] Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?"
TIMEOUT = "[8] [CRITICAL] WORKER TIMEOUT (pid:{pid})"
STUCK = """+{at}s gunicorn [{pid}] [ERROR] Error handling request /report
  | Traceback (most recent call last):
  |   File "/venv/lib/python3.11/site-packages/gunicorn/workers/sync.py", line 134, in handle
  |     self.handle_request(listener, req, client, addr)
  |   File "/srv/app/views.py", line 60, in report
  |     time.sleep(60)
  |   File "/venv/lib/python3.11/site-packages/gunicorn/workers/base.py", line 203, in handle_abort
  |     sys.exit(1)
  | SystemExit: 1
"""

OUT_OF_MEMORY = (
    READS
    + START
    + f"+60s kernel {KERNEL_KILL.format(pid=12)}\n"
    + f"+60.1s nginx.error {CLOSED.format(n=1)}\n"
    + f"+61s gunicorn {PERHAPS.format(pid=12)}\n"
    + "+61s gunicorn [14] [INFO] Booting worker with pid: 14\n"
    + "+61s systemd app.service MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef A process has been killed\n"
    + "+61.2s nginx.access GET /report 502 0.4\n"
)
NATIVE_HANG = (
    READS + START + "+60s sample worker 12 cpu_user_s=1 state=R; worker 13 cpu_user_s=1 state=S\n"
    "+65s sample worker 12 cpu_user_s=6 state=R; worker 13 cpu_user_s=1 state=S\n"
    "+85s sample worker 12 cpu_user_s=26 state=R; worker 13 cpu_user_s=1 state=S\n"
    + f"+90s gunicorn {TIMEOUT.format(pid=12)}\n"
    + f"+91s gunicorn {PERHAPS.format(pid=12)}\n"
    + f"+91s nginx.error {CLOSED.format(n=4)}\n"
    + "+91s gunicorn [14] [INFO] Booting worker with pid: 14\n"
)
BOOT_FAILURE = READS + (
    """+1s gunicorn [8] [INFO] Starting gunicorn 23.0.0
+1s gunicorn [8] [INFO] Listening at: http://127.0.0.1:8000 (8)
+1s gunicorn [12] [INFO] Booting worker with pid: 12
+1s gunicorn [12] [ERROR] Exception in worker process
  | Traceback (most recent call last):
  |   File "/venv/lib/python3.11/site-packages/gunicorn/arbiter.py", line 608, in spawn_worker
  |     worker.init_process()
  |   File "/srv/app/wsgi.py", line 1, in <module>
  |     import redis
  | ModuleNotFoundError: No module named 'redis'
+2s gunicorn [12] [INFO] Worker exiting (pid: 12)
+2s gunicorn [8] [ERROR] Worker (pid:12) exited with code 3
+2s gunicorn [8] [ERROR] Shutting down: Master
+2s gunicorn [8] [ERROR] Reason: Worker failed to boot.
"""
    f"+3s nginx.error {REFUSED.format(n=1, address='127.0.0.1:8000')}\n"
)
MISMATCH = (
    READS
    + "+0s reads gunicorn.access\n+0s setting gunicorn.timeout 30\n+0s setting nginx.proxy_read_timeout 10\n"
    + START
    + "+40s nginx.error [error] 77#77: *1 upstream timed out (110: Connection timed out) while reading response header "
    'from upstream, client: 10.0.0.9, server: s, request: "GET /report HTTP/1.1", upstream: '
    '"http://127.0.0.1:8000/report", host: "s"\n'
    + "+40.2s nginx.access GET /report 504 10.0\n"
    + "+44s gunicorn.access GET /report 200 14.0\n"
)
DEPLOY = (
    READS
    + START
    + "+60s gunicorn [8] [INFO] Handling signal: term\n"
    + f"+60.4s nginx.error {CLOSED.format(n=3)}\n"
    + "+61s gunicorn [12] [INFO] Worker exiting (pid: 12)\n+61s gunicorn [8] [INFO] Shutting down: Master\n"
    + f"+62s nginx.error {REFUSED.format(n=5, address='127.0.0.1:8000')}\n"
    + "+63s start 23.0.0 sync master=9 workers=22,23\n"
)
TWO_TIME_OUT = (
    READS
    + START
    + f"+60s gunicorn {TIMEOUT.format(pid=12)}\n"
    + STUCK.format(at=60, pid=12)
    + f"+62s gunicorn {TIMEOUT.format(pid=13)}\n"
    + STUCK.format(at=62, pid=13)
    + "+63s gunicorn [14] [INFO] Booting worker with pid: 14\n"
    + f"+63s nginx.error {CLOSED.format(n=7)}\n"
)
STORIES = {
    "out of memory": OUT_OF_MEMORY,
    "native hang": NATIVE_HANG,
    "boot failure": BOOT_FAILURE,
    "mismatch": MISMATCH,
    "deploy": DEPLOY,
    "two time out": TWO_TIME_OUT,
}
