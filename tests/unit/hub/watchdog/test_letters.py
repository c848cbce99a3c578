from hub.watchdog.letters import MOST_LETTERS, MOST_TRIES, Letters, due, resumed, settle, write

TWO = ("first", "second")


def a_letter(letters: Letters = (), *, text: str = "silent", at_ms: int = 0) -> Letters:
    return write(letters, title="title", text=text, addresses=TWO, at_ms=at_ms)


def test_a_letter_is_due_at_once_and_gone_when_everybody_took_it() -> None:
    letters = a_letter(at_ms=5)
    assert due(letters, at_ms=4) is None
    assert due(letters, at_ms=5) == letters[0]
    assert settle(letters, refused=(), at_ms=6) == ()


def test_who_refused_is_tried_again_later_and_nobody_else() -> None:
    letters = settle(a_letter(), refused=("second",), at_ms=100)
    assert letters[0].addresses == ("second",)
    assert due(letters, at_ms=2_099) is None
    assert due(letters, at_ms=2_100) is not None


def test_while_nobody_took_it_it_is_tried_for_ever() -> None:
    letters, at_ms = a_letter(), 0
    for _ in range(1_000):
        at_ms = letters[0].due_ms
        letters = settle(letters, refused=TWO, at_ms=at_ms)
    assert letters[0].due_ms - at_ms == 60_000


def test_an_address_that_never_takes_it_does_not_hold_up_the_next_for_ever() -> None:
    letters = a_letter(a_letter(text="begun"), text="over")
    for _ in range(MOST_TRIES):
        assert due(letters, at_ms=10**9) == letters[0]
        assert letters[0].text == "begun"
        letters = settle(letters, refused=("second",), at_ms=0)
    assert [letter.text for letter in letters] == ["over"]


def test_the_beginning_is_kept_and_memory_is_bounded_while_nobody_can_be_told() -> None:
    letters: Letters = ()
    for number in range(3 * MOST_LETTERS):
        letters = a_letter(letters, text=str(number))
    assert len(letters) == MOST_LETTERS
    assert (letters[0].text, letters[-1].text) == ("0", str(3 * MOST_LETTERS - 1))


def test_after_a_restart_letters_go_to_those_who_are_told_now() -> None:
    left = settle(a_letter(), refused=("second",), at_ms=0)
    assert resumed(left, addresses=TWO)[0].addresses == ("second",)
    assert resumed(left, addresses=("third",))[0].addresses == ("third",)
    assert resumed(left, addresses=TWO)[0].due_ms == 0
