"""Time: the only module of the hub that reads a clock."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """The hub's time, in whole milliseconds since 1970 UTC."""

    def now_ms(self) -> int:
        """Return the hub's time."""
        ...


class WallClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Return the machine's time."""
        return time.time_ns() // 1_000_000


class MessageClock:
    """Simulated time: the greatest `now.at` admitted so far (`LINLI_CLOCK=messages`)."""

    def __init__(self, start_ms: int = 0) -> None:
        """Begin at `start_ms`, the stored time of an earlier run."""
        self._now_ms = start_ms
        self._lock = threading.Lock()

    def now_ms(self) -> int:
        """Return the simulated time."""
        return self._now_ms

    def advance(self, to_ms: int) -> bool:
        """Move to `to_ms` where that is later; tell whether time moved."""
        with self._lock:
            if to_ms <= self._now_ms:
                return False
            self._now_ms = to_ms
            return True


def monotonic_s() -> float:
    """Return seconds of a clock that never steps; for waits and delays only."""
    return time.monotonic()
