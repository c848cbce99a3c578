"""What notifications ask of the state database and of the channels."""

from collections.abc import Collection, Sequence
from typing import Protocol

from hub.notification.outbox import Delivery, Notification, NotificationState
from hub.notification.person_channel import PersonChannel, Recipient
from hub.notification.receipts import NotificationQuery
from hub.notification.webhook import Webhook
from hub.vocabulary import Role, Subject

Target = Webhook | PersonChannel
"""Where a channel finds the address that a row only refers to."""


class NotificationRepository(Protocol):
    """The outbox: rows are written in the transaction of what they tell, and leased to be sent."""

    def add(self, *rows: Notification) -> None:
        """Write new rows."""
        ...

    def get(self, notification_id: str) -> Notification | None:
        """Return the row, or None."""
        ...

    def find(self, query: NotificationQuery) -> Sequence[Notification]:
        """Return the rows that are asked for, newest first."""
        ...

    def due(self, *, life_safety: bool, at_ms: int, busy: Collection[str], limit: int) -> Sequence[Notification]:
        """Return rows to be sent now, without those whose `place` is busy: oldest first, failing places last.

        Of those, the place whose latest retry was to be first comes first.
        """
        ...

    def failing(self, *, life_safety: bool) -> frozenset[str]:
        """Return the places to which something unsent failed before."""
        ...

    def waiting(self, *, after_ms: int) -> Sequence[Notification]:
        """Return what waits till after `after_ms`, but for a digest: for its retry, or for the end of its lease."""
        ...

    def next_due_ms(self, *, life_safety: bool, after_ms: int) -> int | None:
        """Return when the next row becomes due after `after_ms`, or None where none does."""
        ...

    def help_waits(self, target: str, *, at_ms: int) -> bool:
        """Tell whether something that asks for help waits to be sent to the target now."""
        ...

    def save(self, row: Notification, *, was: NotificationState, attempts: int) -> bool:
        """Store the row where the stored one is still in state `was` with so many attempts; tell whether it was."""
        ...

    def cancel(self, *, alert: str | None = None, work_order: str | None = None, steps: Collection[str]) -> int:
        """Cancel the unsent rows of these steps of an alert or of an order; return how many."""
        ...

    def subject_name(self, subject: Subject) -> str:
        """Return what people call the subject: the name of the facility, node or site, else its id."""
        ...

    def crew_name(self, crew: str) -> str:
        """Return what people call the crew, else its id."""
        ...


class ProbeRepository(Protocol):
    """The watchdog's test press."""

    def put(self, message: Notification) -> None:
        """Write the message of a test press in place of the one before."""
        ...


class WebhookRepository(Protocol):
    """The webhooks of the sites."""

    def get(self, webhook_id: str) -> Webhook | None:
        """Return the webhook, or None."""
        ...

    def enabled(self, site: str) -> Sequence[Webhook]:
        """Return those of the site that are not disabled."""
        ...

    def find(
        self, *, sites: frozenset[str] | None = None, before: str | None = None, limit: int = 50
    ) -> Sequence[Webhook]:
        """Return webhooks, newest first."""
        ...

    def add(self, webhook: Webhook) -> None:
        """Store a new webhook."""
        ...

    def save(self, webhook: Webhook) -> None:
        """Store the next version; raises `StaleVersionError` where the stored one is not the one before."""
        ...

    def remove(self, webhook_id: str) -> None:
        """Forget the webhook; its unsent messages are cancelled when they come up."""
        ...


class PersonChannelRepository(Protocol):
    """The channels of people, and the pace of their addresses."""

    def get(self, channel_id: str) -> PersonChannel | None:
        """Return the channel, or None."""
        ...

    def of_person(self, person: str) -> Sequence[PersonChannel]:
        """Return a person's channels, newest first."""
        ...

    def concerned(self, site: str, *, roles: tuple[Role, ...], crew: str | None) -> Sequence[Recipient]:
        """Return the enabled channels of those in service who hold a role for the site or are in the crew, by age."""
        ...

    def any(self) -> bool:
        """Tell whether anybody has a channel."""
        ...

    def add(self, channel: PersonChannel) -> None:
        """Store a new channel."""
        ...

    def save(self, channel: PersonChannel) -> None:
        """Store the next version; raises `StaleVersionError` where the stored one is not the one before."""
        ...

    def remove(self, channel_id: str) -> None:
        """Forget the channel; its unsent messages are cancelled when they come up."""
        ...

    def spent_until_ms(self, key: str) -> int:
        """Return when the bucket of an address is full again; 0 where nothing was taken yet."""
        ...

    def spend(self, key: str, *, was_ms: int, until_ms: int) -> bool:
        """Keep that a token was taken, where nobody took one since `was_ms` was read; tell whether it was kept."""
        ...


class Sender(Protocol):
    """A channel: takes what goes to one target now; may block for seconds, never raises for what the network does."""

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        """Send, and say what became of each row."""
        ...
