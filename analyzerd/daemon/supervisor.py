"""The main thread: starts the others, waits for signals, feeds systemd's watchdog, ends everything in order.

An unexpected error in any thread ends the process with a clear message; systemd starts it again and nothing is
lost, because checkpoints and state are committed together.
"""

from __future__ import annotations

import fcntl
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from analyzerd.config import Config, load
from analyzerd.daemon import wiring
from analyzerd.daemon.clock import now_s
from analyzerd.daemon.core_loop import CoreLoop, restored, state_format
from analyzerd.daemon.diffs import Diffs
from analyzerd.daemon.inbox import Inbox
from analyzerd.daemon.notify import notify, watchdog_interval_s
from analyzerd.daemon.sampler import Sampler
from analyzerd.daemon.stacks import StackTaker
from analyzerd.daemon.stated import stated_settings
from analyzerd.errors import AnalyzerdError, ConfigError, StoreError
from analyzerd.model import Checkpoint, Health
from analyzerd.notify.contract import Sink, Words
from analyzerd.notify.sender import Sender
from analyzerd.probes.machine import MachineProbe
from analyzerd.probes.stacks import StackProbe
from analyzerd.rules.schema import RuleSet
from analyzerd.sources.rulefiles import RuleWatch, vendor_dir
from analyzerd.store.db import Store
from analyzerd.store.outbox import Outbox

STUCK_S = 60.0
"""A core thread without progress for this long is not reported to the watchdog as alive."""

CORE_END_S = 10.0
OTHERS_END_S = 1.0
"""How long threads may take to end. A message on its way is found again after the next start."""

LOOK_EVERY_S = 5.0
ONCE_EXTRA_S = 10.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
Sinks = Mapping[str, tuple[Sink, Words]]


