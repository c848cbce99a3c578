"""Rows ⇄ notifications; and the names they call things by."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    true,
    update,
)

from hub.notification.outbox import Channel, Notification, NotificationState, place_of
from hub.notification.receipts import NotificationQuery, ReceiptState
from hub.storage.sql.prepared import Prepared, insertion, one_of
from hub.storage.sql.tables import crews, facilities, nodes, notifications, sites
from hub.vocabulary import Subject

_PENDING: Final = NotificationState.PENDING.value
_LEASED: Final = NotificationState.LEASED.value
_UNSENT: Final = (_PENDING, _LEASED)
_ARRIVED: Final = notifications.c.state == NotificationState.SENT.value
_BY_RECEIPT: Final[dict[ReceiptState, ColumnElement[bool]]] = {
    ReceiptState.QUEUED: one_of(notifications.c.state, _UNSENT),
    ReceiptState.SENT: and_(_ARRIVED, notifications.c.delivered_at_ms.is_(None)),
    ReceiptState.DELIVERED: and_(_ARRIVED, notifications.c.delivered_at_ms.is_not(None)),
    ReceiptState.FAILED: notifications.c.state == NotificationState.FAILED.value,
    ReceiptState.CANCELLED: notifications.c.state == NotificationState.CANCELLED.value,
}

_ADD: Final = insertion(notifications)
_GET: Final = Prepared(select(notifications).where(notifications.c.id == bindparam("row_id")))
_SAVE: Final = Prepared(
    update(notifications).where(
        notifications.c.id == bindparam("row_id"),
        notifications.c.state == bindparam("was"),
        notifications.c.attempts == bindparam("tried"),
    ),
    columns=(
        "state",
        "attempts",
        "next_attempt_ms",
        "leased_until_ms",
        "sent_at_ms",
        "delivered_at_ms",
        "failed_at_ms",
        "error",
    ),
)
_FAILING: Final = (
    select(
        notifications.c.channel,
        notifications.c.target,
        func.max(func.coalesce(notifications.c.next_attempt_ms, notifications.c.leased_until_ms)).label("retry_ms"),
    )
    .where(
        notifications.c.life_safety == bindparam("for_life"),
        or_(
            and_(notifications.c.state == _PENDING, notifications.c.attempts > 0),
            and_(notifications.c.state == _LEASED, notifications.c.attempts > 1),
        ),
    )
    .group_by(notifications.c.channel, notifications.c.target)
)
"""The places to which something unsent failed before, and when the latest of it is to be tried again."""
_FAILING_PLACES: Final = Prepared(_FAILING)
_FAILING_OF_DUE: Final = _FAILING.subquery("failing")
_DUE_ROWS: Final = (
    select(notifications)
    .outerjoin(
        _FAILING_OF_DUE,
        and_(
            _FAILING_OF_DUE.c.channel == notifications.c.channel,
            _FAILING_OF_DUE.c.target == notifications.c.target,
        ),
    )
    .where(
        notifications.c.life_safety == bindparam("for_life"),
        or_(
            and_(notifications.c.state == _PENDING, notifications.c.next_attempt_ms <= bindparam("now_ms")),
            and_(notifications.c.state == _LEASED, notifications.c.leased_until_ms <= bindparam("now_ms")),
        ),
    )
    .order_by(func.coalesce(_FAILING_OF_DUE.c.retry_ms, 0), notifications.c.created_at_ms, notifications.c.id)
    .limit(bindparam("at_most"))
)
_DUE: Final = Prepared(_DUE_ROWS)
_DUE_ELSEWHERE: Final = _DUE_ROWS.where(
    (notifications.c.channel + ":" + notifications.c.target).not_in(bindparam("busy", expanding=True))
)

_WAITING: Final = Prepared(
    select(notifications)
    .where(
        or_(
            and_(
                notifications.c.state == _PENDING,
                notifications.c.next_attempt_ms > bindparam("after_ms"),
                or_(notifications.c.attempts > 0, notifications.c.life_safety == true()),
            ),
            and_(notifications.c.state == _LEASED, notifications.c.leased_until_ms > bindparam("after_ms")),
        )
    )
    .order_by(notifications.c.created_at_ms, notifications.c.id)
)


def _earliest(column: Column[int], state: str) -> ScalarSelect[Any]:
    return (
        select(func.min(column))
        .where(
            notifications.c.state == state,
            notifications.c.life_safety == bindparam("for_life"),
            column > bindparam("after_ms"),
        )
        .scalar_subquery()
    )


_NEXT_DUE: Final = Prepared(
    select(
        _earliest(notifications.c.next_attempt_ms, _PENDING).label("attempt_ms"),
        _earliest(notifications.c.leased_until_ms, _LEASED).label("lease_ms"),
    )
)
_HELP_WAITS: Final = Prepared(
    select(notifications.c.id)
    .where(
        notifications.c.state == _PENDING,
        notifications.c.next_attempt_ms <= bindparam("now_ms"),
        notifications.c.life_safety == true(),
        notifications.c.target == bindparam("of_target"),
    )
    .limit(1)
)


@cache
def _cancelling(about: str, steps: tuple[str, ...]) -> Prepared:
    """Return the statement that cancels what is unsent of these steps of what the column `about` names."""
    return Prepared(
        update(notifications)
        .where(
            notifications.c[about] == bindparam("of"),
            one_of(notifications.c.step, steps),
            one_of(notifications.c.state, _UNSENT),
        )
        .values(state=NotificationState.CANCELLED.value, next_attempt_ms=None, leased_until_ms=None)
    )


_NAMES: Final = {
    table: Prepared(select(table.c.name).where(table.c.id == bindparam("named")))
    for table in (sites, facilities, nodes, crews)
}


class SqlNotifications:
    """The notification outbox in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def add(self, *rows: Notification) -> None:
        if rows:
            _ADD.write_many(self._connection, [_values(row) for row in rows])

    def get(self, notification_id: str) -> Notification | None:
        row = _GET.first(self._connection, {"row_id": notification_id})
        return None if row is None else read_notification(row)

    def find(self, query: NotificationQuery) -> Sequence[Notification]:
        told = notifications.c.channel != Channel.SINK.value
        statement = select(notifications).where(told).order_by(notifications.c.id.desc()).limit(query.limit)
        if query.sites is not None:
            seen = notifications.c.site.in_(query.sites)
            own = false() if query.own is None else notifications.c.person == query.own
            statement = statement.where(or_(seen, own))
        for column, wanted in (
            (notifications.c.site, query.site),
            (notifications.c.alert, query.alert),
            (notifications.c.work_order, query.work_order),
            (notifications.c.person, query.person),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        if query.state is not None:
            statement = statement.where(_BY_RECEIPT[query.state])
        if query.before is not None:
            statement = statement.where(notifications.c.id < query.before)
        return [read_notification(row) for row in self._connection.execute(statement)]

    def due(self, *, life_safety: bool, at_ms: int, busy: Collection[str], limit: int) -> Sequence[Notification]:
        names = {"for_life": life_safety, "now_ms": at_ms, "at_most": limit}
        if busy:
            rows = self._connection.execute(_DUE_ELSEWHERE, {**names, "busy": list(busy)}).all()
        else:
            rows = _DUE.all(self._connection, names)
        return [read_notification(row) for row in rows]

    def failing(self, *, life_safety: bool) -> frozenset[str]:
        rows = _FAILING_PLACES.all(self._connection, {"for_life": life_safety})
        return frozenset(place_of(row.channel, row.target) for row in rows)

    def waiting(self, *, after_ms: int) -> Sequence[Notification]:
        return [read_notification(row) for row in _WAITING.all(self._connection, {"after_ms": after_ms})]

    def next_due_ms(self, *, life_safety: bool, after_ms: int) -> int | None:
        waits = _NEXT_DUE.first(self._connection, {"for_life": life_safety, "after_ms": after_ms}) or ()
        return min((wait for wait in waits if wait is not None), default=None)

    def help_waits(self, target: str, *, at_ms: int) -> bool:
        return _HELP_WAITS.first(self._connection, {"now_ms": at_ms, "of_target": target}) is not None

    def save(self, row: Notification, *, was: NotificationState, attempts: int) -> bool:
        names = {"row_id": row.id, "was": was.value, "tried": attempts}
        return _SAVE.write(self._connection, names | _values(row)) == 1

    def cancel(self, *, alert: str | None = None, work_order: str | None = None, steps: Collection[str]) -> int:
        about, of = ("alert", alert) if alert is not None else ("work_order", work_order)
        return _cancelling(about, tuple(steps)).write(self._connection, {"of": of})

    def subject_name(self, subject: Subject) -> str:
        table, identifier = sites, subject.site
        if subject.facility is not None:
            table, identifier = facilities, subject.facility
        elif subject.node is not None:
            table, identifier = nodes, subject.node
        return _NAMES[table].scalar(self._connection, {"named": identifier}) or identifier

    def crew_name(self, crew: str) -> str:
        return _NAMES[crews].scalar(self._connection, {"named": crew}) or crew


def read_notification(row: Any) -> Notification:
    """Return a row of the table as what it stands for."""
    return Notification(
        id=row.id,
        site=row.site,
        alert=row.alert,
        work_order=row.work_order,
        step=row.step,
        channel=Channel(row.channel),
        target=row.target,
        person=row.person,
        body=row.body,
        life_safety=row.life_safety,
        state=NotificationState(row.state),
        attempts=row.attempts,
        created_at_ms=row.created_at_ms,
        due_at_ms=row.due_at_ms,
        next_attempt_ms=row.next_attempt_ms,
        leased_until_ms=row.leased_until_ms,
        sent_at_ms=row.sent_at_ms,
        delivered_at_ms=row.delivered_at_ms,
        failed_at_ms=row.failed_at_ms,
        error=row.error,
    )


def _values(row: Notification) -> dict[str, Any]:
    return {
        "id": row.id,
        "site": row.site,
        "alert": row.alert,
        "work_order": row.work_order,
        "step": row.step,
        "channel": row.channel.value,
        "target": row.target,
        "person": row.person,
        "body": row.body,
        "life_safety": row.life_safety,
        "state": row.state.value,
        "attempts": row.attempts,
        "created_at_ms": row.created_at_ms,
        "due_at_ms": row.due_at_ms,
        "next_attempt_ms": row.next_attempt_ms,
        "leased_until_ms": row.leased_until_ms,
        "sent_at_ms": row.sent_at_ms,
        "delivered_at_ms": row.delivered_at_ms,
        "failed_at_ms": row.failed_at_ms,
        "error": row.error,
    }
