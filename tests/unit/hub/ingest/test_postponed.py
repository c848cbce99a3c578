from typing import Final

from hub.ingest.postponed import TAKEN_BYTES, TAKEN_MESSAGES, Postponed
from hub.ingest.sources import Incoming

PI_1: Final = ("demo", "pi-1")
PI_2: Final = ("demo", "pi-2")


def a_message(number: int, size: int = 0) -> Incoming:
    return Incoming("linli/v1/demo/pi-1/up/telemetry", b"x" * size, number)


def numbers(taken: list[Incoming]) -> list[int]:
    return [message.received_ms for message in taken]


def test_each_nodes_messages_keep_their_order_and_the_nodes_take_turns() -> None:
    postponed = Postponed()
    for number in range(3):
        assert postponed.put(PI_1, a_message(number))
    assert postponed.put(PI_2, a_message(10))
    assert len(postponed) == 4
    assert numbers(postponed.take()) == [0, 10, 1, 2]
    assert not postponed
    assert postponed.take() == []


def test_a_node_waits_as_long_as_one_of_its_messages_does() -> None:
    postponed = Postponed()
    assert PI_1 not in postponed
    for number in range(TAKEN_MESSAGES + 1):
        postponed.put(PI_1, a_message(number))
    assert numbers(postponed.take()) == list(range(TAKEN_MESSAGES))
    assert PI_1 in postponed
    assert PI_2 not in postponed
    assert numbers(postponed.take()) == [TAKEN_MESSAGES]
    assert PI_1 not in postponed


def test_large_messages_are_taken_one_at_a_time() -> None:
    postponed = Postponed()
    for number in range(2):
        postponed.put(PI_1, a_message(number, size=TAKEN_BYTES))
    assert numbers(postponed.take()) == [0]
    assert numbers(postponed.take()) == [1]


def test_there_is_room_for_so_many_messages_and_bytes_and_for_more_when_some_were_taken() -> None:
    postponed = Postponed(most_messages=3, most_bytes=100)
    assert postponed.put(PI_1, a_message(1, size=60))
    assert not postponed.put(PI_1, a_message(2, size=60))
    assert postponed.put(PI_1, a_message(3, size=40))
    assert postponed.put(PI_2, a_message(4))
    assert not postponed.put(PI_2, a_message(5))
    assert numbers(postponed.take()) == [1, 4, 3]
    assert postponed.put(PI_1, a_message(6, size=100))


def test_what_could_not_be_used_is_put_back_before_all_others() -> None:
    postponed = Postponed()
    for number, sender in ((1, PI_1), (2, PI_2), (3, PI_1)):
        postponed.put(sender, a_message(number))
    taken = postponed.take()
    assert numbers(taken) == [1, 2, 3]
    postponed.put(PI_2, a_message(4))
    for sender, message in reversed(list(zip((PI_1, PI_2, PI_1), taken, strict=True))):
        postponed.put_back(sender, message)
    assert len(postponed) == 4
    assert numbers(postponed.take()) == [1, 2, 3, 4]
