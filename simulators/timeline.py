"""Simulated time: how seconds of the story become instants of the calendar and of the nodes' clocks."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

USUAL_START: Final = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
"""Where the calendar of a story begins unless it is told: a Monday, six in the morning in China."""


class HubClock(StrEnum):
    """Which clock the hub lives by, and so what the nodes must stamp (the hub's LINLI_CLOCK)."""

    WALL = "wall"
    """Real time: the nodes' clocks are right, only the world turns faster."""
    MESSAGES = "messages"
    """The messages': the nodes' clocks run as fast as the world."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at a node's clocks: monotonic seconds for waiting, its wall clock and its uptime for stamping."""

    monotonic_s: float
    at: datetime
    uptime_ms: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A story that begins at `start` and runs `speed` times as fast as life; `after_s` is seconds inside the story."""

    start: datetime
    speed: float = 1.0
    hub_clock: HubClock = HubClock.WALL
    calendar_start: datetime | None = None
    """Date and hour inside the story at its beginning, where they differ from `start`: dusk, say."""

    def __post_init__(self) -> None:
        """Refuse a story that stands still or runs backwards."""
        if self.speed <= 0:
            raise ValueError("the speed of a story must be greater than 0")

    def begun(self, now: datetime) -> "Timeline":
        """Return the story that begins at `now`: before a hub on the wall clock, clocks show the wall's."""
        if self.hub_clock is HubClock.MESSAGES:
            return self
        return replace(self, start=now, calendar_start=self.calendar_start or self.start)

    def calendar(self, after_s: float) -> datetime:
        """Return the date and hour inside the story: what sun, habits and schedules go by."""
        return (self.calendar_start or self.start) + timedelta(seconds=after_s)

    def wall_s(self, after_s: float) -> float:
        """Return how many real seconds after its beginning this point of the story comes."""
        return after_s / self.speed

    def after_s(self, wall_s: float) -> float:
        """Return how far the story has come so many real seconds after its beginning."""
        return wall_s * self.speed

    def clock_s(self, after_s: float) -> float:
        """Return how many seconds the nodes' clocks have run at this point of the story."""
        return after_s if self.hub_clock is HubClock.MESSAGES else self.wall_s(after_s)

    def stamp(self, after_s: float) -> datetime:
        """Return what the nodes' clocks show at this point of the story."""
        return self.start + timedelta(seconds=self.clock_s(after_s))
