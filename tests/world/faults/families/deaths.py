"""Workers that die: "Perhaps out of memory?" is printed for several of them and true for one."""

import signal

from tests.world.faults.scenario import V20, V21, Scenario
from tests.world.faults.steps import ask, kill_worker, load, restart, signal_master, wait

LOAD = load("/ok", per_s=4, for_s=30)
PATIENT = "--workers 2 --timeout 30"

SCENARIOS = (
    Scenario(
        "memory-limit",
        "a request takes more memory than the unit may have: the kernel kills the worker",
        (LOAD, wait(4), ask("/alloc?mb=400")),
        ("out-of-memory",),
        gunicorn=PATIENT,
        memory_bytes=192 << 20,
        bounded=True,
    ),
    Scenario(
        "memory-within-limit",
        "a large request that fits",
        (LOAD, wait(4), ask("/alloc?mb=64"), wait(20)),
        gunicorn=PATIENT,
        memory_bytes=400 << 20,
        quiet_s=40,
    ),
    Scenario(
        "killed-from-outside",
        "somebody kills a worker: the same hint at memory, and no witness of it",
        (LOAD, wait(4), ask("/sleep?s=5", 2), wait(1), kill_worker(signal.SIGKILL)),
        ("external-kill",),
        gunicorn=PATIENT,
        bounded=True,
    ),
    Scenario(
        "killed-from-outside-20",
        "the same on gunicorn 20.1, which logs the signal differently",
        (LOAD, wait(4), kill_worker(signal.SIGKILL), wait(3), kill_worker(signal.SIGKILL)),
        ("external-kill", "silent-exit"),
        version=V20,
        gunicorn=PATIENT,
    ),
    Scenario(
        "stopped-by-term",
        "somebody ends a worker the gentle way; gunicorn starts another",
        (LOAD, wait(4), kill_worker(signal.SIGTERM), wait(20)),
        gunicorn=PATIENT,
        quiet_s=45,
    ),
    Scenario(
        "crash-segfault",
        "native code reads address 0",
        (LOAD, wait(4), ask("/segv")),
        ("native-crash",),
        gunicorn=PATIENT,
    ),
    Scenario(
        "crash-abort",
        "native code calls abort()",
        (LOAD, wait(4), ask("/abort")),
        ("native-crash",),
        gunicorn=PATIENT,
    ),
    Scenario(
        "crash-segfault-21",
        "native code reads address 0 under gunicorn 21",
        (LOAD, wait(4), ask("/segv"), wait(3), ask("/segv")),
        ("native-crash",),
        version=V21,
        gunicorn=PATIENT,
    ),
    Scenario(
        "exit-silent",
        "the application leaves with os._exit(0): no line at all",
        (LOAD, wait(4), ask("/exit?code=0"), wait(3), ask("/exit?code=0"), wait(3), ask("/exit?code=0")),
        ("silent-exit", "app-exit"),
        gunicorn=PATIENT,
    ),
    Scenario(
        "exit-by-thread",
        "sys.exit(7) in a threaded worker ends all of it",
        (LOAD, wait(4), ask("/exit-by-exception?code=7"), wait(3), ask("/exit-by-exception?code=7")),
        ("app-exit",),
        gunicorn="--workers 2 --worker-class gthread --threads 2 --timeout 30",
    ),
    Scenario(
        "master-killed",
        "the master itself is killed",
        (LOAD, wait(4), signal_master(signal.SIGKILL)),
        ("master-killed",),
        gunicorn=PATIENT,
    ),
    Scenario(
        "deploy-long-request",
        "a restart while long requests run: they are cut when graceful_timeout is over",
        (LOAD, wait(4), ask("/sleep?s=12", 2), wait(1), restart, wait(20)),
        gunicorn="--workers 2 --timeout 30 --graceful-timeout 3",
        quiet_s=45,
        bounded=True,
    ),
)
