"""Use cases of notifications: write the rows of a message, stop them, keep what became of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from hub.errors import ConflictError
from hub.notification import outbox
from hub.notification.audience import audience_of
from hub.notification.digest import leaves_ms, text_of, together, urgency
from hub.notification.messages import ALERT_ATTENTION, ORDER_ATTENTION, TEST, Message, body_of
from hub.notification.outbox import Channel, Delivery, Notification, NotificationState, Outcome
from hub.notification.pace import Taken, Wait, take
from hub.notification.person_channel import MOST_PER_PERSON, PersonChannel, Recipient, one_each
from hub.notification.ports import NotificationRepository, PersonChannelRepository, WebhookRepository
from hub.notification.texts import Texts
from hub.vocabulary import Subject
from protocols.instant import from_ms

CONSOLE: str = "console"
"""The only target of the console channel."""
HELP_FIRST_MS: Final = 1_000
"""How long a message stands back where something that asks for help waits for the same channel."""


def tell(
    notifications: NotificationRepository,
    webhooks: WebhookRepository,
    channels: PersonChannelRepository,
    message: Message,
    *,
    texts: Texts,
    new_id: Callable[[], str],
) -> None:
    """Write a row for the console, for each webhook of the site that wants this kind, for each channel concerned."""
    places = [(Channel.CONSOLE, CONSOLE)]
    places += [(Channel.WEBHOOK, hook.id) for hook in webhooks.enabled(message.site) if hook.wants(message.kind)]
    body = body_of(message, texts)
    rows = [
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
    ]
    audience = audience_of(message)
    recipients = one_each(channels.concerned(message.site, roles=audience.roles, crew=audience.crew))
    if recipients:
        place = notifications.subject_name(Subject(message.site))
        rows += [_row_to(recipient, message, place, texts=texts, new_id=new_id) for recipient in recipients]
    notifications.add(*rows)


def send_test(
    notifications: NotificationRepository,
    channel: PersonChannel,
    *,
    site: str,
    locale: str,
    texts: Texts,
    new_id: Callable[[], str],
    at_ms: int,
) -> Notification:
    """Write a message that goes to this channel alone; once its service has taken it, the channel is verified."""
    if channel.disabled_at_ms is not None:
        message = "the channel is disabled"
        raise ConflictError(message)
    text = texts.render("channel.test", {"channel": channel.name}, locale=locale)
    row = Notification(
        id=new_id(),
        site=site,
        alert=None,
        work_order=None,
        step=TEST,
        channel=Channel.APPRISE,
        target=channel.id,
        person=channel.person,
        body=text_of(text, locale=locale, place=channel.name, local=from_ms(at_ms)),
        life_safety=False,
        created_at_ms=at_ms,
        next_attempt_ms=at_ms,
    )
    notifications.add(row)
    return row


def add_channel(channels: PersonChannelRepository, channel: PersonChannel) -> PersonChannel:
    """Give a person one more channel; raises ConflictError where they have it already, or too many."""
    others = channels.of_person(channel.person)
    if any(other.key == channel.key for other in others):
        message = "the person has this channel already"
        raise ConflictError(message)
    if len(others) >= MOST_PER_PERSON:
        message = f"a person has at most {MOST_PER_PERSON} channels"
        raise ConflictError(message)
    channels.add(channel)
    return channel


def disable_all(channels: PersonChannelRepository, person: str, *, at_ms: int) -> None:
    """Reach somebody no more, who is retired: what waits for them is cancelled when it comes up."""
    for channel in channels.of_person(person):
        if channel.disabled_at_ms is None:
            channels.save(replace(channel, version=channel.version + 1, disabled_at_ms=at_ms))


def gather(
    notifications: NotificationRepository,
    channels: PersonChannelRepository,
    channel: PersonChannel,
    rows: Sequence[Notification],
    *,
    at_ms: int,
) -> list[Notification] | Wait:
    """Return those of a channel's due rows that leave now as one message, its token taken; else until when to wait.

    Where something asks for help meanwhile, the token is left to that.
    """
    if not rows[0].life_safety and notifications.help_waits(channel.id, at_ms=at_ms):
        return Wait(at_ms + HELP_FIRST_MS)
    leaving = together(rows, room_bytes=channel.service.room_bytes)
    was_ms = channels.spent_until_ms(channel.key)
    taken = take(channel.pace, was_ms, life_safety=rows[0].life_safety, at_ms=at_ms)
    if isinstance(taken, Wait):
        return taken
    return leaving if _spent(channels, channel, was_ms, taken) else Wait(at_ms + 1)


def verified(channels: PersonChannelRepository, channel_id: str, *, at_ms: int) -> None:
    """Keep when the service of a channel first took a test message."""
    channel = channels.get(channel_id)
    if channel is not None and channel.verified_at_ms is None:
        channels.save(replace(channel, version=channel.version + 1, verified_at_ms=at_ms))


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


def set_back(notifications: NotificationRepository, *, at_ms: int) -> int:
    """Have nothing wait longer than it ever does after the clock was set back to `at_ms`; return how many did."""
    changed = [
        (row, sooner)
        for row in notifications.waiting(after_ms=at_ms)
        if (sooner := outbox.set_back(row, at_ms=at_ms)) != row
    ]
    return sum(notifications.save(sooner, was=row.state, attempts=row.attempts) for row, sooner in changed)


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


def _row_to(
    recipient: Recipient, message: Message, place: str, *, texts: Texts, new_id: Callable[[], str]
) -> Notification:
    channel, zone = recipient.channel, ZoneInfo(recipient.time_zone)
    text = texts.render(message.text_key, message.params, locale=recipient.locale)
    how = urgency(step=message.step, life_safety=message.life_safety)
    leaves = leaves_ms(how, message.at_ms, digest_s=channel.digest_s, quiet=channel.quiet, zone=zone)
    return Notification(
        id=new_id(),
        site=message.site,
        alert=message.alert,
        work_order=message.work_order,
        step=message.step,
        channel=Channel.APPRISE,
        target=channel.id,
        person=channel.person,
        body=text_of(text, locale=recipient.locale, place=place, local=from_ms(message.at_ms).astimezone(zone)),
        life_safety=message.life_safety,
        created_at_ms=message.at_ms,
        due_at_ms=None if leaves == message.at_ms else leaves,
        next_attempt_ms=leaves,
    )


def _spent(channels: PersonChannelRepository, channel: PersonChannel, was_ms: int, taken: Taken) -> bool:
    return channels.spend(channel.key, was_ms=was_ms, until_ms=taken.spent_until_ms)
