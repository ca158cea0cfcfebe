"""Who is a gunicorn master and who a worker, from process facts alone. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from analyzerd.probes.proctext import is_gunicorn, is_python, title_role


@dataclass(frozen=True, slots=True)
class Member:
    """One process as far as its place in a family goes; ``arg_start`` 0 means not readable."""

    pid: int
    ppid: int
    comm: str
    arguments: tuple[str, ...]
    unit: str
    start_s: float
    arg_start: int = 0


def in_units(unit: str, units: Collection[str]) -> bool:
    """Tell whether ``unit`` is one of the watched ones (shell patterns allowed; none named: all are)."""
    return not units or any(fnmatchcase(unit, pattern) for pattern in units)


def assign_roles(members: Mapping[int, Member], units: Collection[str] = ()) -> dict[int, str]:
    """Name masters and workers among ``members``; helpers that an app forks get no role."""
    family = {pid: m for pid, m in members.items() if is_gunicorn(m.arguments)}
    family |= _programs_of_units(members, units, {m.unit for m in family.values()})
    parents = {m.ppid for m in family.values()}
    roles: dict[int, str] = {}
    for pid in sorted(family, key=lambda pid: (family[pid].start_s, pid)):
        role = _role(family[pid], family, parents, roles)
        if role and in_units(family[pid].unit, units):
            roles[pid] = role
    return roles


def _programs_of_units(
    members: Mapping[int, Member], units: Collection[str], known: Collection[str]
) -> dict[int, Member]:
    """Find the Python processes of watched units whose command lines do not say gunicorn."""
    if not units:
        return {}
    return {
        pid: m
        for pid, m in members.items()
        if m.unit and m.unit not in known and in_units(m.unit, units) and is_python(m.arguments, m.comm)
    }


def _role(member: Member, family: Mapping[int, Member], parents: Collection[int], roles: Mapping[int, str]) -> str:
    title = title_role(member.arguments)
    if title:
        return title
    parent = family.get(member.ppid)
    if parent is None:
        return "master"
    if _was_executed(member, parent, parents):
        return "master"
    return "worker" if roles.get(parent.pid) == "master" else ""


def _was_executed(member: Member, parent: Member, parents: Collection[int]) -> bool:
    """Tell a master started by USR2 (it was executed anew) from a forked worker.

    Without ptrace access the addresses read 0; then the one that has children is taken for a master.
    """
    if member.arg_start and parent.arg_start:
        return member.arg_start != parent.arg_start
    return member.pid in parents
