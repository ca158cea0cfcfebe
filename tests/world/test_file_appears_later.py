"""A log that does not exist yet is a blind spot until it appears."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected
from tests.world.logs import append, lines, whole

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


@pytest.mark.parametrize("name", ["error.log", "nginx/error.log"])
def test_read_from_its_start(follow: Follow, tmp_path: Path, name: str) -> None:
    """Once it appears, even with its directory, it is read from its first line."""
    log = tmp_path / name
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("blind"))
        log.parent.mkdir(exist_ok=True)
        append(log, *lines(1, 3))
        seen.until(lambda: seen.data == whole(lines(1, 3)))
        append(log, *lines(4, 4))
        seen.until(lambda: seen.data == whole(lines(1, 4)))
    assert [health.state for health in seen.health] == ["blind", "reading"]
    assert str(log) in seen.health[0].why
    assert seen.health[0].mend
    assert (seen.health[0].source, seen.health[0].unit) == ("nginx.error", "nginx.service")


def test_directory_made_anew(follow: Follow, tmp_path: Path) -> None:
    """The whole directory may be removed and made again."""
    log = tmp_path / "nginx" / "error.log"
    log.parent.mkdir()
    log.touch()
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        append(log, *lines(1, 1))
        seen.until(lambda: seen.data == whole(lines(1, 1)))
        log.unlink()
        log.parent.rmdir()
        log.parent.mkdir()
        append(log, *lines(2, 2))
        seen.until(lambda: seen.data == whole(lines(1, 2)))
