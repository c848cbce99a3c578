"""Time: the only module of the hub that reads a clock."""

import threading
import time
from typing import Final, Protocol

LEAST_STEP_MS: Final = 5_000
"""What is less is within the patience of every rule."""


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


class SteadyClock:
    """The machine's clock as it was at the start, and from then on in even steps, whatever is done to that clock."""

    def __init__(self) -> None:
        """Start with the machine's clock."""
        self._start_ms = time.time_ns() // 1_000_000
        self._start_ns = time.monotonic_ns()

    def now_ms(self) -> int:
        """Return the time since 1970 by the clock of the start."""
        return self._start_ms + (time.monotonic_ns() - self._start_ns) // 1_000_000


class ClockStep:
    """Tells when the machine's clock was set, by one that only runs on; pure."""

    def __init__(self) -> None:
        """Know nothing yet: the first look finds no step."""
        self._ahead_ms: int | None = None

    def look(self, *, wall_ms: int, steady_ms: int) -> int:
        """Return by how much the clock was set since the last look, 0 where it only ran (time services slew slower)."""
        ahead_ms = wall_ms - steady_ms
        step_ms = 0 if self._ahead_ms is None else ahead_ms - self._ahead_ms
        self._ahead_ms = ahead_ms
        return step_ms if abs(step_ms) >= LEAST_STEP_MS else 0


def monotonic_s() -> float:
    """Return seconds of a clock that never steps; for waits and delays only."""
    return time.monotonic()
