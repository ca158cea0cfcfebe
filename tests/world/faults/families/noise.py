"""What happens at every site and is no fault: nothing may be told."""

from tests.world.faults.scenario import V23, Scenario
from tests.world.faults.steps import ask, load, nginx_reload, reload, upgrade, wait

STEADY = load("/mix?cpu=0.003&s=0.04", per_s=12, for_s=45)
PATIENT = "--workers 3 --timeout 30"

SCENARIOS = (
    Scenario(
        "bots",
        "a scan of sixty pages a second that do not exist",
        (load("/mix?cpu=0.002&s=0.02", per_s=10, for_s=30), load("/wp-login.php?1", per_s=60, for_s=20), wait(25)),
        gunicorn=PATIENT,
        quiet_s=40,
    ),
    Scenario(
        "impatient-clients",
        "clients that leave after a second, of requests that take three",
        (STEADY, *(ask("/sleep?s=3", timeout_s=1), wait(4)) * 5),
        gunicorn=PATIENT,
        quiet_s=45,
    ),
    Scenario(
        "reload-under-load",
        "two reloads",
        (STEADY, wait(5), reload, wait(8), reload, wait(15)),
        gunicorn=PATIENT,
        quiet_s=45,
        bounded=True,
    ),
    Scenario(
        "upgrade-under-load",
        "USR2: a second master takes over",
        (STEADY, wait(5), upgrade, wait(20)),
        gunicorn=PATIENT,
        quiet_s=45,
    ),
    Scenario(
        "reload-under-load-23",
        "two reloads of gunicorn 23",
        (STEADY, wait(5), reload, wait(8), reload, wait(15)),
        version=V23,
        gunicorn=PATIENT,
        quiet_s=45,
    ),
    Scenario(
        "nginx-reload",
        "nginx reads its configuration anew",
        (STEADY, wait(5), nginx_reload, wait(8), nginx_reload, wait(15)),
        gunicorn=PATIENT,
        quiet_s=40,
    ),
    Scenario(
        "one-slow-request",
        "one request of six seconds among quick ones",
        (STEADY, wait(5), ask("/report?s=6"), wait(15)),
        gunicorn=PATIENT,
        quiet_s=40,
    ),
)
