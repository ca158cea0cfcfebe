"""max_requests: workers that leave together, workers that leave in turn, and the race of older releases."""

from tests.world.faults.scenario import V20, V21, Scenario
from tests.world.faults.steps import load, wait

SLOW_BOOT = {"BOOT_S": "2"}

SCENARIOS = (
    Scenario(
        "recycle-together",
        "four workers that boot for two seconds reach max_requests at the same time",
        (load("/mix?cpu=0.002&s=0.1", per_s=24, for_s=110),),
        ("recycle-wave", "recycle-churn"),
        gunicorn="--workers 4 --timeout 30 --max-requests 60",
        app="slow_boot:app",
        environment=SLOW_BOOT,
        slow_s=0.3,
    ),
    Scenario(
        "recycle-in-turn",
        "quick workers with jitter",
        (load("/mix?cpu=0.002&s=0.03", per_s=16, for_s=70), wait(50)),
        gunicorn="--workers 4 --timeout 30 --max-requests 300 --max-requests-jitter 300",
        quiet_s=40,
    ),
    Scenario(
        "recycle-race-21",
        "gunicorn 21 closes connections when a worker is recycled",
        (load("/mix?cpu=0.001&s=0.01", per_s=45, for_s=60),),
        ("recycle-race",),
        version=V21,
        gunicorn="--workers 3 --worker-class gthread --threads 4 --timeout 30 --max-requests 50",
    ),
    Scenario(
        "recycle-no-race-20",
        "gunicorn 20.1 under the same load loses none",
        (load("/mix?cpu=0.001&s=0.01", per_s=45, for_s=60),),
        version=V20,
        gunicorn="--workers 3 --worker-class gthread --threads 4 --timeout 30 --max-requests 100",
        quiet_s=90,
    ),
    Scenario(
        "recycle-no-race",
        "the newest gunicorn under the same load and keepalive connections",
        (load("/mix?cpu=0.001&s=0.01", per_s=45, for_s=40), wait(40)),
        gunicorn="--workers 3 --worker-class gthread --threads 4 --timeout 30 --max-requests 200",
        upstream="server {app}; keepalive 16;",
        location='proxy_http_version 1.1; proxy_set_header Connection "";',
        quiet_s=40,
    ),
)
