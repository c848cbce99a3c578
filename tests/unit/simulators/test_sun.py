from datetime import UTC, datetime, timedelta

import pytest
from astral import Observer
from astral.sun import elevation as astral_elevation

from simulators.sun import elevation_deg, is_dark

PLACES = ((31.23, 121.47), (50.09, 14.42), (-33.87, 151.21), (0.0, 0.0), (69.65, 18.96))


@pytest.mark.parametrize(("latitude", "longitude"), PLACES)
def test_the_sun_stands_where_astral_sees_it_within_half_a_degree(latitude: float, longitude: float) -> None:
    observer = Observer(latitude, longitude)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for hours in range(0, 365 * 24, 157):
        at = start + timedelta(hours=hours)
        ours = elevation_deg(at, latitude_deg=latitude, longitude_deg=longitude)
        assert ours == pytest.approx(astral_elevation(observer, at, with_refraction=False), abs=0.5)


def test_it_is_dark_at_night_and_light_at_noon() -> None:
    assert is_dark(datetime(2026, 6, 21, 16, 0, tzinfo=UTC), latitude_deg=31.23, longitude_deg=121.47)
    assert not is_dark(datetime(2026, 6, 21, 4, 0, tzinfo=UTC), latitude_deg=31.23, longitude_deg=121.47)
