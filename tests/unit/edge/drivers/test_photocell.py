import pytest

from edge.drivers.photocell import PhotocellReason, PhotocellRule, PhotocellState, at_start, look

RULE = PhotocellRule(on_below_lux=15, off_above_lux=30, hold_s=120, rests_on=True)


def story(*looks: tuple[float, float | None], rule: PhotocellRule = RULE) -> list[PhotocellState]:
    """The states after looks, each (at_s, lux)."""
    states = [at_start(rule)]
    for at_s, lux in looks:
        states.append(look(rule, states[-1], lux, at_s=at_s))
    return states[1:]


def test_it_is_on_below_the_lower_level_and_off_above_the_higher_one_with_the_reason() -> None:
    states = story((0, 14.9), (200, 30.1))
    assert [(state.on, state.reason) for state in states] == [
        (True, PhotocellReason.DARK),
        (False, PhotocellReason.BRIGHT),
    ]


@pytest.mark.parametrize("lux", [15, 22, 30])
def test_between_the_levels_it_stays_what_it_is(lux: float) -> None:
    assert [state.on for state in story((0, 5), (200, lux), (400, 50), (600, lux))] == [True, True, False, False]


@pytest.mark.parametrize("rests_on", [True, False])
def test_before_anything_decides_it_is_at_rest(*, rests_on: bool) -> None:
    rule = PhotocellRule(on_below_lux=15, off_above_lux=30, hold_s=120, rests_on=rests_on)
    (state,) = story((0, 20), rule=rule)
    assert (state.on, state.reason) == (rests_on, PhotocellReason.AT_REST)


def test_two_switches_are_hold_s_apart() -> None:
    assert [state.on for state in story((0, 5), (60, 50), (119, 50), (120, 50))] == [True, True, True, False]


def test_a_lost_look_changes_nothing_and_three_in_a_row_put_it_at_rest() -> None:
    states = story((0, 50), (200, None), (210, None), (220, None))
    assert [state.on for state in states] == [False, False, False, True]
    assert states[-1].reason is PhotocellReason.BLIND


def test_looks_are_lost_in_a_row_or_not_at_all() -> None:
    states = story((0, 50), (200, None), (210, None), (220, 50), (230, None), (240, None))
    assert not any(state.on for state in states)


def test_what_is_seen_again_decides_again() -> None:
    states = story((0, 50), (200, None), (210, None), (220, None), (400, 50))
    assert (states[-1].on, states[-1].reason) == (False, PhotocellReason.BRIGHT)
