"""Rows ⇄ alerts and their log."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from hub.alerts.alert import Alert, AlertLogEntry, AlertState, AlertStep, SosOutcome
from hub.alerts.lifecycle import CANCELLATIONS
from hub.alerts.ports import AlertQuery
from hub.errors import ConflictError, StaleVersionError
from hub.storage.sql.prepared import Prepared, Values, insertion
from hub.storage.sql.sight import seen
from hub.storage.sql.tables import alert_log, alerts, sos_presses, work_orders
from hub.vocabulary import FAULTS, Colour, FaultCode, Severity, Subject

_NEVER_CHANGE: Final = {"id", "site", "facility", "node", "subject_key", "fault_code"}
_LIFE_SAFETY: Final = frozenset(code for code, fault in FAULTS.items() if fault.life_safety)

_GET: Final = Prepared(select(alerts).where(alerts.c.id == bindparam("alert_id")))
_OPEN: Final = Prepared(select(alerts).where(alerts.c.open_key == bindparam("key")))
_LAST: Final = Prepared(
    select(alerts)
    .where(
        alerts.c.subject_key == bindparam("of_subject"),
        alerts.c.fault_code == bindparam("of_fault"),
        alerts.c.state == AlertState.CLOSED.value,
    )
    .order_by(alerts.c.closed_at_ms.desc(), alerts.c.id.desc())
    .limit(1)
)
_OF_ORDER: Final = Prepared(
    select(alerts).where(alerts.c.work_order == bindparam("order_id")).order_by(alerts.c.fired_at_ms, alerts.c.id)
)
_DUE: Final = Prepared(
    select(alerts).where(alerts.c.wake_at_ms <= bindparam("now_ms")).order_by(alerts.c.wake_at_ms, alerts.c.id)
)
_ANY_DUE: Final = Prepared(select(alerts.c.id).where(alerts.c.wake_at_ms <= bindparam("now_ms")).limit(1))
_ADD: Final = insertion(alerts)
_SAVE: Final = Prepared(
    update(alerts).where(alerts.c.id == bindparam("alert_id"), alerts.c.version == bindparam("former")),
    columns=[column.name for column in alerts.columns if column.name not in _NEVER_CHANGE],
)
_LOG: Final = insertion(alert_log)
_LOG_OF: Final = Prepared(select(alert_log).where(alert_log.c.alert == bindparam("alert_id")).order_by(alert_log.c.id))
_PRESSES: Final = (
    select(sos_presses.c.alert, sos_presses.c.ref)
    .where(*(sos_presses.c.event != event for event in sorted(CANCELLATIONS)))
    .order_by(sos_presses.c.id)
)
_REFS_OF_ONE: Final = Prepared(_PRESSES.where(sos_presses.c.alert == bindparam("alert_id")))
_REFS: Final = _PRESSES.where(sos_presses.c.alert.in_(bindparam("alert_ids", expanding=True)))


class SqlAlerts:
    """The alerts in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, alert_id: str) -> Alert | None:
        return self._one(_GET, {"alert_id": alert_id})

    def open_of(self, subject_key: str, fault_code: FaultCode) -> Alert | None:
        return self._one(_OPEN, {"key": f"{subject_key}/{fault_code}"})

    def last_of(self, subject_key: str, fault_code: FaultCode) -> Alert | None:
        return self._one(_LAST, {"of_subject": subject_key, "of_fault": fault_code.value})

    def of_order(self, work_order: str) -> Sequence[Alert]:
        return self._alerts(_OF_ORDER.all(self._connection, {"order_id": work_order}))

    def find(self, query: AlertQuery) -> Sequence[Alert]:
        statement = select(alerts).order_by(alerts.c.id.desc()).limit(query.limit)
        if query.sites is not None:
            statement = statement.where(alerts.c.site.in_(query.sites))
        if query.sight is not None:
            of_crews = alerts.c.work_order.in_(
                select(work_orders.c.id).where(work_orders.c.crew.in_(query.sight.crews))
            )
            statement = statement.where(seen(query.sight, alerts, of_crews))
        if query.state is not None:
            statement = statement.where(alerts.c.state == query.state.value)
        if query.facility is not None:
            statement = statement.where(alerts.c.facility == query.facility)
        if query.fault_code is not None:
            statement = statement.where(alerts.c.fault_code == query.fault_code.value)
        if query.severity is not None:
            statement = statement.where(alerts.c.severity == query.severity.value)
        if query.before is not None:
            statement = statement.where(alerts.c.id < query.before)
        return self._alerts(self._connection.execute(statement).all())

    def add(self, alert: Alert) -> None:
        try:
            _ADD.write(self._connection, _values(alert))
        except IntegrityError as error:
            message = "an alert of this subject and fault is open already"
            raise ConflictError(message) from error

    def save(self, alert: Alert) -> None:
        names = {"alert_id": alert.id, "former": alert.version - 1}
        if _SAVE.write(self._connection, names | _values(alert)) != 1:
            message = "somebody else changed the alert first"
            raise StaleVersionError(message)

    def log(self, *entries: AlertLogEntry) -> None:
        _LOG.write_many(
            self._connection,
            [
                {
                    "alert": entry.alert,
                    "at_ms": entry.at_ms,
                    "step": entry.step.value,
                    "person": entry.person,
                    "reason": None if entry.reason is None else str(entry.reason),
                    "comment": entry.comment,
                }
                for entry in entries
            ],
        )

    def log_of(self, alert_id: str) -> Sequence[AlertLogEntry]:
        rows = _LOG_OF.all(self._connection, {"alert_id": alert_id})
        return [
            AlertLogEntry(
                alert=row.alert,
                at_ms=row.at_ms,
                step=AlertStep(row.step),
                person=row.person,
                reason=row.reason,
                comment=row.comment,
            )
            for row in rows
        ]

    def due(self, at_ms: int) -> Sequence[Alert]:
        return self._alerts(_DUE.all(self._connection, {"now_ms": at_ms}))

    def any_due(self, at_ms: int) -> bool:
        return _ANY_DUE.first(self._connection, {"now_ms": at_ms}) is not None

    def _one(self, statement: Prepared, values: Values) -> Alert | None:
        return next(iter(self._alerts(statement.all(self._connection, values))), None)

    def _alerts(self, rows: Sequence[Any]) -> list[Alert]:
        refs = self._refs([row.id for row in rows if row.fault_code in _LIFE_SAFETY])
        return [_alert(row, tuple(refs.get(row.id, ()))) for row in rows]

    def _refs(self, alert_ids: Sequence[str]) -> dict[str, dict[str, None]]:
        """Return the presses of the alerts, each once, in order of arrival; a cancellation is none."""
        refs: dict[str, dict[str, None]] = {}
        for alert_id, ref in self._presses(alert_ids):
            refs.setdefault(alert_id, {})[ref] = None
        return refs

    def _presses(self, alert_ids: Sequence[str]) -> Sequence[Any]:
        if len(alert_ids) > 1:
            return self._connection.execute(_REFS, {"alert_ids": alert_ids}).all()
        return _REFS_OF_ONE.all(self._connection, {"alert_id": alert_ids[0]}) if alert_ids else ()