def run(config_path: Path | None = None, *, once: bool = False) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. Raises ConfigError, StoreError.

    ``once``: read what is there for a few seconds, report, and end.
    """
    config = load(config_path)
    sinks = wiring.sinks(config)
    with only_one(config.state_dir):
        rules = wiring.load_rules(config)
        with closing(Store(config.database, sinks=tuple(sinks), state_format=state_format())) as store:
            resume = store.load_checkpoints()
        return _Daemon(config, config_path, sinks, rules, resume).run(once=once)


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the state directory, made when missing, for this process alone. Raises StoreError."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (state_dir / "analyzerd.lock").open("w")
    except OSError as error:
        raise StoreError(f"{state_dir}: cannot keep state here: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{state_dir} is in use: another analyzerd runs with it") from None
        yield


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class _Daemon:
    """The threads of one life."""

    def __init__(
        self,
        config: Config,
        config_path: Path | None,
        sinks: Sinks,
        rules: RuleSet,
        resume: tuple[Checkpoint, ...],
    ) -> None:
        self._config, self._config_path = config, config_path
        self._sinks, self._rules, self._resume = sinks, rules, resume
        self._wake = _WakeUp()
        read = (wiring.journal(config), wiring.log_files(config), *wiring.statsd(config))
        self._sources = [source for source in read if source is not None]
        self._rule_watch = RuleWatch([vendor_dir(), *config.rules_dirs], self._wake.reload)
        self._stop, self._wake_sender = threading.Event(), threading.Event()
        self._inbox = Inbox()
        self._crash: list[str] = []
        self._threads: list[threading.Thread] = []
        self._core: CoreLoop | None = None
        self._stacks = StackProbe(enabled=config.witnesses.stacks)
        self._taker = StackTaker(self._stacks.take, self._inbox.put)

    def run(self, *, once: bool) -> int:
        """Start the threads, wait for the end, stop them."""
        with self._wake:
            self._start_all()
            code = self._wait(once=once)
            notify("STOPPING=1")
            self._end()
        for crash in self._crash:
            _say(crash)
        return 1 if self._crash else code

    # ---- threads ---------------------------------------------------------------------------------------

    def _start_all(self) -> None:
        ready = threading.Event()
        self._start("core", lambda: self._run_core(ready))
        ready.wait()
        if self._core is None:
            return
        self._start("sender", self._run_sender)
        for source in self._sources:
            self._start(type(source).__name__, partial(source.run, self._inbox.put, self._resume))
        if self._config.sampling.interval > 0:
            self._start("sampler", self._run_sampler)
            if self._config.witnesses.stacks:
                self._start("stacks", self._taker.run)
        self._rule_watch.start()
        notify(f"READY=1\nSTATUS={self._status()}")
        _say(f"analyzerd watches; its state is in {self._config.database}")

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except AnalyzerdError as error:
            self._crashed(f"error: {name}: {error}")
        except Exception:  # noqa: BLE001 - the one place where a thread's death becomes the process's end
            self._crashed(f"error: the {name} thread failed\n{traceback.format_exc()}")
        else:
            if not self._stop.is_set():
                self._crashed(f"error: the {name} thread ended by itself")

    def _crashed(self, message: str) -> None:
        self._crash.append(message)
        self._wake.up()

    def _run_core(self, ready: threading.Event) -> None:
        config = self._config
        try:
            store = Store(config.database, sinks=tuple(self._sinks), state_format=state_format())
            engine = restored(store, lambda state: wiring.engine(config, self._rules, state))
            load_rules = partial(wiring.load_rules, config)
            self._core = CoreLoop(
                engine, store, self._inbox, load_rules, self._wake_sender, self._taker.ask, Diffs(wiring.here(config))
            )
        finally:
            ready.set()
        with closing(store):
            self._core.run()

    def _run_sender(self) -> None:
        with closing(Outbox(self._config.database)) as outbox:
            Sender(outbox, self._sinks, say=_say).run(now_s, self._stop, self._wake_sender)

    def _run_sampler(self) -> None:
        with closing(wiring.machine(self._config)) as probe:
            sampler = Sampler(
                probe,
                lambda: self._sight(probe),
                self._inbox,
                self._config.sampling.interval,
                wiring.nginx_conf(self._config),
                stated_settings(self._config, now_s()),
            )
            sampler.run(self._stop)

    def _sight(self, probe: MachineProbe) -> tuple[Health, ...]:
        """Say what the probe, and the witnesses beside it, cannot see."""
        time_s = now_s()
        return (*probe.health(), *self._stacks.health(time_s), *wiring.not_listening(self._config, time_s))

    # ---- the main thread's own work ----------------------------------------------------------------------

    def _wait(self, *, once: bool) -> int:
        every_s = min(watchdog_interval_s() or LOOK_EVERY_S, 1.0 if once else LOOK_EVERY_S)
        deadline = now_s() + self._config.timing.patience + ONCE_EXTRA_S if once else None
        while not self._crash:
            for number in self._wake.wait(every_s):
                if number in (signal.SIGTERM, signal.SIGINT):
                    return 0
                if number == signal.SIGHUP:
                    self._hang_up()
            if self._wake.reload.is_set():
                self._reload_rules()
            if self._alive():
                notify(f"WATCHDOG=1\nSTATUS={self._status()}")
            if deadline is not None and now_s() >= deadline:
                return 0
        return 1

    def _alive(self) -> bool:
        core = self._core
        return (
            core is not None
            and time.monotonic() - core.progress_s < STUCK_S
            and all(t.is_alive() for t in self._threads)
        )

    def _status(self) -> str:
        if self._core is None:
            return "starting"
        state = self._core.engine.state
        is_open = sum(not entry.closed for entry in list(state.incidents.values()))
        return f"{len(state.ledgers)} apps, {is_open} open incidents"

    def _hang_up(self) -> None:
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            fresh = load(self._config_path)
        except ConfigError as error:
            _say(f"error: {error}; the running configuration stays in force")
        else:
            if fresh != self._config:
                _say("the configuration changed: restart analyzerd to apply it; rules are reloaded now")
        self._reload_rules()
        notify("READY=1")

    def _reload_rules(self) -> None:
        self._wake.reload.clear()
        if self._core is not None:
            self._core.reload.set()
            self._inbox.wake()

    def _end(self) -> None:
        """Readers first, then the core, which commits, then the sender."""
        self._rule_watch.stop()
        for source in self._sources:
            source.stop()
        self._stop.set()
        if self._core is not None:
            self._core.stop.set()
        self._taker.stop()
        self._inbox.close()
        self._wake_sender.set()
        end_s = time.monotonic() + OTHERS_END_S
        for thread in self._threads:
            is_core = thread.name == "core"
            thread.join(CORE_END_S if is_core else max(0.0, end_s - time.monotonic()))


class _Reload(threading.Event):
    """Set when a rule file changed; setting it wakes the main thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def set(self) -> None:
        super().set()
        self._wake()


class _WakeUp:
    """Ends the main thread's wait when a signal arrives, a thread dies or a rule file changes."""

    def __init__(self) -> None:
        self.reload = _Reload(self.up)
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._old: dict[int, object] = {}

    def __enter__(self) -> None:
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            self._old[number] = signal.signal(number, lambda *_: None)

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._reader.close()
        self._writer.close()

    def wait(self, timeout_s: float) -> bytes:
        """Signal numbers that arrived (0: woken by up()), after at most ``timeout_s``."""
        readable, _, _ = select.select([self._reader], [], [], timeout_s)
        return self._reader.recv(64) if readable else b""

    def up(self) -> None:
        """Wake the main thread; when the buffer is full it is awake already."""
        with suppress(BlockingIOError, OSError):
            self._writer.send(b"\0")
