"""The second path on timelines: when it opens and closes, and who is told when."""

from edge.uplink.second_path import (
    Because,
    Close,
    Looked,
    Open,
    PathUp,
    Plan,
    SendCopies,
    SendText,
    TextRefused,
    TextTaken,
    Unsent,
    advance,
    start,
    wake_ms,
)

CALL = Unsent("band-07:1", 10_000)
WAITING = Looked((CALL,), next=2, all_done=False)
SENT = Looked((), next=2, all_done=False)
DONE = Looked((), next=2, all_done=True)


def test_it_opens_after_three_seconds_without_sent_and_says_why() -> None:
    state, effects = advance(start(Plan(has_broker=True)), WAITING, 12_999)
    assert (effects, wake_ms(state)) == ((), 13_000)
    state, _ = advance(state, PathUp(), 12_999)
    _, effects = advance(state, WAITING, 13_000)
    assert effects == (Open("band-07:1", Because.NOT_SENT), SendCopies())


def test_a_call_from_before_this_boot_has_waited_long_enough() -> None:
    seen = Looked((Unsent("band-07:1", None),), next=2, all_done=False)
    _, effects = advance(start(Plan(has_broker=True)), seen, 5)
    assert effects == (Open("band-07:1", Because.BEFORE_THIS_BOOT),)


def test_it_says_everything_again_ever_more_rarely_until_sent() -> None:
    state, _ = advance(start(Plan(has_broker=True)), PathUp(), 0)
    sends = []
    for at_ms in range(10_000, 20_000, 100):
        state, effects = advance(state, WAITING, at_ms)
        sends += [at_ms] * effects.count(SendCopies())
    assert sends == [13_000, 13_500, 14_500, 16_500, 18_500]
    state, effects = advance(state, SENT, 20_500)
    assert effects == ()


def test_a_new_record_goes_at_once_and_all_is_over_when_the_first_path_has_it() -> None:
    state, _ = advance(start(Plan(has_broker=True)), PathUp(), 0)
    state, _ = advance(state, WAITING, 13_000)
    state, _ = advance(state, SENT, 13_100)
    state, effects = advance(state, Looked((), next=3, all_done=False), 13_200)
    assert effects == (SendCopies(),)
    state, effects = advance(state, Looked((), next=3, all_done=True), 14_000)
    assert effects == (Close(Because.ALL_DONE),)
    _, effects = advance(state, DONE, 15_000)
    assert effects == ()


def test_numbers_are_told_one_after_another_and_a_refused_one_waits_for_the_others() -> None:
    state = start(Plan(has_broker=False, numbers=("110", "120")))
    state, effects = advance(state, WAITING, 13_000)
    assert effects == (SendText("band-07:1", "110", Because.NOT_SENT),)
    assert advance(state, WAITING, 13_100)[1] == (), "one modem, one text"
    state, _ = advance(state, TextRefused("band-07:1", "110"), 14_000)
    state, effects = advance(state, WAITING, 14_000)
    assert effects == (SendText("band-07:1", "120", Because.NOT_SENT),)
    state, _ = advance(state, TextTaken("band-07:1", "120"), 15_000)
    assert advance(state, WAITING, 18_999)[1] == ()
    assert wake_ms(state) == 19_000
    state, effects = advance(state, WAITING, 19_000)
    assert effects == (SendText("band-07:1", "110", Because.NOT_SENT),)


def test_what_went_out_before_a_restart_does_not_go_again() -> None:
    state = start(Plan(has_broker=False, numbers=("110",)), taken=frozenset({("band-07:1", "110")}))
    state, effects = advance(state, WAITING, 60_000)
    assert (effects, wake_ms(state)) == ((), None)


def test_a_ref_that_comes_back_after_its_end_is_told_of_anew() -> None:
    state = start(Plan(has_broker=False, numbers=("110",)), taken=frozenset({("band-07:1", "110")}))
    state, _ = advance(state, DONE, 60_000)
    _, effects = advance(state, Looked((Unsent("band-07:1", 100_000),), next=3, all_done=False), 103_000)
    assert effects == (SendText("band-07:1", "110", Because.NOT_SENT),)
