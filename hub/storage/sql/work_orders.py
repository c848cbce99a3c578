"""Rows ⇄ work orders and their log; and what choosing a crew and a deadline needs of the registry."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, func, not_, select, update
from sqlalchemy.exc import IntegrityError

from hub.errors import ConflictError, StaleVersionError
from hub.storage.sql.prepared import Prepared, Values, insertion, one_of
from hub.storage.sql.rows import document
from hub.storage.sql.sight import seen
from hub.storage.sql.tables import alerts, crew_skills, crews, sites, work_order_log, work_orders
from hub.vocabulary import Colour, FaultCode, Skill, Subject
from hub.workorders.order import OVER, OrderLogEntry, OrderReason, OrderState, OrderStep, WorkOrder
from hub.workorders.ports import CrewLoad, OrderQuery

_NEVER_CHANGE: Final = {"id", "site", "facility", "node", "subject_key"}
_NO_SITE: Final = "UTC"

_GET: Final = Prepared(select(work_orders).where(work_orders.c.id == bindparam("order_id")))
_OPEN: Final = Prepared(select(work_orders).where(work_orders.c.open_key == bindparam("key")))
_DUE: Final = Prepared(
    select(work_orders)
    .where(work_orders.c.wake_at_ms <= bindparam("now_ms"))
    .order_by(work_orders.c.wake_at_ms, work_orders.c.id)
)
_ANY_DUE: Final = Prepared(select(work_orders.c.id).where(work_orders.c.wake_at_ms <= bindparam("now_ms")).limit(1))
_ADD: Final = insertion(work_orders)
_SAVE: Final = Prepared(
    update(work_orders).where(work_orders.c.id == bindparam("order_id"), work_orders.c.version == bindparam("former")),
    columns=[column.name for column in work_orders.columns if column.name not in _NEVER_CHANGE],
)
_LOG: Final = insertion(work_order_log)
_LOG_OF: Final = Prepared(
    select(work_order_log).where(work_order_log.c.work_order == bindparam("order_id")).order_by(work_order_log.c.id)
)
_CARED_FOR: Final = select(alerts.c.work_order, alerts.c.id).order_by(alerts.c.fired_at_ms, alerts.c.id)
_ALERTS_OF_ONE: Final = Prepared(_CARED_FOR.where(alerts.c.work_order == bindparam("order_id")))
_ALERTS: Final = _CARED_FOR.where(alerts.c.work_order.in_(bindparam("order_ids", expanding=True)))
_BUSY: Final = and_(
    work_orders.c.crew == crews.c.id, not_(one_of(work_orders.c.state, sorted(state.value for state in OVER)))
)
_ABLE: Final = Prepared(
    select(crews.c.id, func.count(work_orders.c.id).label("open_orders"))
    .join(crew_skills, crew_skills.c.crew == crews.c.id)
    .outerjoin(work_orders, _BUSY)
    .where(
        crews.c.site == bindparam("of_site"),
        crews.c.retired_at_ms.is_(None),
        crew_skills.c.skill == bindparam("of_skill"),
    )
    .group_by(crews.c.id)
    .order_by(crews.c.id)
)
_ZONE: Final = Prepared(select(sites.c.time_zone).where(sites.c.id == bindparam("of_site")))


class SqlWorkOrders:
    """The work orders in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, order_id: str) -> WorkOrder | None:
        return self._one(_GET, {"order_id": order_id})

    def open_of(self, subject_key: str, fault_class: str) -> WorkOrder | None:
        return self._one(_OPEN, {"key": f"{subject_key}/{fault_class}"})

    def find(self, query: OrderQuery) -> Sequence[WorkOrder]:
        statement = select(work_orders).order_by(work_orders.c.id.desc()).limit(query.limit)
        if query.sites is not None:
            statement = statement.where(work_orders.c.site.in_(query.sites))
        if query.sight is not None:
            of_crews = work_orders.c.crew.in_(query.sight.crews)
            statement = statement.where(seen(query.sight, work_orders, of_crews))
        if query.state is not None:
            statement = statement.where(work_orders.c.state == query.state.value)
        if query.crews is not None:
            statement = statement.where(work_orders.c.crew.in_(query.crews))
        if query.facility is not None:
            statement = statement.where(work_orders.c.facility == query.facility)
        if query.before is not None:
            statement = statement.where(work_orders.c.id < query.before)
        return self._orders(self._connection.execute(statement).all())

    def add(self, order: WorkOrder) -> None:
        try:
            _ADD.write(self._connection, _values(order))
        except IntegrityError as error:
            message = "an order of this subject and fault class is open already"
            raise ConflictError(message) from error

    def save(self, order: WorkOrder) -> None:
        names = {"order_id": order.id, "former": order.version - 1}
        if _SAVE.write(self._connection, names | _values(order)) != 1:
            message = "somebody else changed the work order first"
            raise StaleVersionError(message)

    def log(self, *entries: OrderLogEntry) -> None:
        _LOG.write_many(
            self._connection,
            [
                {
                    "work_order": entry.work_order,
                    "at_ms": entry.at_ms,
                    "step": entry.step.value,
                    "person": entry.person,
                    "reason": None if entry.reason is None else entry.reason.value,
                    "comment": entry.comment,
                    "parameters": document(entry.parameters),
                }
                for entry in entries
            ],
        )

    def log_of(self, order_id: str) -> Sequence[OrderLogEntry]:
        rows = _LOG_OF.all(self._connection, {"order_id": order_id})
        return [
            OrderLogEntry(
                work_order=row.work_order,
                at_ms=row.at_ms,
                step=OrderStep(row.step),
                person=row.person,
                reason=None if row.reason is None else OrderReason(row.reason),
                comment=row.comment,
                parameters=json.loads(row.parameters),
            )
            for row in rows
        ]

    def due(self, at_ms: int) -> Sequence[WorkOrder]:
        return self._orders(_DUE.all(self._connection, {"now_ms": at_ms}))

    def any_due(self, at_ms: int) -> bool:
        return _ANY_DUE.first(self._connection, {"now_ms": at_ms}) is not None

    def able_crews(self, site: str, skill: Skill) -> Sequence[CrewLoad]:
        able = _ABLE.all(self._connection, {"of_site": site, "of_skill": skill.value})
        return [CrewLoad(crew, open_orders) for crew, open_orders in able]

    def has_crew(self, site: str, crew: str) -> bool:
        known = select(crews.c.id).where(crews.c.id == crew, crews.c.site == site, crews.c.retired_at_ms.is_(None))
        return self._connection.execute(known).first() is not None

    def time_zone(self, site: str) -> str:
        zone = _ZONE.scalar(self._connection, {"of_site": site})
        return _NO_SITE if zone is None else zone

    def _one(self, statement: Prepared, values: Values) -> WorkOrder | None:
        return next(iter(self._orders(statement.all(self._connection, values))), None)

    def _orders(self, rows: Sequence[Any]) -> list[WorkOrder]:
        cared_for: dict[str, list[str]] = {}
        for order_id, alert_id in self._alerts([row.id for row in rows]):
            cared_for.setdefault(order_id, []).append(alert_id)
        return [_order(row, tuple(cared_for.get(row.id, ()))) for row in rows]

    def _alerts(self, order_ids: Sequence[str]) -> Sequence[Any]:
        if len(order_ids) > 1:
            return self._connection.execute(_ALERTS, {"order_ids": order_ids}).all()
        return _ALERTS_OF_ONE.all(self._connection, {"order_id": order_ids[0]}) if order_ids else ()


