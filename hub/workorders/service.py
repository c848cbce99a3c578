"""Use cases of work orders: load, decide by `lifecycle`, keep, and say what happened; nothing is committed here."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.errors import InvalidError, NotFoundError, StaleVersionError
from hub.events import Event
from hub.vocabulary import FAULTS, FaultCode, Subject
from hub.workorders import assignment, lifecycle
from hub.workorders.due import due as deadlines
from hub.workorders.lifecycle import Job, Transition
from hub.workorders.order import WorkOrder
from hub.workorders.ports import OrderRepository, RuleParametersPort, Windows


def open_or_join(
    orders: OrderRepository,
    *,
    alert: str,
    subject: Subject,
    fault_code: FaultCode,
    new_id: Callable[[], str],
    at_ms: int,
) -> tuple[WorkOrder, tuple[Event, ...]] | None:
    """Give the alert to the open order of its subject and fault class, else to a new one; None: it needs none."""
    fault = FAULTS[fault_code]
    if fault.skill is None:
        return None
    job = Job(alert=alert, subject=subject, fault_code=fault_code, fault=fault, skill=fault.skill)
    due_at = deadlines(fault.colour, opened_at_ms=at_ms, zone=_zone(orders.time_zone(subject.site)))
    order = orders.open_of(subject.key, fault.fault_class)
    if order is not None:
        return _done(orders, lifecycle.join(order, job, due=due_at, at_ms=at_ms))
    choice = assignment.choose(orders.able_crews(subject.site, fault.skill), fault.skill)
    born = lifecycle.open_order(job, order_id=new_id(), choice=choice, due=due_at, at_ms=at_ms)
    orders.add(born.order)
    orders.log(*born.log)
    return born.order, born.events


def prove(orders: OrderRepository, order: WorkOrder, *, at_ms: int) -> tuple[Event, ...]:
    """Verify and close an order, all of whose conditions are proven gone."""
    return _kept(orders, lifecycle.hear_proof(order, at_ms=at_ms))


def close_with_alerts(orders: OrderRepository, order_id: str, *, at_ms: int) -> tuple[Event, ...]:
    """Close a life-safety order, all of whose alerts were closed by persons."""
    return _kept(orders, lifecycle.hear_alerts_closed(_get(orders, order_id), at_ms=at_ms))


def assign(
    orders: OrderRepository,
    order_id: str,
    *,
    crew: str,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """Give the order to a crew of its site."""
    order = _expected(orders, order_id, expected_version)
    if not orders.has_crew(order.subject.site, crew):
        raise InvalidError(("crew", "is no crew of this site"))
    return _done(orders, lifecycle.assign(order, crew=crew, person=person, at_ms=at_ms, comment=comment))


def accept(
    orders: OrderRepository,
    order_id: str,
    *,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """The crew takes the order."""
    order = _expected(orders, order_id, expected_version)
    return _done(orders, lifecycle.accept(order, person=person, at_ms=at_ms, comment=comment))


def arrive(
    orders: OrderRepository,
    order_id: str,
    *,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """The crew is there."""
    order = _expected(orders, order_id, expected_version)
    return _done(orders, lifecycle.arrive(order, person=person, at_ms=at_ms, comment=comment))


def complete(
    orders: OrderRepository,
    parameters: RuleParametersPort,
    order_id: str,
    *,
    conditions_cleared: bool,
    person: str,
    at_ms: int,
    note: str = "",
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """The crew reports it done; where the sensors have said so already it is verified and closed at once."""
    order = _expected(orders, order_id, expected_version)
    transition = lifecycle.complete(
        order,
        conditions_cleared=conditions_cleared,
        windows=_windows(parameters, order),
        person=person,
        at_ms=at_ms,
        note=note,
    )
    return _done(orders, transition)


def hold(
    orders: OrderRepository,
    order_id: str,
    *,
    reason: str,
    resume_at_ms: int | None,
    person: str,
    at_ms: int,
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """Set the order aside until resumed, or until `resume_at_ms`."""
    order = _expected(orders, order_id, expected_version)
    transition = lifecycle.hold(order, reason=reason, resume_at_ms=resume_at_ms, person=person, at_ms=at_ms)
    return _done(orders, transition)


def resume(
    orders: OrderRepository,
    order_id: str,
    *,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """Go on where the order was held."""
    order = _expected(orders, order_id, expected_version)
    return _done(orders, lifecycle.resume(order, person=person, at_ms=at_ms, comment=comment))


def cancel(
    orders: OrderRepository,
    order_id: str,
    *,
    reason: str,
    person: str,
    at_ms: int,
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """Give the order up; its alerts stay."""
    order = _expected(orders, order_id, expected_version)
    return _done(orders, lifecycle.cancel(order, reason=reason, person=person, at_ms=at_ms))


def reopen(
    orders: OrderRepository,
    order_id: str,
    *,
    person: str,
    at_ms: int,
    comment: str = "",
    expected_version: int | None = None,
) -> tuple[WorkOrder, tuple[Event, ...]]:
    """Send the same crew again."""
    order = _expected(orders, order_id, expected_version)
    return _done(orders, lifecycle.reopen(order, person=person, at_ms=at_ms, comment=comment))


def due(orders: OrderRepository, *, parameters: RuleParametersPort, at_ms: int) -> tuple[Event, ...]:
    """Take the step whose time has come, one of each order."""
    events: list[Event] = []
    for order in orders.due(at_ms):
        events += _kept(orders, lifecycle.wake(order, windows=_windows(parameters, order), at_ms=at_ms))
    return tuple(events)


def _windows(parameters: RuleParametersPort, order: WorkOrder) -> Windows | None:
    return None if order.life_safety else parameters.windows(order.subject, order.fault_code)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _get(orders: OrderRepository, order_id: str) -> WorkOrder:
    order = orders.get(order_id)
    if order is None:
        message = "there is no such work order"
        raise NotFoundError(message)
    return order


def _expected(orders: OrderRepository, order_id: str, version: int | None) -> WorkOrder:
    order = _get(orders, order_id)
    if version is not None and order.version != version:
        message = f"the work order is at version {order.version}, not {version}"
        raise StaleVersionError(message)
    return order


def _kept(orders: OrderRepository, transition: Transition | None) -> tuple[Event, ...]:
    if transition is None:
        return ()
    orders.save(transition.order)
    orders.log(*transition.log)
    return transition.events


def _done(orders: OrderRepository, transition: Transition) -> tuple[WorkOrder, tuple[Event, ...]]:
    return transition.order, _kept(orders, transition)
