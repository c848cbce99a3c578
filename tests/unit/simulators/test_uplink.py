import hashlib
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from protocols.ack import Ack, Refusal
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.rejections import MessageReason
from simulators.timeline import Moment
from simulators.uplink import Identity, Outgoing, Uplink

EPOCH = "9f2c4be07a1d3355"
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def at(seconds: float) -> Moment:
    return Moment(seconds, START + timedelta(seconds=seconds), int(seconds * 1000))


def uplink(lane: Lane = Lane.TELEMETRY, **options: Any) -> Uplink:
    return Uplink(lane, Identity(EPOCH, "b81e63a0c2d94f17"), rng=Random(1), **options)


def filled(count: int, lane: Lane = Lane.TELEMETRY, **options: Any) -> Uplink:
    one = uplink(lane, **options)
    for number in range(count):
        one.append(Reading(device="bin-us", kind="fill_level", values={"fill_percent": number}))
    return one


def ack(hw: int, *, hello_s: float | None = None, epoch: str = EPOCH, hub_id: str = "hub-a", **more: Any) -> Ack:
    return Ack(
        schema_version=1,
        lane=Lane.TELEMETRY,
        epoch=epoch,
        hw=hw,
        hub_id=hub_id,
        hub_gen="g",
        hub_time="2026-11-21T08:00:00.000Z",
        uptime_ms=None if hello_s is None else int(hello_s * 1000),
        **more,
    )


def greeted(one: Uplink, *, at_s: float = 0.0, hw: int = 0) -> Uplink:
    one.connected(at(at_s))
    one.poll(at(at_s))
    one.acknowledged(ack(hw, hello_s=at_s), at(at_s))
    return one


def said(outgoing: list[Outgoing]) -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = []
    for one in outgoing:
        body = json.loads(one.payload)
        lines.append(
            (one.channel.value, body["next"] if one.channel.is_hello else (body["first"], len(body["records"])))
        )
    return lines


def records(outgoing: list[Outgoing]) -> list[Any]:
    return [record for one in outgoing if not one.channel.is_hello for record in json.loads(one.payload)["records"]]


def test_nothing_but_hello_is_said_until_it_is_answered() -> None:
    one = filled(3)
    one.connected(at(0))

    assert said(one.poll(at(0))) == [("up/hello/telemetry", 4)]
    assert one.poll(at(1)) == []
    one.acknowledged(ack(0, hello_s=0), at(1))
    assert said(one.poll(at(1))) == [("up/telemetry", (1, 3))]


def test_sos_does_not_wait_for_the_answer() -> None:
    one = filled(1, Lane.SOS)
    one.connected(at(0))

    assert said(one.poll(at(0))) == [("up/hello/sos", 2), ("up/sos", (1, 1))]


def test_an_unanswered_hello_is_repeated_after_2_s_doubling_to_30() -> None:
    one = uplink()
    one.connected(at(0))
    heard = [second for second in range(140) if one.poll(at(second))]

    assert heard == [0, 2, 6, 14, 30, 60, 90, 120]


def test_hello_comes_at_its_interval_and_at_the_one_the_hub_asks_for() -> None:
    one = greeted(uplink())
    assert next(second for second in range(1, 122) if one.poll(at(second))) == 60

    one.acknowledged(ack(0, hello_s=60, hello_interval_s=5), at(60))
    assert one.wake_s() == 65


def test_a_fast_node_clock_says_hello_by_its_own_minutes() -> None:
    assert greeted(uplink(clock_rate=60.0)).wake_s() == 1.0


def test_at_most_8_messages_are_unacknowledged() -> None:
    one = greeted(filled(100, batch=5))
    assert said(one.poll(at(0))) == [("up/telemetry", (first, 5)) for first in range(1, 41, 5)]

    one.acknowledged(ack(10), at(0.1))
    assert said(one.poll(at(0.1))) == [("up/telemetry", (41, 5)), ("up/telemetry", (46, 5))]


def test_what_is_not_acknowledged_in_2_s_is_sent_again_one_message_at_a_time() -> None:
    one = greeted(filled(20, batch=5))
    one.poll(at(0))

    assert one.poll(at(1.9)) == []
    assert said(one.poll(at(2.0))) == [("up/telemetry", (1, 5))]
    assert one.poll(at(3.0)) == []
    assert one.duplicates_sent == 5


def test_the_wait_doubles_to_30_s_and_progress_opens_the_window_again() -> None:
    one = greeted(filled(100, batch=5))
    sent = [tenth / 10 for tenth in range(2_000) if records(one.poll(at(tenth / 10)))]
    gaps = [later - earlier for earlier, later in pairwise(sent)]

    assert gaps[0] == pytest.approx(2, abs=0.2)
    assert gaps[1] == pytest.approx(4, abs=1.2)
    assert all(gap <= 30 * 1.25 + 0.2 for gap in gaps)
    assert gaps[-1] > 20
    opened: list[int] = []
    for hw in (5, 15, 35):
        one.acknowledged(ack(hw), at(200))
        opened.append(len(one.poll(at(200))))
    assert opened[1:] == [4, 8]


