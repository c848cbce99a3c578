from edge.patience import SHORTEST_S, Patience, answered, asked, connected, gave_up


def test_patience_ends_when_the_first_question_is_unanswered_for_so_long() -> None:
    patience = asked(asked(Patience(), 10.0), 12.0)
    assert not patience.is_over(10.0 + SHORTEST_S - 0.1)
    assert patience.is_over(10.0 + SHORTEST_S)
    assert not Patience().is_over(1_000.0), "nothing was asked"


def test_any_answer_ends_the_wait_and_a_new_connection_begins_without_one() -> None:
    patience = asked(Patience(), 10.0)
    assert not answered(patience, 11.0).is_over(100.0)
    assert not connected(patience).is_over(100.0)


def test_who_answers_slowly_is_given_more_time() -> None:
    patience = Patience()
    for took_s in (0.1, 0.1, 3.0):
        patience = answered(asked(patience, 100.0), 100.0 + took_s)
    assert patience.lasts_s == 12.0, "at once"
    patience = answered(asked(patience, 100.0), 100.1)
    assert patience.lasts_s > 10.0, "one quick answer is luck"
    for number in range(100, 130):
        patience = answered(asked(patience, 100.0 * number), 100.0 * number + 0.1)
    assert patience.lasts_s == SHORTEST_S


def test_patience_doubles_with_every_connection_that_brings_no_answer_until_one_does() -> None:
    patience, lasted = Patience(), list[float]()
    for _ in range(5):
        lasted.append(patience.lasts_s)
        patience = gave_up(asked(patience, 0.0))
    assert lasted == [SHORTEST_S, 2 * SHORTEST_S, 4 * SHORTEST_S, 8 * SHORTEST_S, 8 * SHORTEST_S]
    assert answered(patience, 0.0).lasts_s == SHORTEST_S, "it speaks without having been asked"
    assert answered(asked(patience, 0.0), 6.0).lasts_s == 24.0, "it speaks, slowly"
