"""From a press to the phones of those concerned: the real dispatcher, real databases, apprise's json:// on loopback."""

import json
from collections.abc import Callable
from dataclasses import replace

from hub.alerts import service as alerts
from hub.alerts.ports import AlertQuery
from hub.notification import service as notification
from hub.notification.outbox import LEASE_S, NotificationState
from hub.notification.receipts import ReceiptState, receipt_state
from hub.notification.texts import shipped_texts
from hub.vocabulary import Role
from tests.integration.notification.conftest import Loop, Receiver

Receivers = Callable[[], Receiver]
QUICK_MS = 4_000
"""Sooner than any timeout: apprise waits 4 s for an answer, then the attempt has failed."""


def said(receiver: Receiver) -> list[str]:
    return [json.loads(body)["message"] for body, _ in receiver.requests]


def arrived(loop: Loop, target: str, step: str) -> bool:
    return any(one.row.target == target and one.row.step == step and one.delivery.arrived for one in loop.attempts)


def test_an_sos_reaches_every_channel_of_those_concerned_in_their_language(loop: Loop, receivers: Receivers) -> None:
    phone, group, ward = receivers(), receivers(), receivers()
    li = loop.person("li", Role.OPERATOR)
    chen = loop.person("chen", Role.CARER, locale="en")
    bystander = receivers()
    crew = loop.person("zhao", Role.CREW)
    channels = [loop.channel(li, phone), loop.channel(li, group), loop.channel(chen, ward)]
    loop.channel(crew, bystander)
    loop.press()
    loop.until(lambda: all(arrived(loop, channel.id, "fired") for channel in channels))
    assert said(phone)[0].endswith("demo.band-07按下了 SOS，请立即回应")
    assert said(group)[0] == said(phone)[0]
    assert said(ward)[0].endswith("demo.band-07 pressed SOS: answer now")
    assert json.loads(phone.requests[0][0])["title"] == "邻里 · 示范小区"
    assert not bystander.requests
    assert max(one.delay_ms for one in loop.attempts) < QUICK_MS
    assert {receipt_state(row) for row in loop.rows(channels[0].id)} == {ReceiptState.SENT}


def test_channels_that_hang_delay_no_other_and_are_tried_again(loop: Loop, receivers: Receivers) -> None:
    hanging = [receivers() for _ in range(8)]
    for receiver in hanging:
        receiver.hold.clear()
    quick = receivers()
    li = loop.person("li", Role.OPERATOR)
    slow = [loop.channel(li, receiver) for receiver in hanging]
    fast = loop.channel(li, quick)
    loop.raised("bin-1")
    loop.until(lambda: all(receiver.requests for receiver in hanging))
    loop.press()
    loop.until(lambda: arrived(loop, fast.id, "fired") and any("SOS" in one for one in said(quick)))
    (sos,) = [one for one in loop.attempts if one.row.target == fast.id and one.row.life_safety]
    assert sos.delay_ms < QUICK_MS
    loop.until(lambda: all(any("SOS" in one for one in said(receiver)) for receiver in hanging))
    for receiver in hanging:
        receiver.hold.set()
    loop.until(lambda: all(arrived(loop, channel.id, "fired") for channel in slow))


