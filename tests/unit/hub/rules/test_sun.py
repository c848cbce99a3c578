from datetime import UTC, datetime

import pytest

from hub.rules.sun import Daylight, daylight

SHANGHAI, TROMSO, EQUATOR = (31.23, 121.47), (69.65, 18.96), (0.0, 0.0)


@pytest.mark.parametrize(
    ("location", "at", "light"),
    [
        # Shanghai, local time is UTC+8: sunrise 06:29, sunset 16:52 that day; civil dawn 06:03, civil dusk 17:19.
        (SHANGHAI, "2026-11-25T04:00:00Z", Daylight.DAY),
        (SHANGHAI, "2026-11-24T22:32:00Z", Daylight.DAY),
        (SHANGHAI, "2026-11-24T22:20:00Z", Daylight.TWILIGHT),
        (SHANGHAI, "2026-11-24T22:00:00Z", Daylight.NIGHT),
        (SHANGHAI, "2026-11-25T08:49:00Z", Daylight.DAY),
        (SHANGHAI, "2026-11-25T08:56:00Z", Daylight.TWILIGHT),
        (SHANGHAI, "2026-11-25T09:21:00Z", Daylight.NIGHT),
        (SHANGHAI, "2026-11-25T16:00:00Z", Daylight.NIGHT),
        # Polar night and polar day, where astral's dawn and dusk raise.
        (TROMSO, "2026-12-21T23:00:00Z", Daylight.NIGHT),
        (TROMSO, "2026-12-21T10:45:00Z", Daylight.TWILIGHT),
        (TROMSO, "2026-06-21T23:00:00Z", Daylight.DAY),
        (EQUATOR, "2026-03-20T12:00:00Z", Daylight.DAY),
        (EQUATOR, "2026-03-20T00:00:00Z", Daylight.NIGHT),
    ],
)
def test_light_at_a_place_and_time(location: tuple[float, float], at: str, light: Daylight) -> None:
    at_ms = int(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1000)
    assert daylight(location, at_ms) is light
