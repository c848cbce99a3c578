"""By when an order must be answered and resolved: a function of its colour, its opening and the site's time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from hub.vocabulary import Colour
from protocols.instant import from_ms, to_ms

_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Clock:
    """Time allowed: hours around the clock, or working days of the site."""

    hours: int = 0
    working_days: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """The two deadlines of an order, in ms."""

    response_ms: int
    resolution_ms: int


RESPONSE: Final[Mapping[Colour, Clock]] = {
    Colour.RED: Clock(hours=24),
    Colour.YELLOW: Clock(working_days=3),
    Colour.BLUE: Clock(working_days=7),
}
"""The founding documents' promise to residents: red 24 hours, yellow 3 and blue 7 working days, to the response."""
RESOLUTION: Final[Mapping[Colour, Clock]] = {
    Colour.RED: Clock(hours=48),
    Colour.YELLOW: Clock(working_days=5),
    Colour.BLUE: Clock(working_days=10),
}
"""Our proposal: the documents name no resolution time; response plus 24 hours, 2 and 3 working days."""


def due(colour: Colour, *, opened_at_ms: int, zone: tzinfo) -> Due:
    """Return the deadlines of an order opened then; working days are Monday to Friday in the site's time zone."""
    return Due(_after(opened_at_ms, RESPONSE[colour], zone), _after(opened_at_ms, RESOLUTION[colour], zone))


def _after(start_ms: int, clock: Clock, zone: tzinfo) -> int:
    if not clock.working_days:
        return start_ms + clock.hours * 3_600_000
    return to_ms(_working_days_after(from_ms(start_ms).astimezone(zone), clock.working_days))


def _working_days_after(start: datetime, days: int) -> datetime:
    """Return the same time of day so many working days later; a day off counts as the next working day's begin."""
    at = start
    while _is_day_off(at):
        at = datetime.combine(at.date() + timedelta(days=1), time(), start.tzinfo)
    for _ in range(days):
        at += timedelta(days=1)
        while _is_day_off(at):
            at += timedelta(days=1)
    return at


def _is_day_off(at: datetime) -> bool:
    return at.weekday() >= _SATURDAY
