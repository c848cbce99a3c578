"""Rows ⇄ notifications; and the names they call things by."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, and_, bindparam, func, insert, or_, select, update

from hub.notification.outbox import Channel, Notification, NotificationState
from hub.storage.sql.tables import crews, facilities, nodes, notifications, sites
from hub.vocabulary import Subject

_PENDING: Final = NotificationState.PENDING.value
_LEASED: Final = NotificationState.LEASED.value

# Statements of the hot path are built once: building costs more than running them.
_ADD: Final = insert(notifications)
_GET: Final = select(notifications).where(notifications.c.id == bindparam("row_id"))
_SAVE: Final = update(notifications).where(
    notifications.c.id == bindparam("row_id"),
    notifications.c.state == bindparam("was"),
    notifications.c.attempts == bindparam("tried"),
)
_NAMES: Final = {
    table: select(table.c.name).where(table.c.id == bindparam("named")) for table in (sites, facilities, nodes, crews)
}


class SqlNotifications:
    """The notification outbox in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def add(self, *rows: Notification) -> None:
        if rows:
            self._connection.execute(_ADD, [{"id": row.id, **_values(row)} for row in rows])

    def get(self, notification_id: str) -> Notification | None:
        row = self._connection.execute(_GET, {"row_id": notification_id}).one_or_none()
        return None if row is None else _notification(row)

    def due(self, *, life_safety: bool, at_ms: int, busy: Collection[str], limit: int) -> Sequence[Notification]:
        place = notifications.c.channel + ":" + notifications.c.target
        statement = (
            select(notifications)
            .where(
                notifications.c.life_safety.is_(life_safety),
                or_(
                    and_(notifications.c.state == _PENDING, notifications.c.next_attempt_ms <= at_ms),
                    and_(notifications.c.state == _LEASED, notifications.c.leased_until_ms <= at_ms),
                ),
            )
            .order_by(notifications.c.created_at_ms, notifications.c.id)
            .limit(limit)
        )
        if busy:
            statement = statement.where(place.not_in(busy))
        return [_notification(row) for row in self._connection.execute(statement)]

    def next_due_ms(self, *, life_safety: bool) -> int | None:
        def earliest(column: Column[int], state: str) -> int | None:
            return self._connection.execute(
                select(func.min(column)).where(
                    notifications.c.state == state, notifications.c.life_safety.is_(life_safety)
                )
            ).scalar()

        waits = (
            earliest(notifications.c.next_attempt_ms, _PENDING),
            earliest(notifications.c.leased_until_ms, _LEASED),
        )
        return min((wait for wait in waits if wait is not None), default=None)

    def save(self, row: Notification, *, was: NotificationState, attempts: int) -> bool:
        names = {"row_id": row.id, "was": was.value, "tried": attempts}
        changed = self._connection.execute(_SAVE, names | _values(row))
        return changed.rowcount == 1

    def cancel(self, *, alert: str | None = None, work_order: str | None = None, steps: Collection[str]) -> int:
        about = notifications.c.alert == alert if alert is not None else notifications.c.work_order == work_order
        changed = self._connection.execute(
            update(notifications)
            .where(about, notifications.c.step.in_(steps), notifications.c.state.in_([_PENDING, _LEASED]))
            .values(state=NotificationState.CANCELLED.value, next_attempt_ms=None, leased_until_ms=None)
        )
        return changed.rowcount

    def subject_name(self, subject: Subject) -> str:
        table, identifier = sites, subject.site
        if subject.facility is not None:
            table, identifier = facilities, subject.facility
        elif subject.node is not None:
            table, identifier = nodes, subject.node
        name = self._connection.execute(_NAMES[table], {"named": identifier}).scalar()
        return name or identifier

    def crew_name(self, crew: str) -> str:
        return self._connection.execute(_NAMES[crews], {"named": crew}).scalar() or crew


def _values(row: Notification) -> dict[str, Any]:
    return {
        "site": row.site,
        "alert": row.alert,
        "work_order": row.work_order,
        "step": row.step,
        "channel": row.channel.value,
        "target": row.target,
        "body": row.body,
        "life_safety": row.life_safety,
        "state": row.state.value,
        "attempts": row.attempts,
        "created_at_ms": row.created_at_ms,
        "next_attempt_ms": row.next_attempt_ms,
        "leased_until_ms": row.leased_until_ms,
        "sent_at_ms": row.sent_at_ms,
        "error": row.error,
    }


def _notification(row: Row[Any]) -> Notification:
    return Notification(
        id=row.id,
        site=row.site,
        alert=row.alert,
        work_order=row.work_order,
        step=row.step,
        channel=Channel(row.channel),
        target=row.target,
        body=row.body,
        life_safety=row.life_safety,
        state=NotificationState(row.state),
        attempts=row.attempts,
        created_at_ms=row.created_at_ms,
        next_attempt_ms=row.next_attempt_ms,
        leased_until_ms=row.leased_until_ms,
        sent_at_ms=row.sent_at_ms,
        error=row.error,
    )
