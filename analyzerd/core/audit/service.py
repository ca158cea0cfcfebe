"""Audit of how the service is run: by whom, from which settings, what restarts it, where it writes."""

from __future__ import annotations

from collections.abc import Mapping

from analyzerd.core.audit.item import (
    GUNICORN,
    SYSTEMD,
    Answer,
    Item,
    Subject,
    failed,
    passed,
    setting_page,
    unknown,
    unread,
)
from analyzerd.core.plan import Want, formulas
from analyzerd.formats.control_socket import ON_DISK
from analyzerd.formats.settings import DEFAULT_ORIGIN
from analyzerd.units import format_bytes

NO_UNIT = "the unit's file was not read"
GIVE_UNIT = "give the .service file and its drop-ins"
IN_MEMORY = ("tmpfs", "ramfs")
LEAST_FREE = 0.05
NEARLY_ALL = 0.8
BESIDE_CONNECTIONS = 50
WORTH_SETTING = ("workers", "worker_class", "threads", "timeout", "bind", "max_requests")


def persistent(s: Subject) -> Answer:
    """The settings stand in a file or in the unit, so that the next start has them too."""
    command, config = str(s.value("unit.ExecStart") or ""), s.value("gunicorn.config")
    chosen = [s.setting(f"gunicorn.{name}") for name in WORTH_SETTING]
    origins = {one.origin for one in chosen if one is not None and one.origin != DEFAULT_ORIGIN}
    in_file = any(".py:" in origin for origin in origins)
    if not s.unit_read:
        return unknown("whether systemd starts gunicorn with these settings: the unit's file was not read", GIVE_UNIT)
    if "gunicorn" not in command:
        return unknown("the unit's ExecStart does not name gunicorn: a script of its own starts it", "")
    if config or in_file or any(word.startswith("-") for word in command.split()[1:]):
        return passed("the unit starts gunicorn with a config file or explicit flags", s.places("unit.ExecStart"))
    reason = "the unit starts gunicorn with neither a config file nor flags: all is left to the defaults"
    return failed(reason, "ExecStart=... gunicorn -c /path/gunicorn.conf.py ...", s.places("unit.ExecStart"))


def restart(s: Subject) -> Answer:
    """A master that dies comes back."""
    if not s.unit_read:
        return unknown(NO_UNIT, GIVE_UNIT)
    value, places = str(s.value("unit.Restart") or "no"), s.places("unit.Restart")
    if value in ("always", "on-failure", "on-abnormal"):
        return passed(f"Restart={value}", places)
    return failed(f"Restart={value}: a master that dies stays dead", "Restart=always\nRestartSec=5", places)


def user(s: Subject) -> Answer:
    """The app does not run as root."""
    uids = {p.uid for p in (s.last.processes if s.last else ()) if p.role == "worker" and p.uid is not None}
    if uids:
        if 0 in uids:
            return failed("the workers run as root", "User=www-data\nGroup=www-data", s.places("unit.User"))
        return passed(f"the workers run as user {', '.join(map(str, sorted(uids)))}")
    named = s.value("unit.User") or s.value("gunicorn.user")
    places = s.places("unit.User", "gunicorn.user")
    if named or str(s.value("unit.DynamicUser")) in ("yes", "true", "1", "on"):
        root = named in ("root", "0")
        return failed("the unit says User=root", "User=www-data", places) if root else passed(f"User={named}", places)
    if s.unit_read:
        return failed("the unit names no User=: systemd runs it as root", "User=www-data\nGroup=www-data")
    return unknown("who the workers run as was not read", GIVE_UNIT)


def development(s: Subject) -> Answer:
    """No switch for development is on."""
    values = {name: s.value(f"gunicorn.{name}") for name in ("reload", "spew")}
    on = [name for name, value in values.items() if value is True]
    if on:
        names = " and ".join(on)
        change = "\n".join(f"{name} = False" for name in on)
        return failed(f"{names} is on: meant for development", change, s.places(*(f"gunicorn.{name}" for name in on)))
    if None in values.values():
        return unread("reload or spew")
    return passed("reload and spew are off")


