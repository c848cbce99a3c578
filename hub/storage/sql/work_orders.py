"""Rows ⇄ work orders and their log; and what choosing a crew and a deadline needs of the registry."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from hub.errors import ConflictError, StaleVersionError
from hub.storage.sql.rows import document
from hub.storage.sql.sight import seen
from hub.storage.sql.tables import alerts, crew_skills, crews, sites, work_order_log, work_orders
from hub.vocabulary import Colour, FaultCode, Skill, Subject
from hub.workorders.order import OVER, OrderLogEntry, OrderReason, OrderState, OrderStep, WorkOrder
from hub.workorders.ports import CrewLoad, OrderQuery

_NO_SITE: Final = "UTC"

# Statements of the hot path are built once: building costs more than running them.
_GET: Final = select(work_orders).where(work_orders.c.id == bindparam("order_id"))
_OPEN: Final = select(work_orders).where(work_orders.c.open_key == bindparam("key"))
_ADD: Final = insert(work_orders)
_SAVE: Final = update(work_orders).where(
    work_orders.c.id == bindparam("order_id"), work_orders.c.version == bindparam("former")
)
_LOG: Final = insert(work_order_log)
_ALERTS: Final = (
    select(alerts.c.work_order, alerts.c.id)
    .where(alerts.c.work_order.in_(bindparam("order_ids", expanding=True)))
    .order_by(alerts.c.fired_at_ms, alerts.c.id)
)


class SqlWorkOrders:
    """The work orders in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, order_id: str) -> WorkOrder | None:
        return self._one(_GET, order_id=order_id)

    def open_of(self, subject_key: str, fault_class: str) -> WorkOrder | None:
        return self._one(_OPEN, key=f"{subject_key}/{fault_class}")

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
        return self._all(statement)

    def add(self, order: WorkOrder) -> None:
        try:
            self._connection.execute(_ADD, {"id": order.id, **_values(order)})
        except IntegrityError as error:
            message = "an order of this subject and fault class is open already"
            raise ConflictError(message) from error

    def save(self, order: WorkOrder) -> None:
        names = {"order_id": order.id, "former": order.version - 1}
        changed = self._connection.execute(_SAVE, names | _values(order))
        if changed.rowcount != 1:
            message = "somebody else changed the work order first"
            raise StaleVersionError(message)

    def log(self, *entries: OrderLogEntry) -> None:
        if not entries:
            return
        self._connection.execute(
            _LOG,
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
        rows = self._connection.execute(
            select(work_order_log).where(work_order_log.c.work_order == order_id).order_by(work_order_log.c.id)
        )
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
        return self._all(
            select(work_orders)
            .where(work_orders.c.wake_at_ms <= at_ms)
            .order_by(work_orders.c.wake_at_ms, work_orders.c.id)
        )

    def any_due(self, at_ms: int) -> bool:
        due = select(work_orders.c.id).where(work_orders.c.wake_at_ms <= at_ms).limit(1)
        return self._connection.execute(due).first() is not None

    def able_crews(self, site: str, skill: Skill) -> Sequence[CrewLoad]:
        busy = and_(work_orders.c.crew == crews.c.id, work_orders.c.state.not_in([state.value for state in OVER]))
        able = (
            select(crews.c.id, func.count(work_orders.c.id))
            .join(crew_skills, crew_skills.c.crew == crews.c.id)
            .outerjoin(work_orders, busy)
            .where(crews.c.site == site, crews.c.retired_at_ms.is_(None), crew_skills.c.skill == skill.value)
            .group_by(crews.c.id)
            .order_by(crews.c.id)
        )
        return [CrewLoad(crew, open_orders) for crew, open_orders in self._connection.execute(able)]

    def has_crew(self, site: str, crew: str) -> bool:
        known = select(crews.c.id).where(crews.c.id == crew, crews.c.site == site, crews.c.retired_at_ms.is_(None))
        return self._connection.execute(known).first() is not None

    def time_zone(self, site: str) -> str:
        zone = self._connection.execute(select(sites.c.time_zone).where(sites.c.id == site)).scalar()
        return _NO_SITE if zone is None else zone

    def _one(self, statement: Select[Any], **names: str) -> WorkOrder | None:
        return next(iter(self._all(statement, **names)), None)

    def _all(self, statement: Select[Any], **names: str) -> list[WorkOrder]:
        rows = self._connection.execute(statement, names).all()
        cared_for = self._alerts([row.id for row in rows])
        return [_order(row, tuple(cared_for.get(row.id, ()))) for row in rows]

    def _alerts(self, order_ids: Sequence[str]) -> dict[str, list[str]]:
        joined: dict[str, list[str]] = {}
        if order_ids:
            for order_id, alert_id in self._connection.execute(_ALERTS, {"order_ids": order_ids}):
                joined.setdefault(order_id, []).append(alert_id)
        return joined


def _values(order: WorkOrder) -> dict[str, Any]:
    return {
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


def _order(row: Row[Any], cared_for: tuple[str, ...]) -> WorkOrder:
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
