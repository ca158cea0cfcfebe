"""Roles of gunicorn processes, from facts alone."""

from __future__ import annotations

import pytest

from analyzerd.probes.family import Member, assign_roles
from analyzerd.probes.proctext import is_gunicorn

GUNICORN = ("/srv/app/venv/bin/python", "/srv/app/venv/bin/gunicorn", "app:app")


def member(pid: int, ppid: int, arguments: tuple[str, ...] = GUNICORN, **more: object) -> Member:
    """Give a member of shop.service that started in the order of its pid."""
    facts = {"comm": "gunicorn", "unit": "shop.service", "start_s": float(pid), "arg_start": 7000} | more
    return Member(pid=pid, ppid=ppid, arguments=arguments, **facts)


def roles(*members: Member, units: tuple[str, ...] = ()) -> dict[int, str]:
    """Assign roles to the given members."""
    return assign_roles({one.pid: one for one in members}, units)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/usr/bin/python3.11 /usr/bin/gunicorn app:app", True),
        ("gunicorn app:app", True),
        ("python -u -W ignore -m gunicorn app:app", True),
        ("python3 -X dev /opt/bin/gunicorn3 app", True),
        ("python -m http.server gunicorn", False),
        ("python -c gunicorn", False),
        ("vim gunicorn.conf.py", False),
        ("tail -f /var/log/gunicorn", False),
        ("sh -c gunicorn", False),
    ],
)
def test_command_lines(command: str, expected: bool) -> None:
    """Only a program or module named gunicorn counts, not one that mentions it."""
    assert is_gunicorn(tuple(command.split())) is expected


def test_master_and_workers() -> None:
    """The family's root is the master, its forked children are workers, a shell above is neither."""
    shell = member(5, 1, ("sh", "-c", "gunicorn app:app"), comm="sh")
    found = roles(shell, member(10, 5), member(11, 10), member(12, 10))
    assert found == {10: "master", 11: "worker", 12: "worker"}


def test_titles_of_setproctitle() -> None:
    """A command line overwritten by a title still tells the role, even of an orphan."""
    found = roles(
        member(10, 1, ("gunicorn: master [shop]",)),
        member(11, 10, ("gunicorn: worker [shop]",)),
        member(12, 1, ("gunicorn: worker [shop]",)),
    )
    assert found == {10: "master", 11: "worker", 12: "worker"}


@pytest.mark.parametrize("addresses", [(7000, 9000), (0, 0)])
def test_second_master_after_usr2(addresses: tuple[int, int]) -> None:
    """The executed child is a master with workers of its own, with and without ptrace access."""
    old, new = addresses
    found = roles(
        member(10, 1, arg_start=old),
        member(11, 10, arg_start=old),
        member(20, 10, arg_start=new),
        member(21, 20, arg_start=new),
    )
    assert found == {10: "master", 11: "worker", 20: "master", 21: "worker"}


def test_processes_forked_by_the_app_are_no_workers() -> None:
    """A multiprocessing child of a worker shares its command line but has no role."""
    assert roles(member(10, 1), member(11, 10), member(12, 11)) == {10: "master", 11: "worker"}


def test_unit_whose_command_line_does_not_say_gunicorn() -> None:
    """In a watched unit a Python tree is taken for gunicorn; in an unwatched one it is not."""
    serve = ("/srv/app/venv/bin/python", "serve.py")
    tree = (member(10, 1, serve, comm="python"), member(11, 10, serve, comm="python"))
    assert roles(*tree) == {}
    assert roles(*tree, units=("shop.service",)) == {10: "master", 11: "worker"}


def test_other_units_are_left_out() -> None:
    """Watched units, patterns too, limit what is read."""
    found = roles(member(10, 1), member(20, 1, unit="other.service"), units=("sh*.service",))
    assert found == {10: "master"}
