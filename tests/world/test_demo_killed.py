"""The whole demo, its daemon killed 20 times while Slack answers 429, 500 or nothing: every message comes once."""

from __future__ import annotations

import os

import pytest

from tests.world.demo.__main__ import main

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(os.geteuid() != 0, reason="cgroups are root's"),
    pytest.mark.timeout(400),  # the first run of a machine installs gunicorn
]


def test_the_demo_survives_twenty_kills(capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault stands in Slack once, the reload does not, and nothing is left behind."""
    status = main(["--slack-fails", "7", "--kills", "20"])
    assert status == 0, capsys.readouterr().out[-4000:]
