from edge.uplink.memory_lane import MemoryCall, MemoryLane, answered, connected, due, hold, rows

EPOCH = "e" * 16


def a_call(ref: str, event: str = "sos_pressed") -> MemoryCall:
    return MemoryCall(ref=ref, event=event, body=b"{}", synced=True)


def held(*refs: str, at_ms: int = 0) -> MemoryLane:
    return hold(MemoryLane(), [a_call(ref) for ref in refs], epoch=EPOCH, at_ms=at_ms)


def test_what_is_held_is_due_at_once_then_after_half_a_second_then_every_two() -> None:
    lane, sent = held("a"), list[int]()
    for at_ms in range(0, 8_000, 100):
        lane, first = due(lane, at_ms=at_ms)
        if first is not None:
            sent.append(at_ms)
    assert sent == [0, 500, 1_500, 3_500, 5_500, 7_500]


def test_a_call_that_is_held_already_is_not_held_again_and_a_cancellation_of_it_is_another() -> None:
    lane = hold(held("a"), [a_call("a"), a_call("a", "sos_cancelled")], epoch="f" * 16, at_ms=9)
    assert [(row.first, row.last) for row in rows(lane, 1, boot="b")] == [(1, 1), (2, 2)]
    assert lane.epoch == EPOCH
    assert hold(lane, [a_call("a")], epoch=EPOCH, at_ms=99) == lane


def test_an_acknowledgement_of_its_epoch_ends_the_sending_and_one_of_another_does_not() -> None:
    lane = held("a", "b")
    other = answered(lane, epoch="0" * 16, high_water=2, refs=())
    assert due(other, at_ms=500)[1] == 1
    one = answered(lane, epoch=EPOCH, high_water=1, refs=())
    assert (one.has_sent("a"), one.has_sent("b"), due(one, at_ms=500)[1]) == (True, False, 2)
    assert answered(one, epoch=EPOCH, high_water=2, refs=()).due_ms is None


def test_any_hub_that_lists_a_call_has_it_but_its_list_says_nothing_of_a_cancellation() -> None:
    lane = hold(held("a"), [a_call("a", "sos_cancelled")], epoch=EPOCH, at_ms=0)
    lane = answered(lane, epoch="0" * 16, high_water=0, refs={"a"})
    assert not lane.has_sent("a")
    assert due(lane, at_ms=500)[1] == 2


def test_a_new_connection_sends_at_once_what_is_owed_and_nothing_else() -> None:
    lane, _ = due(held("a"), at_ms=0)
    assert connected(lane, at_ms=100).due_ms == 100
    assert connected(MemoryLane(), at_ms=100).due_ms is None


def test_of_what_is_not_held_nothing_was_sent() -> None:
    assert not MemoryLane().has_sent("a")
