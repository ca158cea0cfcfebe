"""WORKER TIMEOUT: what a worker was doing when gunicorn gave it up. The line is the same in all of them."""

from tests.world.faults.scenario import V21, V23, Scenario
from tests.world.faults.steps import ask, connect_and_wait, freeze, load, upload_slowly, wait

WORKS = load("/ok", per_s=4, for_s=30)
DATABASE = {"DATABASE_URL": "{database}"}
API = {"API_URL": "{api}"}
SAMPLED = "--workers 2 --timeout 12"
"""Long enough that the readings of every five seconds show what a worker did before it was given up."""

SCENARIOS = (
    Scenario(
        "timeout-cpu-loop",
        "a sync worker computes in Python for longer than its timeout",
        (WORKS, wait(3), ask("/cpu?s=60", 2)),
        ("app-cpu-loop",),
        bounded=True,
        gunicorn=SAMPLED,
    ),
    Scenario(
        "timeout-regex",
        "a regular expression that goes back and forth without end",
        (WORKS, wait(3), ask("/regex", 2)),
        ("app-cpu-loop", "app-native-hang"),
        gunicorn=SAMPLED,
    ),
    Scenario(
        "timeout-native",
        "a loop in C holds the interpreter: no traceback, SIGKILL, and a hint at memory that is wrong",
        (WORKS, wait(3), ask("/native", 2)),
        ("app-native-hang",),
        gunicorn=SAMPLED,
    ),
    Scenario(
        "timeout-native-gthread",
        "the same in threads: the main thread starves",
        (WORKS, wait(3), ask("/native", 2)),
        ("app-native-hang",),
        gunicorn=f"{SAMPLED} --worker-class gthread --threads 2",
    ),
    Scenario(
        "timeout-sleep",
        "requests that wait, in the application itself",
        (WORKS, wait(3), ask("/sleep?s=60", 2)),
        ("app-waits", "timeout-too-low"),
    ),
    Scenario(
        "timeout-sleep-23",
        "the same on gunicorn 23",
        (WORKS, wait(3), ask("/sleep?s=60", 2)),
        ("app-waits", "timeout-too-low"),
        version=V23,
    ),
    Scenario(
        "timeout-database",
        "requests that wait for PostgreSQL",
        (WORKS, wait(3), ask("/db?s=60", 2)),
        ("app-waits-on-database",),
        packages=("psycopg[binary]",),
        environment=DATABASE,
    ),
    Scenario(
        "timeout-database-21",
        "the same on gunicorn 21, which leaves no traceback: what it waited for may stay unknown",
        (WORKS, wait(3), ask("/db?s=60", 2)),
        ("app-waits-on-database", "app-waits"),
        version=V21,
        packages=("psycopg[binary]",),
        environment=DATABASE,
        gunicorn=SAMPLED,
    ),
    Scenario(
        "timeout-api",
        "requests that wait for another service",
        (WORKS, wait(3), ask("/api?s=60", 2)),
        ("app-waits-on-api",),
        environment=API,
    ),
    Scenario(
        "timeout-pool-leak",
        "one sync worker waits for a connection that it never gave back",
        (ask("/pooled?s=0.01&leak=1"), wait(1), ask("/pooled?s=0.01&leak=1"), wait(1), ask("/pooled?s=0.01")),
        ("db-pool-leak",),
        gunicorn="--workers 1 --timeout 4",
        packages=("psycopg[binary]",),
        environment=DATABASE | {"POOL_SIZE": "2", "POOL_TIMEOUT": "30"},
    ),
    Scenario(
        "timeout-upload",
        "a slow upload that nginx passes on unbuffered",
        (upload_slowly("/upload", 12), upload_slowly("/upload", 12), wait(1), ask("/ok")),
        ("slow-client-upload",),
        location="proxy_request_buffering off; proxy_http_version 1.1;",
    ),
    Scenario(
        "upload-buffered",
        "the same upload, which nginx collects before gunicorn sees it",
        (upload_slowly("/upload", 12), upload_slowly("/upload", 12), wait(1), ask("/ok"), wait(12)),
        quiet_s=40,
    ),
    Scenario(
        "timeout-idle-connection",
        "a client that connects to a sync gunicorn and says nothing",
        (connect_and_wait(8), wait(0.5), ask("/ok", direct=True)),
        ("idle-client-connection",),
        gunicorn="--workers 1 --timeout 4",
    ),
    Scenario(
        "timeout-frozen-tmp",
        "the filesystem of the heartbeat files hangs for ten seconds: idle workers are killed",
        (load("/ok", per_s=1, for_s=30), wait(3), freeze(12)),
        ("worker-tmp-dir-blocked",),
        gunicorn="--workers 2 --timeout 6 --worker-tmp-dir {frozen}",
    ),
    Scenario(
        "timeout-two-binds",
        "two addresses halve the time a sync request may take: 5.3 s are too long for --timeout 6",
        (ask("/sleep?s=5.3", direct=True), wait(8), ask("/sleep?s=5.3", direct=True), wait(8),
         ask("/sleep?s=5.3", direct=True), wait(8), ask("/sleep?s=5.3", direct=True), wait(8)),
        ("multiple-binds-halve-timeout",),
        gunicorn="--workers 1 --timeout 6 --bind 127.0.0.1:{other}",
    ),
    Scenario(
        "one-bind",
        "the same requests and one address",
        (ask("/sleep?s=5.3", direct=True), wait(8), ask("/sleep?s=5.3", direct=True), wait(8)),
        gunicorn="--workers 1 --timeout 6",
        quiet_s=40,
    ),
    Scenario(
        "timeout-stuck-exit",
        "a worker that is to be recycled cannot end, because one of its threads is stuck",
        (ask("/sleep?s=25"), wait(1), load("/ok", per_s=2, for_s=20)),
        ("worker-stuck-on-exit",),
        gunicorn="--workers 1 --worker-class gthread --threads 4 --timeout 4 --max-requests 5 --graceful-timeout 2",
        location="proxy_read_timeout 25s;",
    ),
    Scenario(
        "timeout-gevent",
        "a request computes in an event loop: everything on the worker waits",
        (ask("/sleep?s=8", 3), wait(0.5), ask("/cpu?s=60"), wait(0.5), ask("/ok")),
        ("event-loop-blocked",),
        gunicorn="--workers 1 --timeout 4 --worker-class gevent",
        packages=("gevent", "packaging"),
    ),
    Scenario(
        "gevent-slow",
        "slow requests that only wait do not hurt an event loop",
        (ask("/sleep?s=9", 8), wait(0.5), ask("/ok"), wait(10)),
        gunicorn="--workers 1 --timeout 4 --worker-class gevent",
        packages=("gevent", "packaging"),
        quiet_s=40,
    ),
)  # fmt: skip
