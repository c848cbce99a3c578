"""The sun over a place: its elevation by the short NOAA formula, good to a few tenths of a degree."""

import math
from datetime import UTC, datetime
from typing import Final

HORIZON_DEG: Final = -0.833
"""Elevation of the sun's centre at sunrise and sunset, with refraction and the sun's own radius."""


def elevation_deg(at: datetime, *, latitude_deg: float, longitude_deg: float) -> float:
    """Return how high the sun stands over the horizon; negative at night."""
    utc = at.astimezone(UTC)
    minutes = utc.hour * 60 + utc.minute + utc.second / 60
    year = 2 * math.pi / 365 * (utc.timetuple().tm_yday - 1 + (minutes / 60 - 12) / 24)
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * math.cos(year)
        - 0.032077 * math.sin(year)
        - 0.014615 * math.cos(2 * year)
        - 0.040849 * math.sin(2 * year)
    )
    declination = (
        0.006918
        - 0.399912 * math.cos(year)
        + 0.070257 * math.sin(year)
        - 0.006758 * math.cos(2 * year)
        + 0.000907 * math.sin(2 * year)
        - 0.002697 * math.cos(3 * year)
        + 0.00148 * math.sin(3 * year)
    )
    solar_min = minutes + equation_min + 4 * longitude_deg
    hour_angle = math.radians(solar_min / 4 - 180)
    latitude = math.radians(latitude_deg)
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
        hour_angle
    )
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def is_dark(at: datetime, *, latitude_deg: float, longitude_deg: float) -> bool:
    """Tell whether the sun is below the horizon."""
    return elevation_deg(at, latitude_deg=latitude_deg, longitude_deg=longitude_deg) < HORIZON_DEG
