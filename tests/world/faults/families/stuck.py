"""Requests that no timeout of gunicorn ends: 504 from nginx, and gunicorn says nothing."""

from tests.world.faults.scenario import V21, Scenario
from tests.world.faults.steps import ask, load, start, wait

GTHREAD = "--workers 2 --worker-class gthread --threads 2 --timeout 4"

SCENARIOS = (
    Scenario(
        "stuck-threads",
        "all threads wait for something that does not come; gunicorn's timeout does not concern them",
        (load("/ok", per_s=2, for_s=40), wait(3), ask("/db?s=300", 4), wait(30)),
        ("stuck-requests", "app-waits-on-database", "timeout-too-high"),
        gunicorn=GTHREAD,
        packages=("psycopg[binary]",),
        environment={"DATABASE_URL": "{database}"},
    ),
    Scenario(
        "stuck-computing",
        "all threads compute for minutes",
        (load("/ok", per_s=2, for_s=40), wait(3), ask("/cpu?s=300", 4), wait(30)),
        ("stuck-requests", "timeout-too-high", "app-cpu-loop"),
        gunicorn=GTHREAD,
    ),
    Scenario(
        "nginx-gives-up-first",
        "a report takes 4 s and nginx waits 2 s: gunicorn completes what nobody waits for",
        (load("/ok", per_s=3, for_s=30), ask("/report?s=4"), wait(6), ask("/report?s=4"), wait(6), ask("/report?s=4")),
        ("nginx-timeout-mismatch",),
        gunicorn="--workers 3 --timeout 30",
        location="proxy_read_timeout 2s;",
        bounded=True,
    ),
    Scenario(
        "slow-report-in-time",
        "the same report where nginx waits long enough",
        (load("/ok", per_s=3, for_s=30), ask("/report?s=4"), wait(6), ask("/report?s=4"), wait(6), ask("/report?s=4")),
        gunicorn="--workers 3 --timeout 30",
        quiet_s=45,
    ),
    Scenario(
        "boot-hang",
        "the import of the application hangs: connections are accepted and nobody ever answers",
        (start, wait(3), load("/ok", per_s=0.5, for_s=100)),
        ("boot-hang",),
        app="slow_boot:app",
        location="proxy_read_timeout 6s;",
        starts_late=True,
    ),
    Scenario(
        "boot-hang-21",
        "the same on gunicorn 21, which kills the worker and starts the next one into the same trap",
        (start, wait(3), load("/ok", per_s=0.5, for_s=100)),
        ("boot-hang",),
        version=V21,
        gunicorn="--workers 2 --timeout 15",
        app="slow_boot:app",
        location="proxy_read_timeout 6s;",
        starts_late=True,
    ),
    Scenario(
        "boot-slow",
        "an import that takes eight seconds and then serves",
        (start, wait(2), load("/ok", per_s=1, for_s=40), wait(30)),
        app="slow_boot:app",
        environment={"BOOT_S": "8"},
        gunicorn="--workers 2 --timeout 30",
        starts_late=True,
        quiet_s=40,
    ),
)
