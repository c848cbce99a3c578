import pytest

from edge.drivers.burning import BurnState, is_due, step

NEW = BurnState(hours=100, kept_hours=100)


def hours(*readings: tuple[float, bool], state: BurnState = NEW) -> float:
    for at_s, burning in readings:
        state = step(state, burning=burning, at_s=at_s)
    return state.hours - 100


def test_time_between_two_burning_readings_counts_whole() -> None:
    assert hours((0, True), (1800, True), (3600, True)) == pytest.approx(1)


def test_time_of_a_switch_counts_half() -> None:
    assert hours((0, False), (1800, True)) == pytest.approx(0.25)
    assert hours((0, True), (1800, False)) == pytest.approx(0.25)


def test_a_dark_lamp_counts_nothing() -> None:
    assert hours((0, False), (1800, False)) == 0


def test_a_gap_in_which_nobody_looked_counts_nothing() -> None:
    assert hours((0, True), (3601, True)) == 0


def test_the_first_reading_counts_nothing() -> None:
    assert hours((9000, True)) == 0


def test_hours_are_due_for_keeping_each_quarter_of_an_hour_of_light() -> None:
    state = step(step(NEW, burning=True, at_s=0), burning=True, at_s=899)
    assert not is_due(state)
    assert is_due(step(state, burning=True, at_s=900))
