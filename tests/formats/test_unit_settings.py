"""A systemd unit's text is read as systemd reads it: sections, continuations, drop-ins, resets."""

from __future__ import annotations

import pytest

from analyzerd.formats.settings import from_unit, unit_commands
from analyzerd.model import Value

UNIT = "/etc/systemd/system/shop.service"
DROP_IN = "/etc/systemd/system/shop.service.d/override.conf"


def values(*texts: str) -> dict[str, Value]:
    """Names without their prefix, and values, of a unit and its drop-ins."""
    read = from_unit([(f"file-{number}", text) for number, text in enumerate(texts)])
    return {setting.name.removeprefix("unit."): setting.value for setting in read}


def test_only_the_service_section_counts_and_comments_do_not() -> None:
    """A key of another section is another key."""
    text = "[Unit]\nRestart=always\n[Service]\n# User=root\n; User=root\nUser=www-data\n[Install]\nUser=x\n"
    assert values(text) == {"User": "www-data"}


def test_a_drop_in_wins_and_an_empty_assignment_takes_back() -> None:
    """Each with the place it was read from."""
    main = "[Service]\nMemoryMax=1G\nUser=app\nTimeoutSec=30\n"
    more = "[Service]\nMemoryMax=\nTimeoutStopSec=2min 5s\n"
    found = {s.name: (s.value, s.origin) for s in from_unit([(UNIT, main), (DROP_IN, more)])}
    assert found == {
        "unit.TimeoutStartSec": (30.0, f"{UNIT}:4"),
        "unit.TimeoutStopSec": (125.0, f"{DROP_IN}:3"),
        "unit.User": ("app", f"{UNIT}:3"),
    }


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TimeoutStopSec=infinity", "infinity"),
        ("TimeoutStopSec=1500ms", 1.5),
        ("TimeoutStopSec=1h 2min", 3720.0),
        ("TimeoutStopSec=2000000us", 2.0),
        ("TimeoutStopSec=soon", "soon"),
        ("LimitNOFILE=1024:4096", 1024),
        ("LimitNOFILE=infinity", "infinity"),
        ("MemoryMax=512M", 512 << 20),
        ("MemoryMax=80%", "80%"),
        ("MemoryLimit=1G", 1 << 30),
    ],
)
def test_values_are_typed_as_systemd_means_them(line: str, value: Value) -> None:
    """What cannot be understood stays text: it is known to be set, not to what."""
    assert list(values(f"[Service]\n{line}\n").values()) == [value]


def test_the_command_that_starts_gunicorn() -> None:
    """The last ExecStart, continued lines joined, prefixes gone; gunicorn's variable among others."""
    main = (
        "[Service]\nExecStart=/bin/old\nEnvironment=A=1 GUNICORN_CMD_ARGS=--threads=2 B=3\n"
        "ExecStart=-@/venv/bin/gunicorn \\\n  --workers 3 \\\n  a:b\n"
    )
    assert unit_commands([(UNIT, main)]) == ("/venv/bin/gunicorn    --workers 3    a:b", "--threads=2")
    quoted = '[Service]\nEnvironment="GUNICORN_CMD_ARGS=--timeout 9 -w 2"\n'
    assert unit_commands([(UNIT, main), (DROP_IN, quoted)])[1] == "--timeout 9 -w 2"


def test_hostile_text_is_survived() -> None:
    """Long, binary and half-written."""
    assert values("[Service]\nTimeoutStopSec=" + "9" * 100_000 + "\\\n" * 1000) != {"User": ""}
    assert values("\0[Service\nUser=root\n=x\n[Service]\n=\n") == {}
