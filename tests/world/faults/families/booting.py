"""Applications that do not start."""

from tests.world.faults.scenario import V20, V23, Scenario
from tests.world.faults.steps import ask, start, wait

AND_ASK = (start, wait(4), ask("/ok"))

SCENARIOS = (
    Scenario(
        "boot-missing-package",
        "the application imports a package that is not installed",
        AND_ASK,
        ("boot-failure",),
        app="broken_import:app",
        starts_late=True,
        bounded=True,
    ),
    Scenario(
        "boot-missing-package-23", "the same on gunicorn 23", AND_ASK, ("boot-failure",),
        app="broken_import:app", version=V23, starts_late=True,
    ),
    Scenario(
        "boot-missing-package-20", "the same on gunicorn 20.1", AND_ASK, ("boot-failure",),
        app="broken_import:app", version=V20, starts_late=True,
    ),
    Scenario(
        "boot-missing-module", "the module named on the command line does not exist", AND_ASK, ("boot-failure",),
        app="nowhere:app", starts_late=True,
    ),
    Scenario(
        "boot-missing-attribute", "the module has no such application", AND_ASK, ("boot-failure",),
        app="without_app:app", starts_late=True,
    ),
    Scenario(
        "boot-missing-package-preload", "with preload_app the master fails itself", AND_ASK, ("boot-failure",),
        app="broken_import:app", gunicorn="--workers 2 --preload", starts_late=True,
    ),
    Scenario(
        "boot-port-taken", "another program has the port", (start, wait(8)), ("bind-in-use",),
        gunicorn="--workers 1 --bind {taken}", starts_late=True,
    ),
    Scenario("boot-well", "an application that starts", (*AND_ASK, wait(20)), starts_late=True, quiet_s=40),
)  # fmt: skip
