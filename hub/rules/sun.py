"""The site's sun clock: whether it is day, twilight or night there, by the sun's elevation.

Elevation exists at every instant and latitude, so that polar day and polar night need no exception.
"""

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from astral import Observer
from astral.sun import elevation

SUNRISE_DEGREES: Final = -0.833
"""Elevation of the sun's centre at sunrise and sunset: refraction and half its disc."""
DARK_DEGREES: Final = -6.0
"""End of civil twilight; between it and sunset every photocell switches at a moment of its own."""
MINUTE_MS: Final = 60_000


class Daylight(StrEnum):
    """How light it is outside."""

    DAY = "day"
    TWILIGHT = "twilight"
    """Lamps may be on or off: neither is an error."""
    NIGHT = "night"


def daylight(location: tuple[float, float], at_ms: int) -> Daylight:
    """Return how light it is at (latitude, longitude) in that minute."""
    return _daylight(location, at_ms // MINUTE_MS)


@lru_cache(maxsize=8_192)
def _daylight(location: tuple[float, float], minute: int) -> Daylight:
    latitude, longitude = location
    degrees = elevation(Observer(latitude, longitude), datetime.fromtimestamp(minute * 60, UTC), with_refraction=False)
    if degrees > SUNRISE_DEGREES:
        return Daylight.DAY
    return Daylight.TWILIGHT if degrees > DARK_DEGREES else Daylight.NIGHT
