"""Test presses of the watchdog in the outbox: a message that disturbs nobody, and how far it has come; pure.

Its row goes the way of an SOS: written in the transaction of the press, leased, sent and settled by the life-safety
lane. What the watchdog is told of it is the row itself.
"""

import json
from typing import Final

from hub.events import ProbeHeard
from hub.notification.outbox import Channel, Notification, NotificationState
from protocols.ack import SosReceipt, SosStage
from protocols.instant import format_ms

PROBE: Final = "probe"
"""The step of a test press's message."""


def probe_message(heard: ProbeHeard, *, notification_id: str, at_ms: int) -> Notification:
    """Return the row of a test press."""
    body = {"ref": heard.ref, "seq": heard.seq, "received_ms": heard.received_ms}
    return Notification(
        id=notification_id,
        site=heard.site,
        alert=None,
        work_order=None,
        step=PROBE,
        channel=Channel.SINK,
        target=heard.node,
        body=json.dumps(body),
        life_safety=True,
        created_at_ms=at_ms,
        next_attempt_ms=at_ms,
    )


def probe_receipt(row: Notification) -> SosReceipt:
    """Return how far a test press has come: *received*, and *notified* once the outbox has handled it."""
    said = json.loads(row.body)
    if row.state is NotificationState.SENT and row.sent_at_ms is not None:
        return SosReceipt(ref=said["ref"], seq=said["seq"], stage=SosStage.NOTIFIED, at=format_ms(row.sent_at_ms))
    return SosReceipt(ref=said["ref"], seq=said["seq"], stage=SosStage.RECEIVED, at=format_ms(said["received_ms"]))
