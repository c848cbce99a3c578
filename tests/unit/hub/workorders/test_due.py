from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hub.vocabulary import Colour
from hub.workorders.due import due
from protocols.instant import from_ms, to_ms

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def local(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC))


@pytest.mark.parametrize(
    ("colour", "opened", "response", "resolution"),
    [
        (Colour.RED, "2026-11-21T08:00", "2026-11-22T08:00", "2026-11-23T08:00"),  # a Saturday: red never waits
        (Colour.YELLOW, "2026-11-23T09:30", "2026-11-26T09:30", "2026-11-30T09:30"),  # Monday → Thursday, Monday
        (Colour.YELLOW, "2026-11-26T09:30", "2026-12-01T09:30", "2026-12-03T09:30"),  # Thursday, over the week-end
        (
            Colour.YELLOW,
            "2026-11-21T12:00",
            "2026-11-26T00:00",
            "2026-11-30T00:00",
        ),  # Saturday counts from Monday 00:00
        (Colour.BLUE, "2026-11-23T09:30", "2026-12-02T09:30", "2026-12-07T09:30"),
    ],
)
def test_deadlines_by_colour(colour: Colour, opened: str, response: str, resolution: str) -> None:
    deadlines = due(colour, opened_at_ms=local(opened), zone=SHANGHAI)
    assert from_ms(deadlines.response_ms) == from_ms(local(response))
    assert from_ms(deadlines.resolution_ms) == from_ms(local(resolution))


def test_the_week_end_is_the_sites_own() -> None:
    friday_evening_utc = to_ms(datetime(2026, 11, 20, 17, 0, tzinfo=UTC))  # Saturday 01:00 in Shanghai
    in_shanghai = due(Colour.YELLOW, opened_at_ms=friday_evening_utc, zone=SHANGHAI)
    assert from_ms(in_shanghai.response_ms) == from_ms(local("2026-11-26T00:00"))
    in_utc = due(Colour.YELLOW, opened_at_ms=friday_evening_utc, zone=UTC)
    assert from_ms(in_utc.response_ms) == datetime(2026, 11, 25, 17, 0, tzinfo=UTC)


def test_the_time_of_day_stays_over_a_change_to_winter_time() -> None:
    deadlines = due(Colour.YELLOW, opened_at_ms=local("2026-10-22T09:00", BERLIN), zone=BERLIN)
    assert from_ms(deadlines.response_ms) == from_ms(local("2026-10-27T09:00", BERLIN))
