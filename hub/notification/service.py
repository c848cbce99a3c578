"""Use cases of notifications: write the rows of a message, stop them, keep what became of them."""

from collections.abc import Callable
from dataclasses import replace

from hub.notification import outbox
from hub.notification.messages import ALERT_ATTENTION, ORDER_ATTENTION, Message, body_of
from hub.notification.outbox import Channel, Delivery, Notification, NotificationState, Outcome
from hub.notification.ports import NotificationRepository, WebhookRepository
from hub.notification.texts import Texts

CONSOLE: str = "console"
"""The only target of the console channel."""


def tell(
    notifications: NotificationRepository,
    webhooks: WebhookRepository,
    message: Message,
    *,
    texts: Texts,
    new_id: Callable[[], str],
) -> None:
    """Write a row for the console and one for each webhook of the site that wants this kind."""
    places = [(Channel.CONSOLE, CONSOLE)]
    places += [(Channel.WEBHOOK, hook.id) for hook in webhooks.enabled(message.site) if hook.wants(message.kind)]
    body = body_of(message, texts)
    notifications.add(
        *(
            Notification(
                id=new_id(),
                site=message.site,
                alert=message.alert,
                work_order=message.work_order,
                step=message.step,
                channel=channel,
                target=target,
                body=body,
                life_safety=message.life_safety,
                created_at_ms=message.at_ms,
                next_attempt_ms=message.at_ms,
            )
            for channel, target in places
        )
    )


def hush_alert(notifications: NotificationRepository, alert: str) -> int:
    """Stop what asks for somebody on behalf of the alert: one has taken it, or it is over."""
    return notifications.cancel(alert=alert, steps=ALERT_ATTENTION)


def hush_order(notifications: NotificationRepository, work_order: str) -> int:
    """Stop what asks for a crew on behalf of the order."""
    return notifications.cancel(work_order=work_order, steps=ORDER_ATTENTION)


def lease(notifications: NotificationRepository, row: Notification, *, at_ms: int) -> Notification | None:
    """Claim a row for one attempt; None where another sender was faster, or it was cancelled."""
    leased = outbox.lease(row, at_ms=at_ms)
    if leased is None or not notifications.save(leased, was=row.state, attempts=row.attempts):
        return None
    return leased


def settle(
    notifications: NotificationRepository,
    webhooks: WebhookRepository,
    leased: Notification,
    delivery: Delivery,
    *,
    wanted: bool,
    at_ms: int,
) -> Notification | None:
    """Keep what became of an attempt; None where the row has gone another way meanwhile.

    A receiver that is gone is disabled.
    """
    if delivery.outcome is Outcome.GONE and leased.channel is Channel.WEBHOOK:
        hook = webhooks.get(leased.target)
        if hook is not None and hook.disabled_at_ms is None:
            webhooks.save(replace(hook, version=hook.version + 1, disabled_at_ms=at_ms))
    row = notifications.get(leased.id)
    if row is None or row.attempts != leased.attempts or row.state is NotificationState.SENT:
        return None
    settled = outbox.settle(row, delivery, wanted=wanted, at_ms=at_ms)
    return settled if notifications.save(settled, was=row.state, attempts=row.attempts) else None
