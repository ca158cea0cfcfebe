"""``is:`` means what it reads like, and nothing that is not known satisfies it."""

from __future__ import annotations

import pytest

from analyzerd.model import Value
from analyzerd.rules.comparison import holds, parse_comparison, version_holds
from analyzerd.rules.template import fill
from analyzerd.rules.yaml_strict import parse


def _holds(text: str, value: Value) -> bool:
    node = parse(f"is: {text}", "x.yaml")
    assert node is not None
    return holds(parse_comparison(node.entries["is"]), value)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("'>= 90%'", 0.9, True), ("'>= 90%'", 0.89, False), ("'> 2GiB'", 2 << 30, False),
        ("'> 2GiB'", (2 << 30) + 1, True), ("'<= 30s'", 30, True), ("'< 1m30s'", 89.9, True),
        ("sync", "sync", True), ("sync", "gthread", False), ("[sync, gevent]", "gevent", True),
        ("[111, 104]", 104, True), ("'!= 0'", 3, True), ("'!= 0'", 0, False), ("'!= 0'", None, False),
        ("'not in sync, gevent'", "gthread", True), ("'not in sync, gevent'", "gevent", False),
        ("true", True, True), ("true", 1, False), ("true", False, False), ("1", True, False),
        ("'9'", "9", True), ("['9', SIGKILL]", "SIGKILL", True), ("'>= 3'", "many", False), ("''", "", True),
        ("'>= 3'", None, False), ("500", 500, True), ("'in 1, 2'", 2, True), ("'inside'", "inside", True),
    ],
)  # fmt: skip
def test_a_value_satisfies_a_comparison(text: str, value: Value, expected: bool) -> None:
    """Percentages, sizes, durations, lists, truth values and text compare as written."""
    assert _holds(text, value) is expected


@pytest.mark.parametrize(
    ("wanted", "version", "expected"),
    [
        (">=22", "22.0.0", True), (">=22", "21.2.0", False), (">=21, <24", "23.0.0", True),
        (">=21, <24", "24.1.1", False), (">=22", "", True), ("", "19.9.0", True), ("==20", "20.1.0", True),
        ("!=20", "20.1.0", False), (">=25.1", "25.1.0", True), ("<=23", "23.0.1", False), (">9", "19.9.0", True),
    ],
)  # fmt: skip
def test_a_version_lies_in_a_range(wanted: str, version: str, expected: bool) -> None:
    """Ranges compare numbers part by part; an unknown version is never excluded."""
    assert version_holds(wanted, version) is expected


def test_sentences_are_filled_without_reaching_into_values() -> None:
    """Formats, units and missing values show; text ignores number formats."""
    values: dict[str, Value] = {
        "value": 0.912,
        "size": 1 << 20,
        "gunicorn.timeout": 30.0,
        "name": "x",
        "on": True,
    }
    text = fill("{value:.0%} {size:bytes} {gunicorn.timeout} {name:.1f} {gone} {on} {{}}", values.get)
    assert text == "91% 1.0 MiB 30 x unknown true {}"
