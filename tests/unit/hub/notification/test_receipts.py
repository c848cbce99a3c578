from dataclasses import replace

import pytest

from hub.notification.outbox import Channel, Delivery, Notification, NotificationState, Outcome, cancel, lease, settle
from hub.notification.receipts import ReceiptState, present_notification, receipt_state

QUEUED = Notification(
    id="01JN",
    site="demo",
    alert="01JA",
    work_order=None,
    step="acknowledged",
    channel=Channel.APPRISE,
    target="01JC",
    person="01JLI",
    body='{"locale":"zh","site":"示范小区","text":"08:05 王奶奶"}',
    life_safety=False,
    created_at_ms=1_795_000_000_000,
    due_at_ms=1_795_000_800_000,
    next_attempt_ms=1_795_000_800_000,
)


def after(outcome: Outcome, *, wanted: bool = True) -> Notification:
    at_ms = QUEUED.wanted_at_ms
    held = lease(QUEUED, at_ms=at_ms)
    assert held is not None
    return settle(held, Delivery(outcome, "why"), wanted=wanted, at_ms=at_ms + 9)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (QUEUED, ReceiptState.QUEUED),
        (lease(QUEUED, at_ms=QUEUED.wanted_at_ms), ReceiptState.QUEUED),
        (after(Outcome.RETRY), ReceiptState.QUEUED),
        (after(Outcome.SENT), ReceiptState.SENT),
        (after(Outcome.DELIVERED), ReceiptState.DELIVERED),
        (after(Outcome.GONE), ReceiptState.FAILED),
        (cancel(QUEUED), ReceiptState.CANCELLED),
    ],
)
def test_a_receipt_says_how_far_a_message_has_come(row: Notification, state: ReceiptState) -> None:
    assert receipt_state(row) is state


def test_every_step_on_the_way_has_its_instant() -> None:
    delivered = present_notification(after(Outcome.DELIVERED))
    assert (delivered["queued_at"], delivered["due_at"]) == ("2026-11-18T11:06:40.000Z", "2026-11-18T11:20:00.000Z")
    assert delivered["sent_at"] == delivered["delivered_at"] == "2026-11-18T11:20:00.009Z"
    assert present_notification(after(Outcome.SENT))["delivered_at"] is None
    assert present_notification(after(Outcome.GONE))["failed_at"] == "2026-11-18T11:20:00.009Z"
    assert present_notification(QUEUED)["sent_at"] is None


def test_a_receipt_does_not_repeat_the_text() -> None:
    assert "王奶奶" not in str(present_notification(QUEUED))
    assert present_notification(QUEUED)["urgency"] == "news"


def test_what_was_to_leave_later_is_given_up_a_day_after_that() -> None:
    late = replace(QUEUED, due_at_ms=QUEUED.created_at_ms + 86_000_000, next_attempt_ms=0, attempts=20)
    held = lease(late, at_ms=QUEUED.created_at_ms + 86_400_000)
    assert held is not None
    tried = settle(held, Delivery(Outcome.RETRY), wanted=True, at_ms=QUEUED.created_at_ms + 86_400_000)
    assert tried.state is NotificationState.PENDING