def tmp_dir(s: Subject) -> Answer:
    """The heartbeat files of the workers are in memory."""
    setting = s.setting("gunicorn.worker_tmp_dir")
    if setting is None:
        return unread("worker_tmp_dir")
    places = s.places("gunicorn.worker_tmp_dir")
    named = str(setting.value or "")
    folder, own = named or s.ground.temporary, "" if named else " (not set: the default)"
    change = 'worker_tmp_dir = "/dev/shm"'
    if not folder:
        return unknown(
            "worker_tmp_dir is not set; whether the default folder is on a disk was not read", change, places
        )
    kind = _file_system(folder, s.ground.file_systems)
    if not kind:
        if folder == "/dev/shm":  # noqa: S108 - compared with, not written to
            return passed("the heartbeat files are in /dev/shm", places)
        return unknown(f"whether {folder} is on a disk was not read", change, places)
    if kind in IN_MEMORY:
        return passed(f"the heartbeat files are in {folder}{own}, in memory ({kind})", places)
    reason = f"the heartbeat files are in {folder}{own}, on {kind}: a disk that stalls looks like workers that hang"
    return failed(reason, change, places)


def _file_system(folder: str, mounts: Mapping[str, str]) -> str:
    """The type of the file system a folder is on, '' where that is not known."""
    parts = folder.rstrip("/").split("/")
    above = ("/".join(parts[:count]) or "/" for count in range(len(parts), 0, -1))
    return next((mounts[one] for one in above if one in mounts), "")


def files(s: Subject) -> Answer:
    """A process may open what it may accept."""
    places = s.places("unit.LimitNOFILE", "gunicorn.worker_connections")
    readings = [p for p in (s.last.processes if s.last else ()) if p.role == "worker"]
    limits = [p.fd_limit for sample in s.case.samples for p in sample.processes if p.fd_limit is not None]
    set_to = s.number("unit.LimitNOFILE")
    limit = min(limits) if limits else set_to
    if limit is None:
        return unknown("how many files a worker may open was not read", GIVE_UNIT)
    most = max((p.fds for p in readings if p.fds is not None), default=None)
    held = s.number("gunicorn.worker_connections")
    enough = formulas.files(int(held or 0), 0)
    change, want = f"LimitNOFILE={enough}", Want("files", enough, "see open-files")
    if most is not None and most > NEARLY_ALL * limit:
        reason = f"a worker has {most} of {limit:g} files open"
        if limit >= enough:
            return failed(reason, "find what is opened and not closed: /proc/PID/fd over time", places)
        return failed(reason, change, places, want)
    if s.worker_class in ("gthread", "gevent", "eventlet") and held is not None:
        needed = formulas.least_files(int(held), 0)
        if limit < needed:
            reason = f"a worker may accept {held:g} connections and open {limit:g} files; it takes {needed}"
            return failed(reason, change, places, want)
    used = f", the busiest uses {most}" if most is not None else ""
    return passed(f"a worker may open {limit:g} files{used}", places)


def disks(s: Subject) -> Answer:
    """There is room to write."""
    found = s.last.disks if s.last else ()
    if not found:
        return unknown("free disk space was not read", "audit on the machine itself")
    shares = [
        (min(d.free_bytes / max(1, d.size_bytes), d.free_inodes / d.inodes if d.inodes else 1.0), d) for d in found
    ]
    least, disk = min(shares, key=lambda pair: pair[0])
    shown = f"{disk.path} has {100 * least:.0f} % free ({format_bytes(disk.free_bytes)})"
    return failed(f"{shown}: logs stop without a word when it is full") if least < LEAST_FREE else passed(shown)


def preload(s: Subject) -> Answer:
    """Nothing that must not be shared is made before the workers are forked."""
    value, places = s.value("gunicorn.preload_app"), s.places("gunicorn.preload_app")
    if s.heard.get("app.connection-desync"):
        reason = f"{s.heard['app.connection-desync']} errors of connections that two workers use at once"
        return failed(reason, "preload_app = False", places)
    if not isinstance(value, bool):
        return unread("preload_app")
    if not value:
        return passed("each worker imports the app itself", places)
    reason = "preload_app is on: whether the app opens connections or threads at import stands in its code"
    return unknown(reason, "close them in post_fork: engine.dispose(close=False)", places)


