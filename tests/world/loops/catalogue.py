"""The loops: the guide's eleven causes with the change that ends each, and three changes that make it worse.

The longest first. Loads stay a little below what the site can do: a queue that only grows has no time that could be
compared.
"""

from __future__ import annotations

import subprocess

from tests.world.apps import HERE
from tests.world.faults.families.capacity import DATABASE, PSYCOPG
from tests.world.faults.scenario import Scenario
from tests.world.faults.site import APPS, Site
from tests.world.faults.steps import load, nginx_reload, regularly, reload, restart, wait
from tests.world.loops.loop import Loop

LONG_S = 7200.0
CONFIG = '# Flask-App für den Laden\nbacklog = 512\nworkers = {workers}  # two of them?\n{more}loglevel = "info"\n'
PATIENT = "proxy_read_timeout 60s;"
OWN_FOLDER = f"--chdir {{home}}/app --pythonpath {HERE},{APPS}"
"""Not the tests' own, where a commit would be another release of the app."""


def config(workers: int, *more: str) -> str:
    """Compose a gunicorn.conf.py as people write it."""
    return CONFIG.format(workers=workers, more="".join(f"{line}\n" for line in more))


def release(pace: float) -> str:
    """Name the shell command that puts another release into the app's folder."""
    return f"echo {pace} > pace && git add -A && git commit -qm 'pace {pace}'"


def deploy(pace: float, *, first: bool = False) -> object:
    """Put a release into the app's folder and reload."""

    def step(site: Site) -> None:
        folder = site.home / "app"
        begin = "git init -q && git config user.email a@b && git config user.name a && " if first else ""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(site.home), "LANG": "C.UTF-8"}
        subprocess.run(["/bin/sh", "-c", begin + release(pace)], cwd=folder, check=True, env=environment)
        reload(site)

    return step


def larger_pool(site: Site) -> None:
    """Do what the advice says where no file of gunicorn's or nginx's has it: the app's environment."""
    site.app.environment["SQLALCHEMY_POOL_SIZE"] = "16"
    restart(site)


