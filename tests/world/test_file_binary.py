"""Log files hold whatever was written to them: bytes pass unchanged."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzerd.sources.logfile import LogFileSource
from tests.world.collected import Collected

pytestmark = pytest.mark.world
Follow = Callable[..., LogFileSource]


def test_bytes_pass_unchanged(follow: Follow, tmp_path: Path) -> None:
    """No encoding is assumed: escapes, NUL, carriage returns and broken UTF-8 arrive as they are."""
    log = tmp_path / "error.log"
    log.touch()
    data = b"\x1b[31mred\x1b[0m\xff\xfe mid\x00dle\r\n\xe2\x28\xa1\n\n" + bytes(range(1, 256)) + b"\n"
    with Collected(follow(log)) as seen:
        seen.until(lambda: seen.said("reading"))
        log.write_bytes(data)
        seen.until(lambda: seen.data == data)


def test_device_instead_of_a_file(follow: Follow) -> None:
    """A path that is no regular file is refused by name instead of read for ever."""
    with Collected(follow(Path("/dev/zero"))) as seen:
        seen.until(lambda: seen.said("blind"))
    assert "not a regular file" in seen.said("blind")[0].why
    assert seen.data == b""
