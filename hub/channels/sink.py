"""The channel of test presses: takes everything and disturbs nobody."""

from collections.abc import Sequence

from hub.notification.outbox import Delivery, Notification, Outcome
from hub.notification.ports import Target


class SinkSender:
    """Says that it was delivered: what is tried is the way to here."""

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        """Take the rows."""
        del target
        return [Delivery(Outcome.DELIVERED)] * len(rows)
