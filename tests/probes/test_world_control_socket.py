"""The control socket of a real gunicorn: what is in effect, whose socket it is, who may ask."""

from __future__ import annotations

import multiprocessing
import os
import pwd
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from analyzerd.formats.control_socket import Question
from analyzerd.model import Health, Setting, Value
from analyzerd.probes.configured import settings_of
from analyzerd.probes.control_socket import ControlSocketProbe, visit
from analyzerd.probes.machine import MachineProbe
from tests.world.apps import Gunicorn, open_folder, wait_until

pytestmark = pytest.mark.world

CONFIG = "timeout = {timeout}\nworkers = 2\nkeepalive = 3\n"


@contextmanager
def running(home: Path, *arguments: str, timeout: int = 41) -> Iterator[Gunicorn]:
    """Run a real gunicorn with a config file until its control socket answers."""
    config = home / "gunicorn.conf.py"
    config.write_text(CONFIG.format(timeout=timeout))
    with Gunicorn("27.0.1", home, args=("-c", str(config), *arguments)) as gunicorn:
        gunicorn.wait_until(lambda: "Control socket listening" in gunicorn.tail(), "control socket")
        yield gunicorn


def asked(control: ControlSocketProbe | None = None) -> tuple[dict[int, dict[str, tuple[Value, str]]], list[Health]]:
    """Sample this machine and give the settings by master, and the words about control sockets."""
    control = control or ControlSocketProbe()
    with closing(MachineProbe(control=control)) as probe:
        probe.sample()
        by_master = {}
        for launch in probe.launches():
            found = control.settings(launch, _written(probe, launch.pid), 1.0)
            by_master[launch.pid] = {s.name.removeprefix("gunicorn."): (s.value, s.origin) for s in found}
        return by_master, list(control.health(1.0))


def _written(probe: MachineProbe, pid: int) -> tuple[Setting, ...]:
    return next(settings_of(launch, 1.0) for launch in probe.launches() if launch.pid == pid)


def test_all_five_questions_have_an_answer(tmp_path: Path) -> None:
    """A real gunicorn 27 knows every question, and tells them to the one who names its pid."""
    with running(tmp_path) as gunicorn:
        answers = visit(str(tmp_path / ".gunicorn/gunicorn.ctl"), gunicorn.pid, tuple(Question))
    stats, workers, config, listeners, dirty = answers
    assert stats["pid"] == gunicorn.pid
    assert {worker["pid"] for worker in workers["workers"]}
    assert config["timeout"] == 41
    assert listeners["listeners"][0]["address"].endswith(gunicorn.address)
    assert dirty["enabled"] is False


def test_memory_beats_the_file(tmp_path: Path) -> None:
    """A file edited but not loaded is noted; the value in effect is the one in memory."""
    with running(tmp_path) as gunicorn:
        before, _ = asked()
        (tmp_path / "gunicorn.conf.py").write_text(CONFIG.format(timeout=99))
        after, _ = asked()
    config = tmp_path / "gunicorn.conf.py"
    assert before[gunicorn.pid]["timeout"] == (41, f"{config}:1")
    assert "timeout.on_disk" not in before[gunicorn.pid]
    assert after[gunicorn.pid]["timeout"] == (41, "control socket")
    assert after[gunicorn.pid]["timeout.on_disk"] == (99, f"{config}:1")
    assert after[gunicorn.pid]["keepalive"] == (3, f"{config}:3")


def test_two_gunicorns_on_one_path(tmp_path: Path) -> None:
    """The second takes the socket over; the first is named as not to be asked, and never gets the other's values."""
    shared = tmp_path / "shared.ctl"
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    argument = ("--control-socket", str(shared))
    with running(homes[0], *argument, timeout=41) as first, running(homes[1], *argument, timeout=52) as second:
        control = ControlSocketProbe()
        found, health = asked(control)
        assert found[first.pid]["timeout"][0] == 41
        assert found[second.pid]["timeout"][0] == 52
        with pytest.raises(Exception, match=f"belongs to process {second.pid} now"):
            visit(str(shared), first.pid, (Question.CONFIG,))
    assert health


def test_whoever_may_not_ask_says_so() -> None:
    """Another user gets no answer, and the mend names the group; a socket opened to it tells the heartbeats too."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    with open_folder() as home:
        closed, open_ = home / "closed", home / "open"
        for folder in (closed, open_):
            folder.mkdir()
        place = ("--control-socket", str(home / "shared.ctl"))
        with running(closed, *place):
            reasons = as_nobody(_reasons)
            assert any("may not be opened" in why and "control_socket_mode" in mend for why, mend in reasons)
        with running(open_, *place, "--control-socket-mode", "0o666") as gunicorn:
            wait_until(lambda: (home / "shared.ctl").stat().st_mode & 0o777 == 0o666, "the socket is open to all")
            ages = as_nobody(_ages)
            assert set(gunicorn.children()) <= ages.keys()
            assert all(ages[pid] is not None and ages[pid] < 60 for pid in gunicorn.children())


def _reasons() -> list[tuple[str, str]]:
    return [(health.why, health.mend) for health in asked()[1]]


def _ages() -> dict[int, float | None]:
    with closing(MachineProbe(control=ControlSocketProbe())) as probe:
        probe.sample()
        probe.settings()
        return {reading.pid: reading.heartbeat_age_s for reading in probe.sample().processes}


def as_nobody(work: Any) -> Any:
    """Do it in a process of an unprivileged user; give what it returned."""
    with multiprocessing.get_context("fork").Pool(1, _become_nobody) as pool:
        return pool.apply(work)


def _become_nobody() -> None:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
