"""What a configuration file leaves behind, told without running it; and what is not told, with the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analyzerd.formats.gunicorn_settings import from_config, unresolved
from analyzerd.formats.python_values import Surroundings, environment_keys, read_module

ABOUT = Surroundings({"WEB": "7", "EMPTY": ""}, processors=8, usable=3)


def left(text: str) -> dict[str, object]:
    """Give values by name."""
    return {name: value for name, (value, _) in read_module(text, ABOUT).values.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import multiprocessing\nx = multiprocessing.cpu_count() * 2 + 1", 17),
        ("import multiprocessing as mp\nx = min(mp.cpu_count(), 4)", 4),
        ("from os import cpu_count\nx = cpu_count() or 1", 8),
        ("import os\nx = len(os.sched_getaffinity(0))", 3),
        ("import os\nx = int(os.environ.get('WEB', 2)) * 2", 14),
        ("from os import environ\nx = environ['WEB']", "7"),
        ("from os import getenv as g\nx = g('NOT_SET', 'so')", "so"),
        ("import os\nx = os.environ.get('EMPTY') or 'otherwise'", "otherwise"),
        ("import os\nx = 4 if os.environ.get('WEB') == '7' else 2", 4),
        ("a = 3\na += 2\nx = f'{a}:{a}'", "5:5"),
        ("a, x = 1, [2, 'three']", [2, "three"]),
        ("x = 1\nif __name__ == '__main__':\n    x = 2", 1),
        ("x: int = -(7 // 2)", -3),
        ("x = not 0", True),
    ],
)
def test_what_can_be_told(text: str, expected: object) -> None:
    """Arithmetic, the processors, the environment, and functions that cannot surprise."""
    assert left(text)["x"] == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("if a():\n    x = 2", "it is set under a condition"),
        ("x = 1\nfor x in range(3): pass", "it is set in a loop"),
        ("x = 1\ntry:\n    x = 2\nexcept Exception: pass", "it is set in a try block"),
        ("x = 1\nwith open('f') as x: pass", "it is set in a block"),
        ("from common import x", "it is imported from common"),
        ("x = 1\ndef x(): pass", "it is defined as a function or class"),
        ("x = 1\ndef post_fork(server, worker):\n    global x\n    x = 2", "a function may set it (line 3)"),
        ("import os\nx = os.environ['NOT_SET']", "the variable is not set"),
        ("import os\nx = os.environ.get('DB_PASSWORD')", "the variable DB_PASSWORD may hold a secret and is not read"),
        ("import dotenv, os\nx = os.getenv('WEB')", "and the environment is not known"),
        ("import os\nos.environ['WEB'] = '3'\nx = os.getenv('WEB')", "and the environment is not known"),
        ("x = settings.workers", "it depends on what Attribute gives"),
        ("x = compute()", "it depends on what a function() returns"),
        ("x = 1 / 0", "it divides by zero"),
        ("x = int('many')", "int() fails on what it is given"),
        ("y = compute()\nx = y + 1", "it depends on y: it depends on what a function() returns"),
        ("def int(v): return 3\nx = int('2')", "it depends on what int() returns"),
        ("x = 'a' * 99", "it depends on an operation on something that is no number"),
        ("x = [[1]]", "it holds lists in a list"),
    ],
)
def test_what_is_not_guessed(text: str, why: str) -> None:
    """Whatever else a name depends on leaves it unresolved, with the reason."""
    found = read_module(text, ABOUT)
    assert "x" not in found.values
    if "x" in found.unresolved:
        assert why in found.unresolved["x"][0]
    else:
        assert why == "it is set under a condition"


@pytest.mark.parametrize("text", ["from common import *", "globals()['x'] = 2", "exec(open('more').read())", "x = ("])
def test_a_file_that_may_set_any_name_is_opaque(text: str) -> None:
    """Nothing before it is believed, and no default either; what is assigned after it is."""
    found = read_module(f"x = 1\n{text}\n", ABOUT)
    assert found.opaque
    assert "x" not in found.values
    if not text.endswith("("):
        assert left(f"{text}\nx = 3\n")["x"] == 3


def test_the_setting_is_named_with_its_place_and_reason() -> None:
    """Only names that are settings; a value without a type gunicorn takes is one of them."""
    text = "import multiprocessing\nworkers = compute()\nthreads = [1]\nbind = '127.0.0.1:80'\nother = compute()\n"
    assert unresolved(text, "/srv/g.py") == (
        ("gunicorn.threads", "/srv/g.py:3", "its value has no type that gunicorn takes"),
        ("gunicorn.workers", "/srv/g.py:2", "it depends on what a function() returns"),
    )
    assert [s.name for s in from_config(text, "/srv/g.py")] == ["gunicorn.bind"]
    assert unresolved("from x import *\n", "g.py") == (("*", "g.py", "line 1 imports everything from x"),)


def test_only_the_variables_asked_for_are_named_and_no_secret() -> None:
    """What is read of a process's environment is what its own config reads."""
    text = "import os\na = os.environ['WEB']\nb = os.getenv('API_KEY', '')\nc = os.environ.get('DATABASE_URL')\n"
    assert environment_keys(text) == ("WEB",)
    assert environment_keys("x = (") == ()


def test_the_answers_are_those_of_python(tmp_path: Path) -> None:
    """One file with everything that is followed, run by Python and read here."""
    text = (
        "import os, multiprocessing\nfrom os import getenv\na = multiprocessing.cpu_count()\n"
        "b = len(os.sched_getaffinity(0))\nc = int(getenv('WEB', '3')) + a * 2\nd = f'{c}-{a}'\ne = min(a, 4, c)\n"
        "f = [d, 'x'] + ['y']\ng = round(a / 3)\nh = 5 % 3 if a == a else 9\ni = None or 'so'\nj = c // 2 - 1.5\n"
    )
    path = tmp_path / "conf.py"
    path.write_text(text + "print({n: v for n, v in globals().items() if len(n) == 1})\n")
    ran = subprocess.run([sys.executable, path], env={"WEB": "11"}, check=True, capture_output=True, text=True).stdout
    about = Surroundings({"WEB": "11"}, os.cpu_count(), len(os.sched_getaffinity(0)))
    assert {name: value for name, (value, _) in read_module(text, about).values.items()} == eval(ran)  # noqa: S307
