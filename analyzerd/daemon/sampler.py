"""The sampler thread: readings of the machine, and settings in effect, at a fixed interval.

A reading that finds the inbox full is dropped and counted; it never holds up text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from analyzerd.daemon.clock import now_s
from analyzerd.daemon.inbox import Inbox
from analyzerd.formats.settings import from_nginx
from analyzerd.model import Batch, Health, Input, Setting
from analyzerd.ports import Probe
from analyzerd.sources.conf_files import nginx_texts
from analyzerd.sources.usual import NGINX_UNIT

SETTINGS_EVERY_S = 30.0


class Sampler:
    """Samples until stopped. ``health`` names what the probe may not read."""

    def __init__(
        self,
        probe: Probe,
        health: Callable[[], tuple[Health, ...]],
        inbox: Inbox,
        interval_s: float,
        nginx_conf: str,
        stated: tuple[Setting, ...] = (),
    ) -> None:
        self._probe, self._health, self._inbox, self._interval_s = probe, health, inbox, interval_s
        self._nginx_conf, self._stated = nginx_conf, stated
        self._told: dict[tuple[str, str], Setting] = {}
        self._settings_s = self._due_s = 0.0
        self.dropped = 0

    def run(self, stop: threading.Event) -> None:
        """Sample at every interval."""
        while not stop.is_set():
            self.step()
            stop.wait(self._interval_s)

    def step(self) -> None:
        """Take one reading and hand it over; now and then the settings too."""
        late_s = max(0.0, now_s() - self._due_s) if self._due_s else None
        inputs: list[Input] = [replace(self._probe.sample(), late_s=late_s)]
        time_s = now_s()
        if time_s - self._settings_s >= SETTINGS_EVERY_S or self._settings_s == 0.0:
            self._settings_s = time_s
            inputs += self._news()
            inputs += self._health()
        if not self._inbox.put_if_room(Batch(tuple(inputs))):
            self.dropped += 1
        self._due_s = now_s() + self._interval_s

    def _news(self) -> list[Input]:
        found = [*self._probe.settings(), *nginx_settings(self._nginx_conf), *self._stated]
        names = {(s.unit, s.name) for s in found}
        # A route that was taken out of nginx's configuration is no longer in effect.
        gone = [s for key, s in self._told.items() if s.unit == NGINX_UNIT and s.value is not None and key not in names]
        found += [replace(s, time_s=now_s(), value=None) for s in gone]
        news = [s for s in found if _value(self._told.get((s.unit, s.name))) != _value(s)]
        self._told.update({(s.unit, s.name): s for s in news})
        return list(news)


def _value(setting: Setting | None) -> object:
    return None if setting is None else (setting.value, setting.origin)


def nginx_settings(path: str) -> tuple[Setting, ...]:
    """What an nginx configuration says with its includes; nothing when it is not named or cannot be read."""
    texts = nginx_texts(Path(path), here=True) if path else None
    return () if texts is None else from_nginx(*texts, time_s=now_s(), unit=NGINX_UNIT)
