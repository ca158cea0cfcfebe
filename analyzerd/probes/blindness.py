"""What the probes may not read, in words, with the drop-in that opens it. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from analyzerd.model import Health

SOURCE = "samples"
PTRACE_DROP_IN = (
    "systemctl edit analyzerd, add:\n[Service]\nAmbientCapabilities=CAP_SYS_PTRACE\n"
    "CapabilityBoundingSet=CAP_SYS_PTRACE"
)
NETLINK_DROP_IN = "systemctl edit analyzerd, add:\n[Service]\nRestrictAddressFamilies=AF_NETLINK"
PROC_DROP_IN = (
    "systemctl edit analyzerd, add:\n[Service]\nProtectProc=default\n"
    "and mount /proc without hidepid, or with gid= of a group analyzerd is in"
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the last sample could and could not see."""

    time_s: float
    masters: int
    units_without_process: tuple[str, ...] = ()
    denied_fds: tuple[tuple[str, int], ...] = ()
    denied_launch: tuple[str, ...] = ()
    titled: tuple[str, ...] = ()
    netlink_refused: str = ""
    no_memory_account: tuple[str, ...] = ()
    sees_other_users: bool = True


def describe(sight: Sight) -> tuple[Health, ...]:
    """Say each blind spot; a single ``reading`` when there is none."""
    blind = [
        *_processes(sight),
        *_permissions(sight),
        *_accounts(sight),
    ]
    if not blind:
        return (Health(sight.time_s, SOURCE, "reading", f"{sight.masters} gunicorn master(s) in sight"),)
    return tuple(Health(sight.time_s, SOURCE, "blind", why, mend, unit) for why, mend, unit in blind)


def _processes(sight: Sight) -> list[tuple[str, str, str]]:
    hidden = "" if sight.sees_other_users else PROC_DROP_IN
    start = hidden or "start the unit, or correct its name under units:"
    missing = [(f"no gunicorn process in {unit}", start, unit) for unit in sight.units_without_process]
    if not sight.masters and not missing:
        missing.append(("no gunicorn process found", hidden or "start gunicorn", ""))
    return missing


def _permissions(sight: Sight) -> list[tuple[str, str, str]]:
    spots = []
    for unit, uid in sight.denied_fds:
        why = f"open files of user {uid} may not be read: no heartbeat, connection, file, stack or PSS readings"
        spots.append((why, PTRACE_DROP_IN, unit))
    spots += [
        (f"environment and working directory of {_called(unit)} may not be read", PTRACE_DROP_IN, unit)
        for unit in sight.denied_launch
    ]
    if sight.netlink_refused:
        spots.append((f"sock_diag is refused ({sight.netlink_refused}): no backlogs", NETLINK_DROP_IN, ""))
    return spots


def _accounts(sight: Sight) -> list[tuple[str, str, str]]:
    titled = "put settings into a config file named in ExecStart; setproctitle has overwritten the command line"
    spots = [(f"command line of {_called(unit)} is overwritten", titled, unit) for unit in sight.titled]
    account = "systemctl edit {}, add:\n[Service]\nMemoryAccounting=yes"
    return spots + [
        (f"memory of {unit} is not accounted", account.format(unit), unit) for unit in sight.no_memory_account
    ]


def _called(unit: str) -> str:
    return unit or "a gunicorn outside any unit"


def unseen_units(units: Collection[str], seen: Collection[str]) -> tuple[str, ...]:
    """List the watched units, taken literally, in which nothing was found."""
    return tuple(unit for unit in units if unit not in seen and not any(c in unit for c in "*?["))
