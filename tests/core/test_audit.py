"""Every item of the audit: a setup on which it fails, one on which it passes, one on which it cannot tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzerd.core.audit import ITEMS, Ground, Outcome
from tests.core.setups import GOOD_UNIT, MIB, NGINX, T0, Load, Setup, Watch

SYNC = "gunicorn --workers 2 --timeout 30 --graceful-timeout 30 shop:app"
THREADS = "gunicorn --workers 2 --worker-class gthread --threads 4 shop:app"
BUSY = Load(rate=20, service_s=0.1, upstream_s=0.12)
SYNC_BUSY = Setup(SYNC, load=BUSY, watch=Watch())
THREADS_BUSY = Setup(THREADS, load=BUSY, watch=Watch())
NOTHING = Setup(nginx="")
UNPROXIED = Setup(SYNC, nginx="")
HERE = Ground(True, {"/": "ext4", "/dev/shm": "tmpfs"}, "/tmp", 4096)
GROWN = replace(HERE, started_s={2: T0 - 3600})
CONF = "/srv/gunicorn.conf.py"


def proxied(directives: str = "", *, to: str = "http://127.0.0.1:8000", http: str = "") -> str:
    """An nginx configuration with one location."""
    return f"events {{ }}\nhttp {{ {http}\n server {{ location / {{ proxy_pass {to}; {directives} }} }} }}\n"


def line(text: str) -> dict[str, str]:
    """One error of the app in gunicorn's log."""
    return {"gunicorn": f"[2026-09-21 14:13:30 +0000] [3] [ERROR] db: {text}\n"}