def test_sos_is_sent_again_after_half_a_second_and_never_waits_longer_than_2() -> None:
    one = filled(1, Lane.SOS)
    one.connected(at(0))
    sent = [tenth / 20 for tenth in range(600) if records(one.poll(at(tenth / 20)))]
    gaps = [later - earlier for earlier, later in pairwise(sent)]

    assert gaps[0] == pytest.approx(0.5, abs=0.06)
    assert max(gaps) <= 2 * 1.25 + 0.06


def test_an_ack_of_another_epoch_or_another_hub_moves_nothing() -> None:
    one = greeted(filled(5))
    one.poll(at(0))
    one.acknowledged(ack(5, epoch="0" * 16), at(0))
    one.acknowledged(ack(5, hub_id="hub-b"), at(0))

    assert one.pending == 5


def test_an_ack_beyond_what_was_ever_produced_moves_nothing() -> None:
    one = greeted(filled(5))
    one.acknowledged(ack(6), at(0))

    assert one.pending == 5


def test_a_lower_ack_rewinds_and_the_restored_hub_gets_its_history_again() -> None:
    one = greeted(filled(10))
    one.poll(at(0))
    one.acknowledged(ack(10), at(0))
    one.acknowledged(ack(4), at(1))

    assert [record["values"]["fill_percent"] for record in records(one.poll(at(1)))] == [4, 5, 6, 7, 8, 9]


def test_what_was_forgotten_after_its_acknowledgement_is_declared_lost_after_a_hello() -> None:
    one = greeted(filled(10, keep_done=3))
    one.poll(at(0))
    one.acknowledged(ack(10), at(0))
    one.acknowledged(ack(0), at(1))
    sent = one.poll(at(1))

    assert records(sent)[0] == {"gap": {"to": 7, "reason": "evicted"}}
    assert len(records(sent)) == 4


def test_a_gap_beyond_the_last_hello_waits_for_the_next_answer() -> None:
    one = greeted(uplink(memory=40))
    for number in range(41):
        one.append(Reading(device="bin-us", kind="fill_level", values={"fill_percent": number}))

    assert said(one.poll(at(1))) == [("up/hello/telemetry", 42)]
    one.acknowledged(ack(0, hello_s=1), at(1))
    sent = records(one.poll(at(1)))
    assert sent[0] == {"gap": {"to": 4, "reason": "evicted"}}
    assert len(sent) == 1 + 37


def test_events_and_sos_wait_however_many_they_are() -> None:
    for lane in (Lane.EVENT, Lane.SOS):
        one = greeted(filled(100, lane, memory=10))
        assert not [record for record in records(one.poll(at(1))) if "gap" in record]


def test_a_refused_message_is_split_and_what_is_refused_alone_becomes_a_gap() -> None:
    one = greeted(filled(3))

    def refuse(outgoing: Outgoing) -> None:
        digest = hashlib.sha256(outgoing.payload).hexdigest()
        one.refused(Refusal(lane=Lane.TELEMETRY, refused=MessageReason.MALFORMED_JSON, hash=digest))

    refuse(one.poll(at(0))[0])
    split = one.poll(at(0))
    assert said(split) == [("up/telemetry", (1, 1)), ("up/telemetry", (2, 1)), ("up/telemetry", (3, 1))]

    refuse(split[1])
    assert records(one.poll(at(0)))[1] == {"gap": {"to": 2, "reason": "refused"}}


def test_a_reconnect_says_hello_and_sends_again_from_the_high_water() -> None:
    one = greeted(filled(10, batch=5))
    one.poll(at(0))
    one.acknowledged(ack(5), at(0))
    one.disconnected()
    assert one.poll(at(1)) == []

    greeted(one, at_s=2, hw=5)
    assert said(one.poll(at(2))) == [("up/telemetry", (6, 5))]


def test_a_lane_is_settled_when_the_hub_knows_where_it_ends() -> None:
    one = greeted(filled(3))
    one.append(Reading(device="bin-us", kind="fill_level", values={"fill_percent": 9}))
    one.poll(at(0))
    one.acknowledged(ack(4), at(0))
    assert not one.settled

    one.greet(at(1))
    one.poll(at(1))
    one.acknowledged(ack(4, hello_s=1), at(1))
    assert one.settled


def test_records_that_carry_their_own_moment_never_share_a_message_with_another() -> None:
    one = uplink()
    for number, stamped in enumerate((at(10), at(10), at(70))):
        one.append(Reading(device="bin-us", kind="fill_level", values={"fill_percent": number}), stamped=stamped)
    greeted(one)
    sent = one.poll(at(1))

    assert [json.loads(message.payload)["now"]["uptime_ms"] for message in sent] == [10_000, 70_000]
    assert said(sent) == [("up/telemetry", (1, 2)), ("up/telemetry", (3, 1))]


def test_a_replay_may_have_more_on_its_way_than_an_edge() -> None:
    assert len(greeted(filled(100, batch=1)).poll(at(1))) == 8
    assert len(greeted(filled(100, batch=1, window=64)).poll(at(1))) == 64
