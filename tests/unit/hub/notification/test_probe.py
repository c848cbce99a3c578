from dataclasses import replace

from hub.events import ProbeHeard
from hub.notification.outbox import Channel, Delivery, Outcome, lease, settle
from hub.notification.probe import probe_message, probe_receipt
from protocols.ack import SosStage

HEARD = ProbeHeard("linli-watchdog", "probe", "9f2c4be07a1d3355:7", 7, received_ms=1_000)


def test_a_test_press_is_received_until_the_outbox_has_handled_its_message() -> None:
    row = probe_message(HEARD, notification_id="01J", at_ms=1_200)
    assert (row.channel, row.life_safety, row.alert, row.work_order) == (Channel.SINK, True, None, None)
    assert probe_receipt(row).stage is SosStage.RECEIVED
    held = lease(row, at_ms=1_300)
    assert held is not None
    assert probe_receipt(held).stage is SosStage.RECEIVED
    done = settle(held, Delivery(Outcome.DELIVERED), wanted=True, at_ms=1_400)
    receipt = probe_receipt(done)
    assert (receipt.ref, receipt.seq, receipt.stage) == (HEARD.ref, 7, SosStage.NOTIFIED)
    assert receipt.at == "1970-01-01T00:00:01.400Z"


def test_what_the_outbox_gave_up_is_never_shown_as_handled() -> None:
    row = probe_message(HEARD, notification_id="01J", at_ms=1_200)
    held = lease(row, at_ms=1_300)
    assert held is not None
    failed = settle(held, Delivery(Outcome.GONE, "no"), wanted=True, at_ms=1_400)
    assert probe_receipt(failed).stage is SosStage.RECEIVED
    assert probe_receipt(replace(failed, sent_at_ms=1_500)).stage is SosStage.RECEIVED
