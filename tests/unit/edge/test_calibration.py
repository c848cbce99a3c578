import pytest

from edge.calibration import Level, LevelState, Unusable, level_at
from protocols.fill_level import Geometry

BIN = Geometry(empty_mm=1200, full_mm=300, blind_zone_mm=200)


def a_level(distance_mm: float | None, *, before: float | None = None) -> Level | Unusable:
    return level_at(LevelState(before), distance_mm, geometry=BIN)[1]


@pytest.mark.parametrize(
    ("distance_mm", "percent"),
    [(1200, 0.0), (750, 50.0), (480, 80.0), (300, 100.0), (250, 100.0), (1300, 0.0)],
)
def test_distance_becomes_the_share_of_the_way_from_empty_to_full(distance_mm: float, percent: float) -> None:
    level = a_level(distance_mm)
    assert isinstance(level, Level)
    assert level.fill_percent == pytest.approx(percent)
    assert level.distance_mm == distance_mm
    assert not level.saturated


def test_a_lost_target_is_unusable_at_the_start() -> None:
    assert a_level(None) is Unusable.NO_TARGET


def test_a_lost_target_is_unusable_in_a_bin_that_was_not_nearly_full() -> None:
    assert a_level(None, before=84.9) is Unusable.NO_TARGET


@pytest.mark.parametrize("distance_mm", [None, 3900.0])
def test_a_target_lost_in_a_nearly_full_bin_is_a_full_bin(distance_mm: float | None) -> None:
    assert a_level(distance_mm, before=85.0) == Level(fill_percent=100.0, distance_mm=None, saturated=True)


def test_a_full_bin_stays_full_until_something_is_measured() -> None:
    state = LevelState()
    story: list[float | None] = []
    for distance_mm in (500.0, 400.0, None, None, 1190.0, 1180.0, None):
        state, level = level_at(state, distance_mm, geometry=BIN)
        story.append(round(level.fill_percent) if isinstance(level, Level) else None)
    assert story == [78, 89, 100, 100, None, 2, None]


@pytest.mark.parametrize("before", [None, 0.0, 84.0, 100.0])
def test_an_echo_from_within_the_blind_zone_is_a_full_bin_whatever_it_was_before(before: float | None) -> None:
    assert a_level(150.0, before=before) == Level(fill_percent=100.0, distance_mm=None, saturated=True)


def test_one_far_echo_out_of_a_nearly_full_bin_says_nothing_and_the_second_empties_it() -> None:
    state, first = level_at(LevelState(90.0), 1190.0, geometry=BIN)
    assert first is Unusable.UNCONFIRMED
    state, second = level_at(state, 1180.0, geometry=BIN)
    assert isinstance(second, Level)
    assert round(second.fill_percent) == 2


def test_a_far_echo_that_does_not_come_again_leaves_the_bin_full() -> None:
    state, _ = level_at(LevelState(90.0), 1190.0, geometry=BIN)
    state, level = level_at(state, None, geometry=BIN)
    assert level == Level(fill_percent=100.0, distance_mm=None, saturated=True)
    assert level_at(state, 1190.0, geometry=BIN)[1] is Unusable.UNCONFIRMED


@pytest.mark.parametrize(("before", "distance_mm"), [(90.0, 974.0), (84.0, 1190.0), (86.0, 800.0)])
def test_a_fall_that_is_none_of_a_collection_is_believed_at_once(before: float, distance_mm: float) -> None:
    assert isinstance(a_level(distance_mm, before=before), Level)


def test_an_echo_from_far_beyond_the_bottom_says_nothing() -> None:
    assert a_level(1200 * 1.16) is Unusable.BEYOND_BOTTOM


def test_an_unusable_distance_does_not_change_what_is_known() -> None:
    assert level_at(LevelState(40.0), None, geometry=BIN)[0] == LevelState(40.0)
