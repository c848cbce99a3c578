"""The notification outbox in memory."""

from collections.abc import Collection, Sequence

from hub.notification import outbox
from hub.notification.outbox import Notification, NotificationState
from hub.notification.receipts import NotificationQuery, receipt_state
from hub.vocabulary import Subject


class MemoryNotifications:
    def __init__(self) -> None:
        self.rows: dict[str, Notification] = {}
        self.names: dict[str, str] = {}

    def add(self, *rows: Notification) -> None:
        self.rows |= {row.id: row for row in rows}

    def get(self, notification_id: str) -> Notification | None:
        return self.rows.get(notification_id)

    def find(self, query: NotificationQuery) -> Sequence[Notification]:
        found = [
            row
            for row in sorted(self.rows.values(), key=lambda row: row.id, reverse=True)
            if (query.sites is None or row.site in query.sites or (row.person is not None and row.person == query.own))
            and query.site in {None, row.site}
            and query.alert in {None, row.alert}
            and query.work_order in {None, row.work_order}
            and query.person in {None, row.person}
            and query.state in {None, receipt_state(row)}
            and (query.before is None or row.id < query.before)
        ]
        return found[: query.limit]

    def due(self, *, life_safety: bool, at_ms: int, busy: Collection[str], limit: int) -> Sequence[Notification]:
        found = [
            row
            for row in self.rows.values()
            if row.life_safety is life_safety and outbox.is_due(row, at_ms=at_ms) and row.place not in busy
        ]
        retries = self._retries_ms(life_safety=life_safety)
        return sorted(found, key=lambda row: (retries.get(row.place, 0), row.created_at_ms, row.id))[:limit]

    def failing(self, *, life_safety: bool) -> frozenset[str]:
        return frozenset(self._retries_ms(life_safety=life_safety))

    def _retries_ms(self, *, life_safety: bool) -> dict[str, int]:
        """Return when the latest of what failed before is to be tried again, by place."""
        found: dict[str, int] = {}
        for row in self.rows.values():
            unsent = row.state in {NotificationState.PENDING, NotificationState.LEASED}
            if row.life_safety is life_safety and unsent and row.failed_before:
                retry_ms = row.next_attempt_ms if row.next_attempt_ms is not None else row.leased_until_ms
                found[row.place] = max(found.get(row.place, 0), retry_ms or 0)
        return found

    def waiting(self, *, after_ms: int) -> Sequence[Notification]:
        found = [
            row
            for row in self.rows.values()
            if (
                row.state is NotificationState.PENDING
                and (row.next_attempt_ms or 0) > after_ms
                and (row.attempts > 0 or row.life_safety)
            )
            or (row.state is NotificationState.LEASED and (row.leased_until_ms or 0) > after_ms)
        ]
        return sorted(found, key=lambda row: (row.created_at_ms, row.id))

    def next_due_ms(self, *, life_safety: bool, after_ms: int) -> int | None:
        waits = [
            row.next_attempt_ms if row.state is NotificationState.PENDING else row.leased_until_ms
            for row in self.rows.values()
            if row.life_safety is life_safety
        ]
        return min((wait for wait in waits if wait is not None and wait > after_ms), default=None)

    def help_waits(self, target: str, *, at_ms: int) -> bool:
        due = self.due(life_safety=True, at_ms=at_ms, busy=(), limit=1_000)
        return any(row.target == target and row.state is NotificationState.PENDING for row in due)

    def save(self, row: Notification, *, was: NotificationState, attempts: int) -> bool:
        stored = self.rows[row.id]
        if stored.state is not was or stored.attempts != attempts:
            return False
        self.rows[row.id] = row
        return True

    def cancel(self, *, alert: str | None = None, work_order: str | None = None, steps: Collection[str]) -> int:
        about = [
            row
            for row in self.rows.values()
            if row.step in steps
            and (row.alert == alert if alert is not None else row.work_order == work_order)
            and row.state in {NotificationState.PENDING, NotificationState.LEASED}
        ]
        self.rows |= {row.id: outbox.cancel(row) for row in about}
        return len(about)

    def subject_name(self, subject: Subject) -> str:
        identifier = subject.facility or subject.node or subject.site
        return self.names.get(identifier, identifier)

    def crew_name(self, crew: str) -> str:
        return self.names.get(crew, crew)