QUICK = {"before_s": 240.0, "verdict_s": 900.0}
LOOPS = (
    Loop(
        "memory-overcommit",
        Scenario("memory-overcommit", "", (load("/ok", 4.0, LONG_S),), ("memory-overcommit",),
                 gunicorn=OWN_FOLDER, config=config(6, "timeout = 30"), memory_bytes=1000 << 20,
                 environment={"BALLAST_MB": "90"}),
        "gunicorn.workers",
        detect_s=2100.0,
        before_s=0.0,
        effect=restart,
    ),
    Loop(
        "no-worker-recycling",
        Scenario("no-worker-recycling", "", (load("/leak?kb=60", 8.0, LONG_S),), ("no-worker-recycling",),
                 gunicorn=OWN_FOLDER, config=config(2, "timeout = 30"), memory_bytes=480 << 20),
        "gunicorn.max_requests",
        before_s=510.0,
    ),
    Loop(
        "timeout-too-high",
        Scenario("timeout-too-high", "", (load("/ok", 10.0, LONG_S), wait(100), regularly("/sleep?s=400", 15, LONG_S)),
                 ("timeout-too-high",), gunicorn=OWN_FOLDER, config=config(6, "timeout = 40"), location=PATIENT),
        "gunicorn.timeout",
        before_s=720.0,
    ),
    Loop(
        "app-slow",
        Scenario("app-slow", "", (deploy(0.05, first=True), load("/page", 6.0, LONG_S), wait(90), deploy(0.55)),
                 ("app-slow",), gunicorn=OWN_FOLDER, config=config(4, "timeout = 30"), location=PATIENT),
        "application",
        before_s=690.0,
        by_hand=deploy(0.05),
    ),
    Loop(
        "too-few-workers",
        Scenario("too-few-workers", "", (load("/sleep?s=0.12", 15.4, LONG_S),), ("too-few-workers",),
                 gunicorn=OWN_FOLDER, config=config(2, "timeout = 30"), location=PATIENT),
        "gunicorn.workers",
        before_s=1080.0,
    ),
    Loop(
        "wrong-worker-class",
        Scenario("wrong-worker-class", "", (load("/mix?cpu=0.002&s=0.12", 30.0, LONG_S),), ("wrong-worker-class",),
                 gunicorn=OWN_FOLDER, config=config(4, "timeout = 30"), location=PATIENT),
        "gunicorn.threads",
        before_s=1080.0,
    ),
    Loop(
        "worse-more-workers",
        Scenario("worse-more-workers", "", (load("/crowded?s=0.2&for=2", 9.2, LONG_S),), ("too-few-workers",),
                 gunicorn=OWN_FOLDER, config=config(2, "timeout = 30"), location=PATIENT),
        "gunicorn.workers",
        expected="worse",
        before_s=420.0,
    ),
    Loop(
        "worse-threads",
        Scenario("worse-threads", "", (load("/unsafe?s=0.3", 12.4, LONG_S),), ("wrong-worker-class",),
                 gunicorn=OWN_FOLDER, config=config(4, "timeout = 30"), location=PATIENT),
        "gunicorn.threads",
        expected="worse",
        before_s=420.0,
    ),
    Loop(
        "worse-failing",
        Scenario("worse-failing", "", (load("/licensed?s=0.2&for=2", 9.2, LONG_S),), ("too-few-workers",),
                 gunicorn=OWN_FOLDER, config=config(2, "timeout = 30"), location=PATIENT),
        "gunicorn.workers",
        expected="worse",
        before_s=420.0,
    ),
    Loop(
        "timeout-too-low",
        Scenario("timeout-too-low", "", (load("/work?s=1.3", 2.0, LONG_S), load("/ok", 3.0, LONG_S)),
                 ("timeout-too-low",), gunicorn=OWN_FOLDER, config=config(8, "timeout = 4"), location=PATIENT),
        "gunicorn.timeout",
        **QUICK,
    ),
    Loop(
        "nginx-timeout-mismatch",
        Scenario("nginx-timeout-mismatch", "", (load("/ok", 3.0, LONG_S), load("/report?s=4", 0.1, LONG_S)),
                 ("nginx-timeout-mismatch",), gunicorn=OWN_FOLDER, config=config(4, "timeout = 30"),
                 location="proxy_read_timeout 2s;"),
        "nginx.proxy_read_timeout",
        effect=nginx_reload,
        **QUICK,
    ),
    Loop(
        "db-pool-too-small",
        Scenario("db-pool-too-small", "", (load("/pooled?s=0.3", 8.0, LONG_S),), ("db-pool-too-small",),
                 gunicorn=OWN_FOLDER, packages=PSYCOPG, database={"max_connections": 100},
                 config=config(1, 'worker_class = "gthread"', "threads = 16", "timeout = 30"),
                 environment=DATABASE | {"SQLALCHEMY_POOL_SIZE": "2", "POOL_TIMEOUT": "3"}),
        "database.pool_size",
        by_hand=larger_pool,
        **QUICK,
    ),
    Loop(
        "too-many-workers",
        Scenario("too-many-workers", "", (load("/burn?cpu=0.1", 17.0, LONG_S),), ("too-many-workers",),
                 gunicorn=OWN_FOLDER, config=config(12, "timeout = 60"), location=PATIENT, alone=True),
        "gunicorn.workers",
    ),
    Loop(
        "too-many-threads",
        Scenario("too-many-threads", "", (load("/burn?cpu=0.02", 38.0, LONG_S),), ("too-many-threads",),
                 gunicorn=OWN_FOLDER, alone=True,
                 config=config(1, 'worker_class = "gthread"', "threads = 4", "timeout = 30")),
        "gunicorn.threads",
    ),
)  # fmt: skip