def test_a_burst_stays_within_the_pace_and_nothing_of_it_is_lost(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    li = loop.person("li", Role.OPERATOR)
    robot = loop.channel(li, receiver, per_minute=5)
    loop.raised(*(f"bin-{number}" for number in range(30)))
    with loop.transactions.read() as unit:
        assert len(unit.alerts.find(AlertQuery(limit=100))) == 30
    loop.until(lambda: arrived(loop, robot.id, "fired"))
    loop.press()
    loop.until(lambda: any(one.row.target == robot.id and one.row.life_safety for one in loop.attempts))
    assert any("SOS" in one for one in said(receiver))
    assert len(receiver.requests) <= robot.pace.burst
    waiting = [row for row in loop.rows(robot.id) if receipt_state(row) is ReceiptState.QUEUED]
    assert len(waiting) + len(receiver.requests) <= 31
    with loop.transactions.begin() as unit:  # the minute passes
        spent_ms = unit.person_channels.spent_until_ms(robot.key)
        assert unit.person_channels.spend(robot.key, was_ms=spent_ms, until_ms=loop.now_ms())
    loop.dispatcher.stop()
    loop.dispatcher = loop.new_dispatcher()
    loop.dispatcher.start()
    loop.until(lambda: all(row.state is NotificationState.SENT for row in loop.rows(robot.id)))
    text = "\n".join(said(receiver))
    assert all(f"demo.bin-{number}已满" in text for number in range(30))


def test_a_crash_forgets_no_token_and_no_message(loop: Loop, receivers: Receivers) -> None:
    loop.dispatcher.stop()
    receiver = receivers()
    li = loop.person("li", Role.OPERATOR)
    robot = loop.channel(li, receiver, per_minute=1)
    loop.raised("bin-1")
    with loop.transactions.begin() as unit:  # a dispatcher leases, takes the token, and dies
        at_ms = loop.now_ms() - LEASE_S * 1_000
        (row,) = [one for one in loop.rows(robot.id) if one.step == "fired"]
        early = replace(row, next_attempt_ms=at_ms)
        assert unit.notifications.save(early, was=row.state, attempts=0)
        leaving = notification.gather(unit.notifications, unit.person_channels, robot, [early], at_ms=loop.now_ms())
        assert leaving == [early]
        assert notification.lease(unit.notifications, early, at_ms=at_ms) is not None
    loop.dispatcher = loop.new_dispatcher()
    loop.dispatcher.start()
    loop.until(lambda: any(one.row.target == "console" for one in loop.attempts))
    loop.press()
    loop.until(lambda: any(one.row.step == "fired" and one.row.life_safety for one in loop.attempts))
    assert not receiver.requests, "its only token of this minute is gone"
    with loop.transactions.begin() as unit:
        spent_ms = unit.person_channels.spent_until_ms(robot.key)
        assert spent_ms > loop.now_ms()
        assert unit.person_channels.spend(robot.key, was_ms=spent_ms, until_ms=loop.now_ms())
    loop.dispatcher.stop()
    loop.dispatcher = loop.new_dispatcher()
    loop.dispatcher.start()
    loop.until(lambda: bool(receiver.requests))
    assert "SOS" in said(receiver)[0], "what asks for help is first"


def test_acknowledging_stops_what_waits_for_the_pace(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    li = loop.person("li", Role.OPERATOR)
    robot = loop.channel(li, receiver, per_minute=1)
    loop.raised("bin-1")
    loop.until(lambda: arrived(loop, robot.id, "fired"))
    loop.raised("bin-2")
    with loop.transactions.begin() as unit:
        newest = unit.alerts.find(AlertQuery())[0]
        _, events = alerts.acknowledge(unit.alerts, newest.id, person=li, at_ms=loop.now_ms())
        unit.emit(*events)
    states = {row.alert: row.state for row in loop.rows(robot.id) if row.step == "fired"}
    assert states[newest.id] is NotificationState.CANCELLED
    (news,) = [row for row in loop.rows(robot.id) if row.step == "acknowledged"]
    assert news.due_at_ms is not None
    assert news.due_at_ms > news.created_at_ms
    assert len(receiver.requests) == 1


def test_receipts_say_what_each_channel_can_know(loop: Loop, receivers: Receivers) -> None:
    li = loop.person("li", Role.OPERATOR)
    phone = loop.channel(li, receivers())
    broken = loop.channel(li, receivers(), url="unheardof://key")
    hook = loop.hook(receivers(), "alert.fired")
    loop.press()
    targets = (phone.id, broken.id, hook.id)
    loop.until(lambda: {one.row.target for one in loop.attempts if one.row.step == "fired"} >= set(targets))
    states = {target: receipt_state(loop.rows(target)[0]) for target in targets}
    assert states == {
        phone.id: ReceiptState.SENT,
        broken.id: ReceiptState.FAILED,
        hook.id: ReceiptState.DELIVERED,
    }
    assert loop.rows(broken.id)[0].error == "unheardof://**** is no address of a service"


def test_a_test_message_that_arrives_verifies_the_channel(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    li = loop.person("li", Role.OPERATOR)
    phone = loop.channel(li, receiver)
    with loop.transactions.begin() as unit:
        row = notification.send_test(
            unit.notifications,
            phone,
            site="demo",
            locale="zh",
            texts=shipped_texts(),
            new_id=unit.new_id,
            at_ms=loop.now_ms(),
        )
    loop.until(lambda: arrived(loop, phone.id, "test"))
    assert row.target == phone.id
    assert "收得到邻里的通知" in said(receiver)[0]
    with loop.transactions.read() as unit:
        found = unit.person_channels.get(phone.id)
    assert found is not None
    assert found.verified_at_ms is not None
