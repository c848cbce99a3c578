import pytest

from edge.drivers.switching import SwitchRule, SwitchState, compare, is_settled, step, wake_s

RULE = SwitchRule(max_on_s=60, settle_s=0.5)
FOR_EVER = SwitchRule(max_on_s=None, settle_s=0.5)


def after(*orders: tuple[float, bool], rule: SwitchRule = RULE) -> SwitchState:
    """The state after orders, each (at_s, wanted)."""
    state = SwitchState()
    for at_s, wanted in orders:
        state = step(rule, state, wanted=wanted, at_s=at_s)
    return state


def test_an_order_is_done_at_once() -> None:
    assert after((10, True)).on
    assert not after((10, True), (11, False)).on


def test_the_longest_on_time_ends_it_and_the_order_stays_spent() -> None:
    assert after((10, True), (69.9, True)).on
    spent = after((10, True), (70, True))
    assert (spent.on, spent.wanted) == (False, True)
    assert not step(RULE, spent, wanted=True, at_s=500).on


def test_a_repeated_order_does_not_make_it_longer() -> None:
    assert not after((10, True), (40, True), (70, True)).on


def test_off_and_on_again_is_a_new_order() -> None:
    assert after((10, True), (70, True), (71, False), (72, True)).on


def test_without_a_longest_on_time_it_stays_on() -> None:
    assert after((10, True), (1e6, True), rule=FOR_EVER).on
    assert wake_s(FOR_EVER, compare(after((10, True), rule=FOR_EVER), seen_on=True)) is None


def test_the_readback_is_looked_at_once_after_each_change() -> None:
    state = after((10, True))
    assert wake_s(RULE, state) == 10.5
    assert not is_settled(RULE, state, at_s=10.4)
    assert is_settled(RULE, state, at_s=10.5)
    looked = compare(state, seen_on=True)
    assert not is_settled(RULE, looked, at_s=11)
    assert wake_s(RULE, looked) == 70


def test_the_readback_is_looked_at_after_the_longest_on_time_as_well() -> None:
    state = step(RULE, compare(after((10, True)), seen_on=True), wanted=True, at_s=70)
    assert wake_s(RULE, state) == 70.5


@pytest.mark.parametrize("seen_on", [True, False])
def test_what_the_readback_says_stays_until_it_says_otherwise(*, seen_on: bool) -> None:
    state = compare(after((10, True)), seen_on=seen_on)
    assert state.contradicted is not seen_on
    assert step(RULE, state, wanted=True, at_s=20).contradicted is not seen_on


def test_a_switch_that_nobody_ordered_waits_for_nothing() -> None:
    assert wake_s(RULE, SwitchState()) is None
