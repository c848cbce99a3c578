"""Rows ⇄ the watchdog's test presses: its last one alone is kept, as its message in the outbox."""

from typing import Final

from sqlalchemy import Connection, delete, select

from hub.notification.outbox import Channel, Notification
from hub.notification.probe import probe_receipt
from hub.storage.sql.notifications import SqlNotifications, read_notification
from hub.storage.sql.prepared import Prepared
from hub.storage.sql.tables import notifications
from hub.vocabulary import PROBE_SITE
from protocols.ack import SosReceipt

_THEIRS: Final = (notifications.c.site == PROBE_SITE) & (notifications.c.channel == Channel.SINK.value)
_FORGET: Final = Prepared(delete(notifications).where(_THEIRS))
_LAST: Final = Prepared(select(notifications).where(_THEIRS))


class SqlProbes:
    """The watchdog's test press in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def put(self, message: Notification) -> None:
        """Write the message of a test press in place of the one before, of which nothing is kept."""
        _FORGET.write(self._connection, {})
        SqlNotifications(self._connection).add(message)

    def receipts(self) -> list[SosReceipt]:
        """Return how far the last one has come."""
        return [probe_receipt(read_notification(row)) for row in _LAST.all(self._connection, {})]