KEPT = "upstream app { server 127.0.0.1:8000; keepalive 16; }"
KEPT_LOCATION = 'proxy_http_version 1.1; proxy_set_header Connection "";'
FULL_QUEUE = (
    "2026/09/21 14:13:30 [error] 77#77: *1 connect() to unix:/run/app.sock failed (11: Resource temporarily "
    'unavailable) while connecting to upstream, client: 10.0.0.9, server: s, request: "GET / HTTP/1.1", upstream: '
    '"http://unix:/run/app.sock:/", host: "s"\n'
)
POOL = "QueuePool limit of size 1 overflow 1 reached, connection timed out, timeout 10.00"
CASES: dict[str, dict[str, tuple[Setup, str]]] = {
    "workers": {
        "fail": (Setup(SYNC, load=Load(20, 0.2), watch=Watch()), "100 % busy at the peak"),
        "pass": (Setup(SYNC, load=Load(20, 0.05), watch=Watch()), "50 % busy at the peak"),
        "cannot tell": (Setup(SYNC, watch=Watch()), "within the unmeasured starting point 2 x 4 cores + 1 = 9"),
    },
    "worker-class": {
        "fail": (Setup(SYNC, load=Load(18, 0.1, 0.1), watch=Watch(cpu=0.05)), "requests wait: 6 %"),
        "pass": (Setup(SYNC, load=Load(18, 0.1, 0.1), watch=Watch(cpu=0.8)), "89 % of a request's time"),
        "cannot tell": (Setup(SYNC, load=Load(2, 0.1), watch=Watch()), "only 120 requests were seen"),
    },
    "class-as-written": {
        "fail": (Setup("gunicorn --worker-class sync --threads 4 a:b"), "worker_class says sync, threads = 4"),
        "pass": (Setup("gunicorn --threads 4 a:b"), "gthread with threads = 4"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "threads": {
        "fail": (Setup(THREADS, load=Load(19, 0.1), watch=Watch(cpu=0.9)), "4 threads keep one interpreter 90 % busy"),
        "pass": (Setup(THREADS, load=Load(19, 0.1), watch=Watch(cpu=0.05)), "4 threads; one interpreter can feed"),
        "cannot tell": (Setup(THREADS), "within the usual 2 to 8"),
    },
    "worker-connections": {
        "fail": (Setup(THREADS), "up to 1000 connections for its 4 threads"),
        "pass": (Setup(THREADS + " --worker-connections 5"), "worker_connections = 5 for 4 threads"),
        "cannot tell": (Setup(THREADS, nginx=""), "whether nginx stands in front was not read"),
    },
    "timeouts-set": {
        "fail": (Setup("gunicorn --timeout 30 a:b"), "graceful_timeout not set"),
        "pass": (Setup(SYNC), "both set"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "timeout": {
        "fail": (Setup("gunicorn --timeout 300 a:b"), "for 5 min"),
        "pass": (Setup(SYNC), "timeout = 30"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "timeout-ladder": {
        "fail": (Setup(SYNC, nginx=proxied("proxy_read_timeout 10;")), "location / waits 10 s"),
        "pass": (Setup(SYNC), "nginx waits 60 s"),
        "cannot tell": (Setup(THREADS), "gunicorn's timeout ends no request"),
    },
    "graceful-timeout": {
        "fail": (Setup(SYNC, load=Load(20, 40.0)), "graceful_timeout = 30 cuts requests"),
        "pass": (Setup(SYNC, load=Load(20, 0.1)), "99.9 % of requests take under"),
        "cannot tell": (Setup(SYNC, load=Load(2, 0.1)), "not known from 120 durations"),
    },
    "stop-timeout": {
        "fail": (Setup(SYNC, unit=GOOD_UNIT.replace("=90", "=10")), "TimeoutStopSec=10: systemd kills"),
        "pass": (Setup(SYNC, unit=GOOD_UNIT), "TimeoutStopSec=90 for graceful_timeout = 30"),
        "cannot tell": (Setup(SYNC), "unit's file was not read"),
    },
    "connect-timeout": {
        "fail": (Setup(SYNC, nginx=proxied()), "tries for 60 s"),
        "pass": (Setup(SYNC), "within 5 s"),
        "cannot tell": (UNPROXIED, "no nginx configuration"),
    },
    "several-binds": {
        "fail": (Setup(SYNC + " -b 127.0.0.1:8000 -b unix:/run/a.sock"), "can fire after 15 s"),
        "pass": (Setup(SYNC), "sync with 1 bind"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "long-requests": {
        "fail": (Setup(SYNC, load=Load(20, 90.0)), "over a minute: / 1 min"),
        "pass": (Setup(SYNC, load=Load(20, 0.1)), "the slowest of 1200 requests"),
        "cannot tell": (Setup(SYNC), "no durations"),
    },
    "max-requests": {
        "fail": (Setup(SYNC), "never recycled"),
        "pass": (Setup(SYNC + " --max-requests 1000"), "max_requests = 1000"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "max-requests-jitter": {
        "fail": (Setup(SYNC + " --max-requests 1000"), "without jitter"),
        "pass": (Setup(SYNC + " --max-requests 9000 --max-requests-jitter 900", load=BUSY), "= 200"),
        "cannot tell": (Setup(SYNC + " --max-requests 9000 --max-requests-jitter 900"), "depends on the load"),
    },
    "recycling-cost": {
        "fail": (Setup(SYNC + " --max-requests 100", load=BUSY), "every 10 s at the peak"),
        "pass": (Setup(SYNC + " --max-requests 5000", load=BUSY), "= 1200"),
        "cannot tell": (Setup(SYNC + " --max-requests 5000"), "depends on the load"),
    },
    "upstream-address": {
        "fail": (Setup(SYNC, nginx=proxied(to="http://127.0.0.1:9")), "nginx passes to 127.0.0.1:9, gunicorn listens"),
        "pass": (Setup(SYNC), "nginx passes to 127.0.0.1:8000"),
        "cannot tell": (Setup(SYNC, nginx=proxied(to="http://shop.internal")), "none of the proxy_pass"),
    },
    "localhost": {
        "fail": (Setup(SYNC, nginx=proxied(to="http://localhost:8000")), "127.0.0.1 and ::1"),
        "pass": (Setup(SYNC), "not to localhost"),
        "cannot tell": (UNPROXIED, "no nginx configuration"),
    },
    "private-bind": {
        "fail": (Setup("gunicorn -b 0.0.0.0:8000 a:b"), "every address"),
        "pass": (Setup("gunicorn -b unix:/run/a.sock a:b"), "unix:/run/a.sock"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "forwarded-allow-ips": {
        "fail": (Setup("gunicorn -b 0.0.0.0:8000 --forwarded-allow-ips * a:b"), "may forge"),
        "pass": (Setup("gunicorn --forwarded-allow-ips * a:b"), "only this machine"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "keepalive": {
        "fail": (Setup(THREADS, nginx=proxied(KEPT_LOCATION, to="http://app", http=KEPT)), "closes them after 2 s"),
        "pass": (Setup(THREADS, ground=Ground(nginx_version=(1, 22, 1))), "nginx 1.22.1 closes its connections"),
        "cannot tell": (Setup(THREADS), "the version is unknown"),
    },
    "request-buffering": {
        "fail": (Setup(SYNC, nginx=proxied("proxy_request_buffering off;")), "off at 1 locations"),
        "pass": (Setup(SYNC), "takes each request whole"),
        "cannot tell": (Setup(SYNC, nginx=proxied("include more.conf;")), "included file that was not read"),
    },
    "nginx-connections": {
        "fail": (Setup(SYNC, load=Load(60, 0.1, 6.0)), "worker_connections = 1024, the peak takes"),
        "pass": (Setup(SYNC, load=BUSY), "the peak takes 2 x 20.0 requests/s"),
        "cannot tell": (Setup(SYNC), "not measured from 0 durations"),
    },
    "nginx-open-files": {
        "fail": (Setup(SYNC, nginx=NGINX.replace("4096", "1024")), "may open 1024 files"),
        "pass": (Setup(SYNC), "may open 4096 files"),
        "cannot tell": (Setup(SYNC, nginx=proxied()), "own limit was not read"),
    },
    "nginx-timings": {
        "fail": (Setup(SYNC, nginx=proxied()), "does not hold $upstream_response_time"),
        "pass": (Setup(SYNC), "at every location"),
        "cannot tell": (Setup(SYNC, nginx=proxied("access_log /a.log own;")), "may stand in a file"),
    },
    "gunicorn-timings": {
        "fail": (Setup("gunicorn --access-logfile - a:b"), "no duration below a second"),
        "pass": (Setup("gunicorn --access-logfile - --access-logformat '%(s)s %(D)s' a:b"), "logs the duration"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "persistent-settings": {
        "fail": (
            Setup(SYNC, unit="[Service]\nExecStart=/srv/venv/bin/gunicorn shop:app\n"),
            "all is left to the defaults",
        ),
        "pass": (Setup(SYNC, unit=GOOD_UNIT), "config file or explicit flags"),
        "cannot tell": (Setup(SYNC, unit="[Service]\nExecStart=/srv/start.sh\n"), "a script of its own"),
    },
    "settings-loaded": {
        "fail": (
            Setup(SYNC, watch=Watch(), ground=replace(HERE, written_s={CONF: 50.0}, started_s={2: 9, 3: 9})),
            "older",
        ),
        "pass": (
            Setup(SYNC, watch=Watch(), ground=replace(HERE, written_s={CONF: 5.0}, started_s={2: 9, 3: 9})),
            "before",
        ),
        "cannot tell": (Setup(SYNC), "was not read"),
    },
    "rollback": {
        "pass": (Setup(SYNC, ground=replace(HERE, copies={CONF: f"{CONF}.bak"})), "gunicorn.conf.py.bak"),
        "cannot tell": (Setup(SYNC), "may be kept elsewhere"),
    },
    "restart": {
        "fail": (Setup(SYNC, unit="[Service]\nUser=www-data\n"), "Restart=no"),
        "pass": (Setup(SYNC, unit=GOOD_UNIT), "Restart=always"),
        "cannot tell": (Setup(SYNC), "was not read"),
    },
    "user": {
        "fail": (Setup(SYNC, watch=Watch(uid=0)), "run as root"),
        "pass": (Setup(SYNC, unit=GOOD_UNIT), "User=www-data"),
        "cannot tell": (Setup(SYNC), "was not read"),
    },
    "development-switches": {
        "fail": (Setup("gunicorn --reload a:b"), "reload is on"),
        "pass": (Setup(SYNC), "off"),
        "cannot tell": (NOTHING, "is not known"),
    },
    "worker-tmp-dir": {
        "fail": (Setup(SYNC, ground=HERE), "in /tmp (not set: the default), on ext4"),
        "pass": (Setup(SYNC + " --worker-tmp-dir /dev/shm", ground=HERE), "in memory (tmpfs)"),
        "cannot tell": (Setup(SYNC), "is not set"),
    },
    "open-files": {
        "fail": (Setup(THREADS, watch=Watch(fd_limit=1024)), "it takes 2100"),
        "pass": (Setup(THREADS, watch=Watch()), "may open 65536 files"),
        "cannot tell": (Setup(THREADS), "was not read"),
    },
    "disk-space": {
        "fail": (Setup(watch=Watch(disk_free=0.03)), "/srv has 3 % free"),
        "pass": (Setup(watch=Watch()), "/srv has 50 % free"),
        "cannot tell": (Setup(), "was not read"),
    },
    "preload": {
        "fail": (
            Setup(SYNC, logs=line("SSL error: decryption failed or bad record mac")),
            "connections that two workers",
        ),
        "pass": (Setup(SYNC), "imports the app itself"),
        "cannot tell": (Setup(SYNC + " --preload"), "preload_app is on"),
    },
    "memory": {
        "fail": (Setup(SYNC, watch=Watch(rss=100 * MIB, limit=350 * MIB)), "1 fit"),
        "pass": (Setup(SYNC, watch=Watch(limit=1024 * MIB), ground=GROWN), "would fit"),
        "cannot tell": (Setup(SYNC), "was not read"),
    },
    "memory-reload": {
        "fail": (Setup(SYNC, watch=Watch(rss=60 * MIB, limit=320 * MIB)), "1 fit so"),
        "pass": (Setup(SYNC, watch=Watch(limit=1024 * MIB), ground=GROWN), "would fit so"),
        "cannot tell": (Setup(SYNC), "was not read"),
    },
    "memory-limits": {
        "fail": (Setup(SYNC, unit=GOOD_UNIT.replace("MemoryHigh=1600M\n", "")), "without MemoryHigh"),
        "pass": (Setup(SYNC, unit=GOOD_UNIT), "below MemoryMax"),
        "cannot tell": (Setup(SYNC), "was not read"),
    },
    "memory-growth": {
        "fail": (
            Setup(SYNC, load=Load(20, 0.1, worker=2), watch=Watch(workers=1, growth=MIB)),
            "with every request, steadily",
        ),
        "pass": (Setup(SYNC, load=Load(20, 0.1, worker=2), watch=Watch(workers=1)), "no worker grows"),
        "cannot tell": (Setup(SYNC, watch=Watch()), "does not name the worker"),
    },
    "memory-kills": {
        "fail": (Setup(watch=Watch(oom_kills=2)), "counts 2"),
        "pass": (Setup(watch=Watch(oom_kills=0)), "counts no kill"),
        "cannot tell": (Setup(watch=Watch()), "was read"),
    },
    "swap-traffic": {
        "fail": (Setup(watch=Watch(swap=500)), "500 pages/s over 60 s"),
        "pass": (Setup(watch=Watch(swap=1)), "1 pages/s"),
        "cannot tell": (Setup(watch=Watch(seconds=20, swap=500)), "watch for a minute"),
    },
    "thrashing": {
        "fail": (Setup(watch=Watch(faults=500)), "1000 pages/s"),
        "pass": (Setup(watch=Watch()), "0 pages/s"),
        "cannot tell": (Setup(), "were not watched"),
    },
    "cpu-saturated": {
        "fail": (Setup(watch=Watch(idle=0.02, cpu=1.9)), "idle 2 % of 60 s"),
        "pass": (Setup(watch=Watch()), "idle 90 % of 60 s"),
        "cannot tell": (Setup(watch=Watch(seconds=20, idle=0.02)), "a moment from a state"),
    },
    "run-queue": {
        "fail": (Setup(watch=Watch(workers=9, idle=0.02, cpu=0.4, wait=0.6)), "60 % of 60 s"),
        "pass": (Setup(watch=Watch()), "0 % of 60 s"),
        "cannot tell": (Setup(), "long enough"),
    },
    "context-switches": {
        "fail": (Setup(THREADS, watch=Watch(switches=1500, cpu=0.9)), "1500 context switches/s"),
        "pass": (Setup(THREADS, watch=Watch()), "10 context switches/s"),
        "cannot tell": (Setup(THREADS), "long enough"),
    },
    "throttling": {
        "fail": (Setup(watch=Watch(periods=(10, 9))), "ran out in 90 %"),
        "pass": (Setup(watch=Watch(periods=(0, 0))), "no CPU quota"),
        "cannot tell": (Setup(watch=Watch()), "was not read"),
    },
    "slow-while-idle": {
        "fail": (Setup(SYNC, load=Load(10, 0.2, 2.0), watch=Watch()), "while CPUs are 90 % idle"),
        "pass": (Setup(SYNC, load=Load(10, 0.2, 0.2), watch=Watch()), "requests wait 0.00 s"),
        "cannot tell": (Setup(SYNC, load=Load(10, 0.2), watch=Watch()), "was not measured"),
    },
    "database-refusals": {
        "fail": (Setup(SYNC, logs=line("FATAL:  sorry, too many clients already")), "refused connections 1 times"),
        "pass": (Setup(SYNC, reads=("gunicorn",)), "name no refused connection"),
        "cannot tell": (Setup(SYNC), "log was read"),
    },
    "database-pool": {
        "fail": (Setup(THREADS, logs=line(POOL)), "4 requests at once share 2"),
        "cannot tell": (Setup(THREADS), "neither is read"),
    },
    "backlog": {
        "fail": (Setup(SYNC, ground=replace(HERE, somaxconn=128)), "of which the kernel grants 128"),
        "pass": (Setup(SYNC, ground=HERE), "all of which the kernel grants"),
        "cannot tell": (Setup(SYNC), "was not read"),
    },
    "effects-measured": {
        "pass": (SYNC_BUSY, "0.0 % of 1200 requests failed"),
        "cannot tell": (Setup(SYNC, watch=Watch()), "not measured: latency, error rate"),
    },
}
CONFIGURED = {"settings-loaded", "rollback"}
"""Judged by the files settings were read from."""
NEVER = {("rollback", "fail"), ("database-pool", "pass"), ("effects-measured", "fail")}
"""What the machine cannot show: that no copy is kept anywhere, or what the database allows."""
ROWS = [(name, outcome, *case) for name, cases in CASES.items() for outcome, case in cases.items()]


@pytest.mark.parametrize(("name", "outcome", "setup", "says"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_each_item_answers_as_it_should(name: str, outcome: str, setup: Setup, says: str) -> None:
    """With the outcome and the number or fact that made it so."""
    if name in CONFIGURED:
        setup = replace(setup, config="workers = 2\n")
    answer = setup.answers()[name]
    assert (answer.outcome.value, answer.reason) == (outcome, answer.reason)
    assert says in answer.reason


def test_every_item_is_tried_with_every_outcome() -> None:
    """The list is closed, and so are its tests."""
    wanted = {(item.id, outcome.value) for item in ITEMS for outcome in Outcome} - NEVER
    assert {(name, outcome) for name, outcome, _, _ in ROWS} == wanted


def test_every_item_asks_something_and_says_who_backs_it() -> None:
    """A question, and a reference that leads somewhere."""
    assert len({item.id for item in ITEMS}) == len(ITEMS)
    for item in ITEMS:
        assert item.question.endswith("?"), item.id
        assert item.references, item.id
        assert all(link.startswith("https://") for link in item.references), item.id


def test_nothing_is_invented_where_nothing_was_read() -> None:
    """Without any input no item fails and none passes."""
    assert {answer.outcome for answer in NOTHING.answers().values()} == {Outcome.UNKNOWN}


def test_a_starting_point_is_no_verdict() -> None:
    """33 workers without a measured load are not judged by the cores alone."""
    answer = Setup("gunicorn --workers 33 a:b", watch=Watch()).answers()["workers"]
    assert answer.outcome is Outcome.UNKNOWN
    assert "above the unmeasured starting point" in answer.reason


def test_workers_that_wait_for_a_cpu_are_not_counted_by_their_times() -> None:
    """Their times hold the wait: more workers would only make it longer."""
    busy = Setup(SYNC, load=Load(20, 0.2), watch=Watch(wait=0.2))
    answer = busy.answers()["workers"]
    assert answer.outcome is Outcome.UNKNOWN
    assert "20 % of waiting for a CPU" in answer.reason


def test_young_workers_say_nothing_about_grown_ones() -> None:
    """They fit now; whether they will is not known."""
    answers = Setup(SYNC, watch=Watch(limit=1024 * MIB)).answers()
    assert {answers[name].outcome for name in ("memory", "memory-reload")} == {Outcome.UNKNOWN}


def test_the_advice_of_two_items_agrees() -> None:
    """Where timeout itself is too long, nginx is told to wait for the shorter one."""
    answers = Setup("gunicorn --timeout 300 a:b").answers()
    assert answers["timeout"].change.startswith("timeout = 30 ")
    assert answers["timeout-ladder"].change == "proxy_read_timeout 32s;  # with timeout = 30"


def test_far_more_workers_than_the_load_needs() -> None:
    """Both the measured need and twice the cores and one are far below."""
    answer = Setup("gunicorn --workers 33 a:b", load=BUSY, watch=Watch(cores=2)).answers()["workers"]
    assert answer.outcome is Outcome.FAIL
    assert answer.change == "workers = 3"


def test_memory_bounds_what_the_load_wants() -> None:
    """Six workers would serve it, four fit: the line says why it is not six."""
    answers = Setup(SYNC, load=Load(20, 0.2), watch=Watch(rss=100 * MIB, limit=800 * MIB)).answers()
    assert answers["workers"].outcome is Outcome.FAIL
    assert answers["workers"].change.startswith(
        "workers = 4  # not 6: see workers; 4, not 6: 4 workers of 100.0 MiB fit"
    )


def test_two_items_never_write_two_numbers() -> None:
    """The load wants six workers, a reload leaves room for one: both lines say one."""
    answers = Setup(SYNC, load=Load(20, 0.2), watch=Watch(rss=120 * MIB, limit=700 * MIB)).answers()
    assert answers["memory-reload"].change.startswith("workers = 1 ")
    assert answers["workers"].change == "workers = 1  # not 6: see memory-reload"


def test_fewer_threads_want_fewer_connections() -> None:
    """Both items say the same."""
    answers = Setup(THREADS, load=Load(19, 0.1), watch=Watch(cpu=0.9)).answers()
    assert answers["threads"].change.startswith("threads = 1\nworkers = ")
    assert answers["worker-connections"].change.startswith("worker_connections = 2  # not 5: ")
    assert "worker_connections = 2" in answers["threads"].change


def test_a_longer_grace_is_granted_by_systemd() -> None:
    """Requests of 100 s: a stop takes two minutes, and five seconds more."""
    answers = Setup(SYNC, load=Load(20, 100.0), unit=GOOD_UNIT).answers()
    grace = answers["graceful-timeout"].change.splitlines()
    assert [line.partition("=")[0].strip() for line in grace] == ["graceful_timeout", "TimeoutStopSec"]
    seconds = [int(line.partition("=")[2]) for line in grace]
    assert seconds[1] == seconds[0] + 5