def _values(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "version": alert.version,
        "site": alert.subject.site,
        "facility": alert.subject.facility,
        "node": alert.subject.node,
        "subject_key": alert.subject.key,
        "fault_code": alert.fault_code.value,
        "severity": alert.severity.value,
        "colour": alert.colour.value,
        "state": alert.state.value,
        "reason": str(alert.reason),
        "value": alert.value,
        "late": alert.late,
        "source_unknown": alert.source_unknown,
        "fired_at_ms": alert.fired_at_ms,
        "acknowledged_at_ms": alert.acknowledged_at_ms,
        "acknowledged_by": alert.acknowledged_by,
        "notified_at_ms": alert.notified_at_ms,
        "resolved_at_ms": alert.resolved_at_ms,
        "closed_at_ms": alert.closed_at_ms,
        "outcome": None if alert.outcome is None else alert.outcome.value,
        "assignee": alert.assignee,
        "shelved_until_ms": alert.shelved_until_ms,
        "suppressed_by": alert.suppressed_by,
        "work_order": alert.work_order,
        "wake_at_ms": alert.wake_at_ms,
        "open_key": alert.open_key,
    }


def _alert(row: Any, refs: tuple[str, ...]) -> Alert:
    return Alert(
        id=row.id,
        version=row.version,
        subject=Subject(row.site, row.facility, row.node),
        fault_code=FaultCode(row.fault_code),
        severity=Severity(row.severity),
        colour=Colour(row.colour),
        state=AlertState(row.state),
        reason=row.reason,
        value=row.value,
        refs=refs,
        late=row.late,
        source_unknown=row.source_unknown,
        fired_at_ms=row.fired_at_ms,
        acknowledged_at_ms=row.acknowledged_at_ms,
        acknowledged_by=row.acknowledged_by,
        notified_at_ms=row.notified_at_ms,
        resolved_at_ms=row.resolved_at_ms,
        closed_at_ms=row.closed_at_ms,
        outcome=None if row.outcome is None else SosOutcome(row.outcome),
        assignee=row.assignee,
        shelved_until_ms=row.shelved_until_ms,
        suppressed_by=row.suppressed_by,
        work_order=row.work_order,
        wake_at_ms=row.wake_at_ms,
    )
