"""The edge's only clock: uptime that never goes back, and wall time with what it is worth."""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from protocols.envelope import ClockState, Stamp
from protocols.instant import from_ms, parse_instant_ms

_ADJTIMEX_ERROR: Final = 5
"""adjtimex(2): TIME_ERROR, the kernel's clock is not synchronized."""
_TIMESYNCD_MARK: Final = Path("/run/systemd/timesync/synchronized")
_PROBE_EVERY_MS: Final = 1_000
_LONGEST_ROUND_TRIP_MS: Final = 2_000
"""A hub's time that took longer than this to come is too uncertain to take."""
_TOLERATED_MS: Final = 500
"""Hub time that differs by less than this, beyond its own uncertainty, moves nothing."""
_AGREES_MS: Final = 1_000
"""A system's clock this near the hub's, beyond what is uncertain, is right: an instant is shown to 2 s at worst."""
_WANDER: Final = 10_000
"""Uptime wanders by less than one part in this (100 ppm, twice a usual crystal)."""
EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this no clock is right (`wire.md` §5)."""


class ClockSource(StrEnum):
    """Whose word counts for the time of day."""

    AUTO = "auto"
    """The system's clock once a time service has set it, until then the hub's."""
    SYSTEM = "system"
    """The system's clock, always: something else keeps it right."""
    HUB = "hub"
    """The hub's time only, whatever the system says."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at the clock: wall time, uptime, and whether the wall time can be trusted."""

    at: datetime
    uptime_ms: int
    state: ClockState
    off_ms: int | None = None
    """How far the system's clock, though set, is from the hub's; None where it is near it, or nobody can tell."""
    overruled: bool = False
    """The hub's time counts, and not the system's, which is off."""

    def back_at(self, uptime_ms: int) -> datetime:
        """The wall time, by this look, when uptime stood at `uptime_ms`."""
        return self.at - timedelta(milliseconds=self.uptime_ms - uptime_ms)


def system_is_synchronized() -> bool:
    """Tell whether a time service has set the system's clock: systemd-timesyncd's mark, else the kernel's own word."""
    if _TIMESYNCD_MARK.exists():
        return True
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    state = adjtimex(ctypes.create_string_buffer(512))
    return 0 <= state < _ADJTIMEX_ERROR


class Clock:
    """Wall time from the system or the hub; synchronized once is synchronized until the process ends."""

    def __init__(
        self,
        source: ClockSource = ClockSource.AUTO,
        *,
        is_synchronized: Callable[[], bool] = system_is_synchronized,
        uptime_s: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._is_synchronized = is_synchronized
        self._uptime_s = uptime_s
        self._wall = wall
        self._system_counts = source is ClockSource.SYSTEM
        self._probed_ms: int | None = None
        self._hub_zero: datetime | None = None
        self._learnt_ms: int | None = None
        self._error_ms = 0

    def monotonic_s(self) -> float:
        """Seconds since the machine's boot, sleep included; what drivers see."""
        return self._uptime_s()

    def moment(self) -> Moment:
        """Read the clock, once a turn and again where the hub's time has just been learnt.

        A clock before 2025 is never synchronized, whoever says so; nor is one that the hub contradicts, unless it was
        configured to count always.
        """
        uptime_ms = int(self._uptime_s() * 1_000)
        self._probe(uptime_ms)
        wall = self._wall()
        off_ms = self._off_ms(wall, uptime_ms) if self._system_counts else None
        if self._source is ClockSource.SYSTEM:
            state = ClockState.SYNCED if wall >= EARLIEST else ClockState.UNSYNCED
            return Moment(wall, uptime_ms, state, off_ms)
        if self._system_counts and wall >= EARLIEST and off_ms is None:
            return Moment(wall, uptime_ms, ClockState.SYNCED)
        if self._hub_zero is not None:
            at = self._hub_zero + timedelta(milliseconds=uptime_ms)
            return Moment(at, uptime_ms, ClockState.SYNCED, off_ms, overruled=off_ms is not None)
        return Moment(wall, uptime_ms, ClockState.UNSYNCED)

    def learn(self, hub_time: datetime, *, asked_ms: int, answered_ms: int) -> None:
        """Take the hub's time from an answer to a hello said at uptime `asked_ms`; its error is half the round trip."""
        round_trip_ms = answered_ms - asked_ms
        if hub_time < EARLIEST or not 0 <= round_trip_ms <= _LONGEST_ROUND_TRIP_MS:
            return
        zero = hub_time - timedelta(milliseconds=asked_ms + round_trip_ms // 2)
        error_ms = round_trip_ms // 2
        known_to_ms = self._uncertain_ms(answered_ms)
        tolerated = timedelta(milliseconds=error_ms + _TOLERATED_MS)
        better = self._learnt_ms is None or error_ms < known_to_ms
        if self._hub_zero is None or better or abs(zero - self._hub_zero) > tolerated:
            self._hub_zero, self._error_ms, self._learnt_ms = zero, error_ms, answered_ms

    def recall(self, anchor: Stamp) -> None:
        """Take up what an agent that ran before in this boot had learnt of the time; the hub may say otherwise."""
        at_ms = parse_instant_ms(anchor.at)
        if at_ms is not None and self._hub_zero is None:
            self._hub_zero = from_ms(at_ms) - timedelta(milliseconds=anchor.uptime_ms)

    def _off_ms(self, wall: datetime, uptime_ms: int) -> int | None:
        if self._hub_zero is None or self._learnt_ms is None:
            return None
        off = wall - self._hub_zero - timedelta(milliseconds=uptime_ms)
        off_ms = off // timedelta(milliseconds=1)
        return off_ms if abs(off_ms) > _AGREES_MS + self._uncertain_ms(uptime_ms) else None

    def _uncertain_ms(self, uptime_ms: int) -> int:
        """By how much the hub's time, as it is known, may be wrong at this uptime."""
        since_ms = 0 if self._learnt_ms is None else max(0, uptime_ms - self._learnt_ms)
        return self._error_ms + since_ms // _WANDER

    def _probe(self, uptime_ms: int) -> None:
        if self._system_counts or self._source is ClockSource.HUB:
            return
        if self._probed_ms is None or uptime_ms - self._probed_ms >= _PROBE_EVERY_MS:
            self._probed_ms = uptime_ms
            self._system_counts = self._is_synchronized()