def _values(order: WorkOrder) -> dict[str, Any]:
    return {
        "id": order.id,
        "version": order.version,
        "site": order.subject.site,
        "facility": order.subject.facility,
        "node": order.subject.node,
        "subject_key": order.subject.key,
        "fault_code": order.fault_code.value,
        "fault_class": order.fault_class,
        "state": order.state.value,
        "reason": order.reason.value,
        "skill": order.skill.value,
        "crew": order.crew,
        "colour": order.colour.value,
        "opened_at_ms": order.opened_at_ms,
        "response_due_at_ms": order.response_due_at_ms,
        "resolution_due_at_ms": order.resolution_due_at_ms,
        "accepted_at_ms": order.accepted_at_ms,
        "accepted_by": order.accepted_by,
        "done_at_ms": order.done_at_ms,
        "verified_at_ms": order.verified_at_ms,
        "closed_at_ms": order.closed_at_ms,
        "state_before_hold": None if order.state_before_hold is None else order.state_before_hold.value,
        "resume_at_ms": order.resume_at_ms,
        "wake_at_ms": order.wake_at_ms,
        "open_key": order.open_key,
    }


def _order(row: Any, cared_for: tuple[str, ...]) -> WorkOrder:
    return WorkOrder(
        id=row.id,
        version=row.version,
        subject=Subject(row.site, row.facility, row.node),
        fault_code=FaultCode(row.fault_code),
        fault_class=row.fault_class,
        alerts=cared_for,
        state=OrderState(row.state),
        reason=OrderReason(row.reason),
        skill=Skill(row.skill),
        crew=row.crew,
        colour=Colour(row.colour),
        opened_at_ms=row.opened_at_ms,
        response_due_at_ms=row.response_due_at_ms,
        resolution_due_at_ms=row.resolution_due_at_ms,
        accepted_at_ms=row.accepted_at_ms,
        accepted_by=row.accepted_by,
        done_at_ms=row.done_at_ms,
        verified_at_ms=row.verified_at_ms,
        closed_at_ms=row.closed_at_ms,
        state_before_hold=None if row.state_before_hold is None else OrderState(row.state_before_hold),
        resume_at_ms=row.resume_at_ms,
        wake_at_ms=row.wake_at_ms,
    )
