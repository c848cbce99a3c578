"""What is known of a message on its way: queued, sent, delivered, failed, or cancelled before it left."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hub.notification.digest import urgency_of
from hub.notification.outbox import Notification, NotificationState
from protocols.instant import format_known_ms, format_ms


class ReceiptState(StrEnum):
    """How far a message has come."""

    QUEUED = "queued"
    SENT = "sent"
    """Its channel took it; whether it reached its receiver, the channel cannot know."""
    DELIVERED = "delivered"
    """The receiver itself said that it has it: a webhook answered 2xx."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Nobody needed it any more before it left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationQuery:
    """Which notifications are wanted, newest first; those of the sites, and those to the person `own`."""

    sites: frozenset[str] | None = None
    """None: of every site."""
    own: str | None = None
    site: str | None = None
    alert: str | None = None
    work_order: str | None = None
    person: str | None = None
    state: ReceiptState | None = None
    before: str | None = None
    limit: int = 50


def receipt_state(row: Notification) -> ReceiptState:
    """Return how far a row has come."""
    match row.state:
        case NotificationState.PENDING | NotificationState.LEASED:
            return ReceiptState.QUEUED
        case NotificationState.SENT:
            return ReceiptState.SENT if row.delivered_at_ms is None else ReceiptState.DELIVERED
        case NotificationState.FAILED:
            return ReceiptState.FAILED
        case NotificationState.CANCELLED:
            return ReceiptState.CANCELLED


def present_notification(row: Notification) -> dict[str, Any]:
    """Return the REST item; the text itself is not in it, for it tells of people."""
    return {
        "id": row.id,
        "site": row.site,
        "alert": row.alert,
        "work_order": row.work_order,
        "step": row.step,
        "urgency": urgency_of(row).value,
        "channel": row.channel.value,
        "target": row.target,
        "person": row.person,
        "state": receipt_state(row).value,
        "attempts": row.attempts,
        "queued_at": format_ms(row.created_at_ms),
        "due_at": format_known_ms(row.due_at_ms),
        "sent_at": format_known_ms(row.sent_at_ms),
        "delivered_at": format_known_ms(row.delivered_at_ms),
        "failed_at": format_known_ms(row.failed_at_ms),
        "error": row.error,
    }
