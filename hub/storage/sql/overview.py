"""What is urgent, first: ids in the order in which people should look at them, and counts; for pages."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, distinct, func, or_, select

from hub.alerts.alert import AlertState
from hub.devices.tally import KindTally
from hub.storage.sql.sight import seen
from hub.storage.sql.tables import alerts, facilities, facility_states, work_orders
from hub.vocabulary import FAULTS, Colour, FaultCode, Severity, Sight
from hub.workorders.order import OVER, OrderState

_ACTIVE: Final = (AlertState.FIRING.value, AlertState.ACKNOWLEDGED.value)
_CLOSED: Final = AlertState.CLOSED.value
_OVER: Final = tuple(state.value for state in OVER)
_LIFE_SAFETY: Final = [code.value for code, fault in FAULTS.items() if fault.life_safety]
_SEVERITY: Final = case({severity.value: rank for rank, severity in enumerate(Severity)}, value=alerts.c.severity)
_COLOUR: Final = case({colour.value: rank for rank, colour in enumerate(Colour)}, value=work_orders.c.colour)
_UNHEARD: Final = func.sum(case((facility_states.c.facility.is_(None), 1), else_=0))
_UNACCEPTED: Final = (OrderState.OPEN.value, OrderState.ASSIGNED.value, OrderState.REOPENED.value)


class SqlOverview:
    """The overview of the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def alerts(self, sight: Sight, *, closed: bool, limit: int, offset: int = 0) -> Sequence[str]:
        """Return ids of the alerts that are seen: life safety first, unanswered before answered, then the severest.

        With `closed` those that are over, newest first. A suppressed one stands in its parent's shadow: it comes last.
        """
        query = select(alerts.c.id).where(
            self._seen_alerts(sight), alerts.c.state == _CLOSED if closed else alerts.c.state != _CLOSED
        )
        if not closed:
            query = query.order_by(
                case((alerts.c.fault_code.in_(_LIFE_SAFETY), 0), else_=1),
                case((alerts.c.suppressed_by.is_(None), 0), else_=1),
                case((alerts.c.state == AlertState.FIRING.value, 0), (alerts.c.state.in_(_ACTIVE), 1), else_=2),
                _SEVERITY,
            )
        return self._ids(query.order_by(alerts.c.id.desc()).limit(limit).offset(offset))

    def work_orders(
        self, sight: Sight, *, closed: bool, crews: frozenset[str] | None = None, limit: int, offset: int = 0
    ) -> Sequence[str]:
        """Return ids of the orders that are seen: the most urgent colour first, then by their next deadline.

        With `closed` those that are over, newest first; `crews` narrows to the orders of these crews.
        """
        over = work_orders.c.state.in_(_OVER)
        query = select(work_orders.c.id).where(_seen_orders(sight), over if closed else ~over)
        if crews is not None:
            query = query.where(work_orders.c.crew.in_(crews))
        if not closed:
            query = query.order_by(
                _COLOUR,
                case(
                    (work_orders.c.state.in_(_UNACCEPTED), work_orders.c.response_due_at_ms),
                    else_=work_orders.c.resolution_due_at_ms,
                ),
            )
        return self._ids(query.order_by(work_orders.c.id.desc()).limit(limit).offset(offset))

    def count_alerts(self, sight: Sight) -> dict[AlertState, int]:
        """Return how many alerts that are seen and not closed are in each state, without the suppressed."""
        query = (
            select(alerts.c.state, func.count())
            .where(self._seen_alerts(sight), alerts.c.state != _CLOSED, alerts.c.suppressed_by.is_(None))
            .group_by(alerts.c.state)
        )
        return {AlertState(state): count for state, count in self._connection.execute(query)}

    def count_orders(self, sight: Sight) -> dict[OrderState, int]:
        """Return how many orders that are seen and not over are in each state."""
        query = (
            select(work_orders.c.state, func.count())
            .where(_seen_orders(sight), work_orders.c.state.not_in(_OVER))
            .group_by(work_orders.c.state)
        )
        return {OrderState(state): count for state, count in self._connection.execute(query)}

    def facilities(
        self,
        kind: str,
        *,
        sites: frozenset[str] | None,
        care_sites: frozenset[str] | None,
        limit: int,
        offset: int = 0,
    ) -> Sequence[str]:
        """Return ids of facilities in service: those with the severest active alert first, then those never heard.

        `care_sites` is where alerts of life safety are seen; elsewhere they do not show in the order either.
        """
        trouble = (
            select(alerts.c.facility, func.min(_SEVERITY).label("rank"))
            .where(*_active(care_sites))
            .group_by(alerts.c.facility)
            .subquery()
        )
        query = (
            select(facilities.c.id)
            .outerjoin(trouble, trouble.c.facility == facilities.c.id)
            .outerjoin(facility_states, facility_states.c.facility == facilities.c.id)
            .where(facilities.c.kind == kind, *_in_service(sites))
            .order_by(
                func.coalesce(trouble.c.rank, len(Severity)),
                case((facility_states.c.facility.is_(None), 0), else_=1),
                facilities.c.number,
            )
        )
        return self._ids(query.limit(limit).offset(offset))

    def tallies(self, *, sites: frozenset[str] | None, care_sites: frozenset[str] | None) -> Sequence[KindTally]:
        """Return the facilities in service by kind, and what is wrong with them."""
        counted = (
            select(facilities.c.kind, func.count().label("total"), _UNHEARD.label("unheard"))
            .outerjoin(facility_states, facility_states.c.facility == facilities.c.id)
            .where(*_in_service(sites))
            .group_by(facilities.c.kind)
            .order_by(facilities.c.kind)
        )
        in_trouble = (
            select(facilities.c.kind, func.count(distinct(facilities.c.id)).label("troubled"))
            .join(alerts, alerts.c.facility == facilities.c.id)
            .where(*_in_service(sites), *_active(care_sites))
            .group_by(facilities.c.kind)
        )
        by_fault = (
            select(facilities.c.kind, alerts.c.fault_code, func.count(distinct(facilities.c.id)))
            .join(alerts, alerts.c.facility == facilities.c.id)
            .where(*_in_service(sites), *_active(care_sites))
            .group_by(facilities.c.kind, alerts.c.fault_code)
        )
        troubled: dict[str, int] = {row.kind: row.troubled for row in self._connection.execute(in_trouble)}
        faults: dict[str, dict[FaultCode, int]] = {}
        for kind, code, count in self._connection.execute(by_fault):
            faults.setdefault(kind, {})[FaultCode(code)] = count
        return [
            KindTally(
                kind=row.kind,
                total=row.total,
                unheard=row.unheard,
                troubled=troubled.get(row.kind, 0),
                faults=faults.get(row.kind, {}),
            )
            for row in self._connection.execute(counted)
        ]

    def _seen_alerts(self, sight: Sight) -> ColumnElement[bool]:
        of_crews = alerts.c.work_order.in_(select(work_orders.c.id).where(work_orders.c.crew.in_(sight.crews)))
        return seen(sight, alerts, of_crews)

    def _ids(self, query: Select[str]) -> Sequence[str]:
        return list(self._connection.execute(query).scalars())


def _seen_orders(sight: Sight) -> ColumnElement[bool]:
    return seen(sight, work_orders, work_orders.c.crew.in_(sight.crews))


def _in_service(sites: frozenset[str] | None) -> tuple[ColumnElement[bool], ...]:
    in_service = facilities.c.retired_at_ms.is_(None)
    return (in_service,) if sites is None else (in_service, facilities.c.site.in_(sites))


def _active(care_sites: frozenset[str] | None) -> tuple[ColumnElement[bool], ...]:
    active = and_(alerts.c.state.in_(_ACTIVE), alerts.c.facility.is_not(None))
    if care_sites is None:
        return (active,)
    return (active, or_(alerts.c.fault_code.not_in(_LIFE_SAFETY), alerts.c.site.in_(care_sites)))
