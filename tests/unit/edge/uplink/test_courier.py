"""The courier between lanes, outbox and connections: what it knows of its home hub, and how it draws its timers."""

from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.clock import EARLIEST, Moment
from edge.outbox import Draft, Outbox, open_outbox
from edge.uplink.courier import Courier
from protocols.ack import Ack
from protocols.codec import decode_ack, encode_record
from protocols.envelope import ClockState
from protocols.events import Event
from protocols.lanes import Lane
from protocols.topics import Channel
from tests.fakes.lane_hub import LaneHub

EPOCH = "e" * 16
START_MS = 1_000_000


def at(at_ms: int) -> Moment:
    return Moment(EARLIEST + timedelta(milliseconds=at_ms), at_ms, ClockState.SYNCED)


@pytest.fixture
def outbox(tmp_path: Path) -> Generator[Outbox]:
    opened = open_outbox(tmp_path, boot="b" * 16, machine="pi", new_epoch=lambda: EPOCH)
    yield opened.outbox
    opened.close(in_order=True)


def a_courier(
    outbox: Outbox, *, home: str | None, draw: Callable[[], float] = lambda: 0.5, sent: list[Channel] | None = None
) -> Courier:
    def publish(channel: Channel, payload: bytes) -> bool:
        if sent is not None:
            sent.append(channel)
        return True

    return Courier(
        outbox, publish=publish, lit=lambda receipt, at_home, moment: None, draw=draw, machine="pi", home=home
    )


def an_ack(hub: LaneHub, lane: Lane) -> Ack:
    answer = decode_ack(hub.ack(lane, EPOCH, at_ms=0, uptime_ms=START_MS)[1])
    assert isinstance(answer, Ack)
    return answer


def test_a_configured_home_is_home_whoever_answers_first(outbox: Outbox) -> None:
    courier = a_courier(outbox, home="hub-a")
    courier.connected((Lane.EVENT,), at(START_MS))
    courier.answered(Lane.EVENT, an_ack(LaneHub("hub-b"), Lane.EVENT), at(START_MS))
    assert courier.home == "hub-a"
    assert not courier.lanes[Lane.EVENT].flowing
    courier.answered(Lane.EVENT, an_ack(LaneHub("hub-a"), Lane.EVENT), at(START_MS))
    assert courier.lanes[Lane.EVENT].flowing


def test_the_first_hub_to_answer_is_home_after_a_restart_too(outbox: Outbox) -> None:
    courier = a_courier(outbox, home=None)
    courier.connected((Lane.EVENT,), at(START_MS))
    courier.answered(Lane.EVENT, an_ack(LaneHub("hub-b"), Lane.EVENT), at(START_MS))
    assert [state.home for state in courier.lanes.values()] == ["hub-b"] * 3
    assert a_courier(outbox, home=None).home == "hub-b"


@pytest.mark.parametrize(("drawn", "waits_ms"), [(0.0, 3_000), (0.5, 4_000), (1.0, 5_000)])
def test_resend_timers_are_stretched_by_up_to_a_quarter_either_way(outbox: Outbox, drawn: float, waits_ms: int) -> None:
    sent: list[Channel] = []
    courier = a_courier(outbox, home="hub-a", draw=lambda: drawn, sent=sent)
    courier.connected((Lane.EVENT,), at(START_MS))
    courier.answered(Lane.EVENT, an_ack(LaneHub("hub-a"), Lane.EVENT), at(START_MS))
    moved = Draft(lane=Lane.EVENT, body=encode_record(Event(device="d", event="moved", ref="r1")))
    outbox.append([moved], at=EARLIEST, uptime_ms=START_MS, synced=True, flowing=courier.flowing())
    courier.appended({Lane.EVENT}, at(START_MS))
    courier.tick(at(START_MS + 2_000))
    assert sent.count(Channel.EVENT) == 2
    assert courier.wake_ms() == START_MS + 2_000 + waits_ms
