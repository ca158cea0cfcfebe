"""Kills the daemon at random moments and starts it again, as often as asked, while a block runs."""

from __future__ import annotations

import random
import threading

from tests.world.apps import Program

LONGEST_LIFE_S = 3.0


class Kills:
    """`kill -9`, `times` times; `done` is set after the last one."""

    def __init__(self, program: Program, times: int, seed: int) -> None:
        self._program, self._times, self._chance = program, times, random.Random(seed)
        self._over, self.done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> Kills:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop killing; the program runs."""
        self._over.set()
        self._thread.join()

    def _kill(self) -> None:
        for _ in range(self._times):
            if self._over.wait(self._chance.uniform(0.1, LONGEST_LIFE_S)):
                return
            if self._program.process:
                self._program.process.kill()
                self._program.process.wait()
            self._program.start()
        self.done.set()