def loaded(s: Subject) -> Answer:
    """What stands in the configuration is what runs."""
    edited = [one for name, one in s.case.settings.items() if name.endswith(ON_DISK)]
    if edited:
        names = ", ".join(one.name.removeprefix("gunicorn.").removesuffix(ON_DISK) for one in edited)
        places = tuple(dict.fromkeys(one.origin for one in edited))
        return failed(f"written, but not in effect: {names}", "systemctl reload", places)
    own = {path: time_s for path, time_s in s.ground.written_s.items() if path in _files_of(s)}
    pids = [p.pid for p in (s.last.processes if s.last else ()) if p.role == "worker"]
    started = [s.ground.started_s[pid] for pid in pids if pid in s.ground.started_s]
    if not own or not started:
        return unknown("when the configuration was written and loaded was not read")
    path, written_s = max(own.items(), key=lambda pair: pair[1])
    if written_s <= min(started):
        return passed(f"{path} was last written before the oldest worker started")
    if written_s > max(started):
        reason = f"{path} was written after the newest worker started: what runs is older"
        return failed(reason, "systemctl reload (or restart, for the command line)", (path,))
    return unknown(f"{path} was written after some workers started; others are newer, by recycling or a reload")


def _files_of(s: Subject) -> set[str]:
    """Files the gunicorn settings of the app were read from."""
    origins = (one.origin for name, one in s.case.settings.items() if name.startswith("gunicorn."))
    return {origin.rpartition(":")[0] for origin in origins if ".py:" in origin}


def rollback(s: Subject) -> Answer:
    """An older version is at hand when a change makes things worse."""
    for path in sorted(_files_of(s)):
        if path in s.ground.copies:
            return passed(f"an older version of {path} is kept: {s.ground.copies[path]}")
    return unknown("no older version of the configuration was found beside it; it may be kept elsewhere")


ITEMS = (
    Item(
        "persistent-settings",
        "Does systemd start gunicorn with a config file or explicit flags?",
        "Checklist: systemd uses a persistent Gunicorn config file or explicit flags",
        (),
        (f"{GUNICORN}deploy.html#systemd",),
        persistent,
    ),
    Item(
        "settings-loaded",
        "Is what stands in the configuration what runs?",
        "",
        (),
        (f"{GUNICORN}signals.html",),
        loaded,
    ),
    Item(
        "rollback",
        "Is an older configuration kept to go back to?",
        "Checklist: a rollback configuration is available",
        (),
        (f"{GUNICORN}configure.html",),
        rollback,
    ),
    Item(
        "restart",
        "Does systemd restart a master that dies?",
        "Step 9: the unit has Restart=always",
        ("restart-loop", "master-killed"),
        (f"{SYSTEMD}systemd.service.html#Restart=",),
        restart,
    ),
    Item(
        "user",
        "Does the app run as a user without rights of its own?",
        "Step 9: the unit has User=www-data",
        (),
        (f"{SYSTEMD}systemd.exec.html#User=",),
        user,
    ),
    Item(
        "development-switches",
        "Are gunicorn's switches for development off?",
        "",
        (),
        (setting_page("reload"), setting_page("spew")),
        development,
    ),
    Item(
        "worker-tmp-dir",
        "Are the workers' heartbeat files in memory?",
        "",
        ("worker-tmp-dir-blocked",),
        (
            setting_page("worker_tmp_dir"),
            f"{GUNICORN}faq.html#how-do-i-avoid-gunicorn-excessively-blocking-in-os-fchmod",
        ),
        tmp_dir,
    ),
    Item(
        "open-files",
        "May a worker open as many files as it may accept connections?",
        "",
        ("file-descriptors-exhausted",),
        (f"{SYSTEMD}systemd.exec.html#LimitCPU=",),
        files,
    ),
    Item(
        "disk-space",
        "Is there room where the app and its logs write?",
        "",
        ("disk-full",),
        ("https://man7.org/linux/man-pages/man1/df.1.html",),
        disks,
    ),
    Item(
        "preload",
        "Do workers share nothing that was opened before the fork?",
        "",
        ("preload-shared-connection",),
        (setting_page("preload_app"),),
        preload,
    ),
)
