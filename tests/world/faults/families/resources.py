"""Memory, files and disks; and connections that forked workers share."""

from tests.world.faults.scenario import Scenario
from tests.world.faults.steps import ask, load, wait

TREND_S = 420.0
MILD_S = 260.0
"""What is slow, but not by a second, is told when it has lasted three minutes."""

SCENARIOS = (
    Scenario(
        "memory-leak",
        "every request leaves 200 KiB behind",
        (load("/leak?kb=200", per_s=8, for_s=TREND_S),),
        ("no-worker-recycling", "memory-overcommit"),
        gunicorn="--workers 2 --timeout 30",
        memory_bytes=3 << 30,
        within_s=TREND_S,
    ),
    Scenario(
        "memory-plateau",
        "a cache fills and then stays as it is",
        (load("/cached?kb=500", per_s=8, for_s=360), wait(360)),
        gunicorn="--workers 2 --timeout 30",
        memory_bytes=3 << 30,
        quiet_s=30,
    ),
    Scenario(
        "memory-thrash",
        "a mapped file is larger than the memory limit: its pages are read from disk again and again",
        (load("/touch?n=4000", per_s=3, for_s=280),),
        ("memory-thrash",),
        gunicorn="--workers 2 --timeout 30",
        location="proxy_read_timeout 30s;",
        memory_bytes=110 << 20,
        slow_s=0.2,
        within_s=MILD_S,
        environment={"BIG_FILE": "{big_file}"},
        alone=True,
    ),
    Scenario(
        "memory-mapped",
        "the same file and enough memory",
        (load("/touch?n=4000", per_s=3, for_s=60), wait(45)),
        gunicorn="--workers 2 --timeout 30",
        location="proxy_read_timeout 30s;",
        memory_bytes=1 << 30,
        environment={"BIG_FILE": "{big_file}"},
        quiet_s=30,
        alone=True,
    ),
    Scenario(
        "files-exhausted",
        "files are opened and never closed",
        (load("/ok", per_s=2, for_s=30), *(ask("/open-files?n=8"), wait(1)) * 8),
        ("file-descriptors-exhausted",),
        gunicorn="--workers 1 --worker-class gthread --threads 4 --timeout 10",
        files=48,
    ),
    Scenario(
        "disk-full",
        "the application's disk is full",
        (load("/ok", per_s=2, for_s=20), *(ask("/write?kb=100"), wait(1)) * 8),
        ("disk-full",),
        environment={"DISK": "{small_disk}"},
    ),
    Scenario(
        "shared-connection",
        "a database connection over TLS made before the fork is used by every worker",
        (load("/shared?i=1", per_s=12, for_s=40), load("/shared?i=2", per_s=12, for_s=40)),
        ("preload-shared-connection",),
        gunicorn="--workers 3 --preload --timeout 10",
        packages=("psycopg[binary]",),
        environment={"DATABASE_URL": "{tls_database}", "CONNECT_AT_IMPORT": "1"},
    ),
    Scenario(
        "own-connections",
        "the same without preload: a connection for every worker",
        (load("/shared?i=1", per_s=12, for_s=40), load("/shared?i=2", per_s=12, for_s=40), wait(30)),
        gunicorn="--workers 3 --timeout 10",
        packages=("psycopg[binary]",),
        environment={"DATABASE_URL": "{database}", "CONNECT_AT_IMPORT": "1"},
        quiet_s=40,
    ),
)
