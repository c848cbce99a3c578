"""The gate: one writer of the state database at a time, life-safety first."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum

from hub.pulse import Pulse


class Priority(IntEnum):
    """Who goes first when several wait to write."""

    LIFE_SAFETY = 0
    PERSON = 1
    """Somebody waits for an answer."""
    BACKGROUND = 2


class Gate:
    """A lock that is handed to the most urgent waiter.

    SQLite has one writer anyway, and its own waiting has no order.
    """

    def __init__(self) -> None:
        """Start open."""
        self._condition = threading.Condition()
        self._held = False
        self.pulse = Pulse()
        self._waiting = [0] * len(Priority)

    @contextmanager
    def held(self, priority: Priority) -> Generator[None]:
        """Hold the gate; not reentrant."""
        with self._condition:
            self._waiting[priority] += 1
            while self._held or any(self._waiting[:priority]):
                self._condition.wait()
            self._waiting[priority] -= 1
            self._held = True
            self.pulse.step()
        try:
            yield
        finally:
            with self._condition:
                self._held = False
                self.pulse.rest()
                self._condition.notify_all()
