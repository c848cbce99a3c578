from datetime import UTC, datetime, timedelta

import pytest

from simulators.timeline import HubClock, Timeline

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def test_before_a_wall_clock_hub_only_the_world_is_fast() -> None:
    story = Timeline(START, speed=60)

    assert story.calendar(3_600) == START + timedelta(hours=1)
    assert story.stamp(3_600) == START + timedelta(minutes=1)
    assert story.wall_s(3_600) == 60


def test_before_a_hub_that_lives_by_messages_the_clocks_are_as_fast_as_the_world() -> None:
    story = Timeline(START, speed=60, hub_clock=HubClock.MESSAGES)

    assert story.stamp(3_600) == story.calendar(3_600) == START + timedelta(hours=1)


def test_the_calendar_may_begin_at_another_hour_than_the_clocks() -> None:
    dusk = START + timedelta(hours=9)
    story = Timeline(START, speed=60, calendar_start=dusk)

    assert story.calendar(60) == dusk + timedelta(minutes=1)
    assert story.stamp(60) == START + timedelta(seconds=1)


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_a_story_that_stands_still_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        Timeline(START, speed=speed)


def test_registration_takes_its_time_and_no_clock_lags_by_it() -> None:
    later = START + timedelta(seconds=40)
    story = Timeline(START, speed=60).begun(later)

    assert story.stamp(0) == later
    assert story.calendar(0) == START


def test_a_story_before_a_hub_of_messages_begins_where_it_was_told() -> None:
    story = Timeline(START, speed=60, hub_clock=HubClock.MESSAGES)

    assert story.begun(START + timedelta(seconds=40)) == story
