from edge.drivers.hold import Held, HoldRule, HoldState, step, wake_s

RULE = HoldRule(hold_s=2.0, bounce_s=0.05)


def play(story: list[tuple[float, bool]]) -> list[float]:
    """Feed edges as the driver does: wake-ups between edges come when the decision asked for them."""
    state = HoldState()
    held: list[float] = []
    for at_s, active in story:
        wake = wake_s(RULE, state)
        if wake is not None and wake < at_s:
            state, effect = step(RULE, state, active=state.active, at_s=wake)
            held += [effect.at_s] if effect else []
        state, effect = step(RULE, state, active=active, at_s=at_s)
        held += [effect.at_s] if effect else []
    return held


def test_a_hold_of_two_seconds_counts_once_at_its_second_second() -> None:
    assert play([(10.0, True), (15.0, False)]) == [12.0]


def test_a_touch_counts_for_nothing() -> None:
    assert play([(10.0, True), (11.9, False), (20.0, False)]) == []


def test_touches_do_not_add_up() -> None:
    assert play([(10.0, True), (11.5, False), (12.0, True), (13.5, False)]) == []


def test_two_holds_count_twice() -> None:
    assert play([(10.0, True), (13.0, False), (20.0, True), (23.0, False)]) == [12.0, 22.0]


def test_bounce_inside_a_hold_does_not_end_it() -> None:
    assert play([(10.0, True), (10.01, False), (10.02, True), (11.0, False), (11.04, True), (13.0, False)]) == [12.0]


def test_bounce_after_a_hold_does_not_count_again() -> None:
    assert play([(10.0, True), (13.0, False), (13.01, True), (13.02, False), (30.0, False)]) == [12.0]


def test_a_release_longer_than_the_bounce_begins_a_new_press() -> None:
    assert play([(10.0, True), (11.0, False), (11.06, True), (14.0, False)]) == [13.06]


def test_the_hold_counts_when_only_its_end_is_seen() -> None:
    """The wake-up came late: the release edge arrives first and tells that the hold had been long enough."""
    state, _ = step(RULE, HoldState(), active=True, at_s=10.0)
    _, held = step(RULE, state, active=False, at_s=12.5)
    assert held == Held(12.0)


def test_a_button_that_is_down_at_the_start_counts_only_after_a_release() -> None:
    assert play([(100.0, False), (101.0, True), (104.0, False)]) == [103.0]


def test_nothing_is_awaited_while_the_button_is_up() -> None:
    assert wake_s(RULE, HoldState()) is None
