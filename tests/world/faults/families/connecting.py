"""nginx cannot reach the app, or cannot use what it answers."""

import signal

from tests.world.faults.scenario import Scenario
from tests.world.faults.steps import ask, load, restart, signal_master, wait

THRICE = (ask("/ok"), wait(2), ask("/ok"), wait(2), ask("/ok"))

SCENARIOS = (
    Scenario(
        "socket-closed-to-nginx",
        "nginx's user may not open the socket",
        THRICE,
        ("socket-permission",),
        gunicorn="--workers 1 --umask 0o077",
        unix=True,
        bounded=True,
    ),
    Scenario(
        "socket-open",
        "a socket that nginx may open",
        THRICE,
        gunicorn="--workers 1",
        unix=True,
        quiet_s=40,
    ),
    Scenario(
        "socket-elsewhere",
        "nginx looks for the socket where it is not",
        THRICE,
        ("socket-missing",),
        unix=True,
        upstream="server unix:{home}/other.sock;",
    ),
    Scenario(
        "socket-stale",
        "the master was killed and its socket file stayed",
        (ask("/ok"), wait(2), signal_master(signal.SIGKILL), wait(5), *THRICE),
        ("master-killed", "upstream-refused"),
        unix=True,
    ),
    Scenario(
        "port-elsewhere",
        "nginx asks a port where nobody listens; the app is well",
        THRICE,
        ("listen-mismatch", "upstream-refused"),
        upstream="server 127.0.0.1:{dead};",
    ),
    Scenario(
        "two-peers-one-app",
        "nginx knows one app by two addresses of which one is dead, and then the app restarts",
        (load("/ok", per_s=5, for_s=40), wait(5), signal_master(signal.SIGTERM), wait(8), *THRICE),
        ("localhost-two-addresses", "no-live-upstreams", "upstream-refused"),
        upstream="server {app} max_fails=1 fail_timeout=10s; server [::1]:{dead} max_fails=1 fail_timeout=10s;",
    ),
    Scenario(
        "headers-too-big",
        "response headers do not fit nginx's buffer",
        (ask("/headers?kb=2"), wait(1), ask("/headers?kb=16"), wait(2), ask("/headers?kb=16"), ask("/headers?kb=16")),
        ("response-header-too-big",),
    ),
    Scenario(
        "headers-big",
        "headers that just fit",
        (ask("/headers?kb=2", 3), wait(5), ask("/headers?kb=3")),
        quiet_s=40,
    ),
    Scenario(
        "connections-exhausted",
        "nginx may hold 64 connections and slow answers fill them",
        (load("/sleep?s=2", per_s=25, for_s=25),),
        ("nginx-connections-exhausted",),
        gunicorn="--workers 4 --timeout 30",
        connections=64,
    ),
    Scenario(
        "backlog-unix",
        "the accept queue of a socket overflows: refused at once, and the median gets better",
        (load("/sleep?s=0.3", per_s=30, for_s=70),),
        ("backlog-overflow", "too-few-workers"),
        gunicorn="--workers 2 --timeout 30 --backlog 16",
        unix=True,
        alone=True,
    ),
    Scenario(
        "backlog-tcp",
        "the accept queue of a port overflows: nginx times out while connecting, the kernel speaks of a flood",
        (load("/sleep?s=0.3", per_s=20, for_s=70),),
        ("backlog-overflow", "too-few-workers"),
        gunicorn="--workers 2 --timeout 30 --backlog 16",
        location="proxy_connect_timeout 5s;",
        alone=True,
    ),
    Scenario(
        "restart-under-load",
        "a restart: refused for a second, then all is well",
        (load("/mix?cpu=0.003&s=0.04", per_s=15, for_s=40), wait(6), restart, wait(20)),
        gunicorn="--workers 3 --timeout 10",
        quiet_s=45,
    ),
)
