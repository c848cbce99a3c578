"""From a press to a webhook that was called, on real databases and sockets."""

import json
import threading
from collections.abc import Callable

from standardwebhooks import Webhook as StandardReceiver

from hub.alerts import service as alerts
from hub.alerts.ports import AlertQuery
from hub.notification.outbox import NotificationState, Outcome
from tests.integration.notification.conftest import Loop, Receiver

Receivers = Callable[[], Receiver]
QUICK_MS = 4_000
"""Sooner than a hanging receiver is given up (5 s), also on a machine that is busy with other things."""


def steps(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for body, _ in receiver.requests]


def test_a_press_is_posted_signed_and_its_wearer_is_told(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    hook = loop.hook(receiver, "alert.fired")
    loop.press()
    loop.until(lambda: any(one.row.target == hook.id for one in loop.attempts))
    ((body, headers),) = receiver.requests
    message = StandardReceiver(hook.secret).verify(body, headers)
    assert message["data"]["fault_code"] == "sosPressed"
    assert message["data"]["text"]["zh"] == "demo.band-07按下了 SOS，请立即回应"
    assert message["data"]["work_order"] is not None
    (posted,) = [one for one in loop.attempts if one.row.target == hook.id]
    assert posted.delivery.outcome is Outcome.DELIVERED
    loop.until(lambda: any(one.row.target == "console" for one in loop.attempts))
    assert all(one.delivery.arrived for one in loop.attempts)
    assert max(one.delay_ms for one in loop.attempts) < QUICK_MS
    loop.until(lambda: loop.stage() == "notified")
    assert loop.wearers_told == 1
    assert "NOTIFY alert.fired demo" in loop.console.getvalue()


def test_a_receiver_that_hangs_delays_no_other(loop: Loop, receivers: Receivers) -> None:
    hanging, quick = receivers(), receivers()
    hanging.hold.clear()
    slow_hook, quick_hook = loop.hook(hanging, "alert.fired", "alert.pressed_again"), loop.hook(quick)
    loop.press()
    loop.until(lambda: bool(hanging.requests))
    loop.press()
    loop.until(lambda: "alert.pressed_again" in steps(quick))
    assert not [one for one in loop.attempts if one.row.target == slow_hook.id]
    delays = [one.delay_ms for one in loop.attempts if one.row.target == quick_hook.id]
    assert max(delays) < QUICK_MS


def test_a_refused_sos_is_sent_again_under_the_same_id(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    receiver.status = 503
    hook = loop.hook(receiver, "alert.fired")
    loop.press()
    loop.until(lambda: len(receiver.requests) == 1)
    receiver.status = 200
    loop.until(lambda: len(receiver.requests) == 2)
    first, second = receiver.requests
    assert first[0] == second[0]
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert StandardReceiver(hook.secret).verify(*second)["type"] == "alert.fired"


def test_a_redirect_is_not_followed(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    receiver.status = 307
    hook = loop.hook(receiver, "alert.fired")
    loop.press()
    loop.until(lambda: any(one.row.target == hook.id for one in loop.attempts))
    (attempt,) = [one for one in loop.attempts if one.row.target == hook.id]
    assert (attempt.delivery.outcome, attempt.delivery.error) == (Outcome.RETRY, "HTTP 307")
    assert len(receiver.requests) == 1


def test_a_receiver_that_is_gone_is_disabled(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    receiver.status = 410
    hook = loop.hook(receiver)

    def disabled() -> bool:
        with loop.transactions.read() as unit:
            found = unit.webhooks.get(hook.id)
            return found is not None and found.disabled_at_ms is not None

    loop.press()
    loop.until(disabled)
    loop.press()
    loop.until(lambda: "pressed_again" in {one.row.step for one in loop.attempts})
    assert len(receiver.requests) == 1


def test_acknowledging_ends_the_repeats(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    receiver.status = 503
    hook = loop.hook(receiver, "alert.fired")
    loop.press()
    loop.until(lambda: any(one.row.target == hook.id for one in loop.attempts))
    with loop.transactions.begin() as unit:
        (alert,) = unit.alerts.find(AlertQuery())
        _, events = alerts.acknowledge(unit.alerts, alert.id, person="01JLI", at_ms=loop.now_ms())
        unit.emit(*events)
    with loop.transactions.read() as unit:
        (attempt,) = [one for one in loop.attempts if one.row.target == hook.id]
        row = unit.notifications.get(attempt.row.id)
    assert row is not None
    assert row.state is NotificationState.CANCELLED
    assert loop.stage() == "heard"


def test_what_was_written_before_a_crash_is_sent_after_it(loop: Loop, receivers: Receivers) -> None:
    loop.dispatcher.stop()
    receiver = receivers()
    loop.hook(receiver, "alert.fired")
    loop.press()
    assert not receiver.requests
    loop.dispatcher = loop.new_dispatcher()
    loop.dispatcher.start()
    loop.until(lambda: steps(receiver) == ["alert.fired"])


def test_two_dispatchers_on_one_database_send_each_message_once(loop: Loop, receivers: Receivers) -> None:
    receiver = receivers()
    loop.hook(receiver, "alert.fired", "alert.pressed_again")
    other = loop.new_dispatcher()
    loop.transactions.listen(other.hear)
    other.start()
    for _ in range(20):
        loop.press()
    loop.until(lambda: len(receiver.requests) >= 20)
    other.stop()
    ids = [headers["webhook-id"] for _, headers in receiver.requests]
    assert len(ids) == len(set(ids)) == 20


def test_no_thread_outlives_the_dispatcher(loop: Loop) -> None:
    loop.press()
    loop.until(lambda: bool(loop.attempts))
    loop.dispatcher.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("notify-")]
