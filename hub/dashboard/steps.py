"""The steps that a page's buttons take, by the same use cases as the REST API, each with its line in the audit log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hub.access.roles import Rights
from hub.alerts import service as alerts
from hub.alerts.alert import Alert, SosOutcome
from hub.dashboard.offers import ALERT_STEPS, ORDER_ACTIONS, may_step_alert, may_step_order
from hub.dashboard.ports import Unit
from hub.dashboard.reading import NamesRead, seen_alert, seen_order
from hub.dashboard.times import parse_local_ms
from hub.errors import ForbiddenError, InvalidError, NotFoundError
from hub.events import Event
from hub.workorders import service as orders
from hub.workorders.order import WorkOrder

LONGEST: Final = 4_000
"""Characters of a remark, as in the REST API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a form said; fields that it does not have are empty."""

    comment: str = ""
    reason: str = ""
    resume_at: str = ""
    """Date and time in the site's time zone."""
    crew: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who takes a step, and when by the hub's time."""

    person: str
    rights: Rights
    at_ms: int


OrderTaken = tuple[WorkOrder, tuple[Event, ...]]
AlertTaken = tuple[Alert, tuple[Event, ...]]


def step_order(unit: Unit, order_id: str, step: str, said: Said, actor: Actor) -> None:
    """Take a step of a work order; raises the errors of the use case, ForbiddenError, NotFoundError."""
    if step not in ORDER_ACTIONS:
        message = "there is no such step"
        raise NotFoundError(message)
    order = seen_order(unit, actor.rights, order_id)
    if not may_step_order(order, step, actor.rights):
        message = f"you may not {step} at {order.subject.site}"
        raise ForbiddenError(message)
    _check_length(said)
    _, events = _ORDER_STEPS[step](unit, order, said, actor)
    _keep(unit, f"POST /work-orders/{{order_id}}/{step}", order, events, actor)


def step_alert(unit: Unit, alert_id: str, step: str, said: Said, actor: Actor) -> None:
    """Take a step of an alert; raises the errors of the use case, ForbiddenError, NotFoundError."""
    if step not in ALERT_STEPS:
        message = "there is no such step"
        raise NotFoundError(message)
    alert = seen_alert(unit, actor.rights, alert_id)
    if not may_step_alert(alert, actor.rights):
        message = f"you may not {step} at {alert.subject.site}"
        raise ForbiddenError(message)
    _check_length(said)
    _, events = _ALERT_STEPS[step](unit, alert, said, actor)
    _keep(unit, f"POST /alerts/{{alert_id}}/{step}", alert, events, actor)


def _keep(unit: Unit, what: str, about: WorkOrder | Alert, events: tuple[Event, ...], actor: Actor) -> None:
    unit.emit(*events)
    unit.audit.add(what, about.id, person=actor.person, site=about.subject.site, at_ms=actor.at_ms, details={})


def _check_length(said: Said) -> None:
    for field in ("comment", "reason"):
        if len(getattr(said, field)) > LONGEST:
            raise InvalidError((field, "is too long"))


def _remarked(step: Callable[..., OrderTaken]) -> Callable[[Unit, WorkOrder, Said, Actor], OrderTaken]:
    def take(unit: Unit, order: WorkOrder, said: Said, actor: Actor) -> OrderTaken:
        return step(unit.work_orders, order.id, person=actor.person, at_ms=actor.at_ms, comment=said.comment)

    return take


def _complete(unit: Unit, order: WorkOrder, said: Said, actor: Actor) -> OrderTaken:
    return orders.complete(
        unit.work_orders,
        unit.rule_parameters,
        order.id,
        conditions_cleared=not any(alert.active for alert in unit.alerts.of_order(order.id)),
        person=actor.person,
        at_ms=actor.at_ms,
        note=said.comment,
    )


def _hold(unit: Unit, order: WorkOrder, said: Said, actor: Actor) -> OrderTaken:
    resume_at_ms = None
    if said.resume_at:
        resume_at_ms = parse_local_ms(said.resume_at, NamesRead(unit).zone(order.subject.site))
        if resume_at_ms is None:
            raise InvalidError(("resume_at", "is no date and time"))
    return orders.hold(
        unit.work_orders,
        order.id,
        reason=said.reason,
        resume_at_ms=resume_at_ms,
        person=actor.person,
        at_ms=actor.at_ms,
    )


def _cancel(unit: Unit, order: WorkOrder, said: Said, actor: Actor) -> OrderTaken:
    return orders.cancel(unit.work_orders, order.id, reason=said.reason, person=actor.person, at_ms=actor.at_ms)


def _assign(unit: Unit, order: WorkOrder, said: Said, actor: Actor) -> OrderTaken:
    return orders.assign(
        unit.work_orders, order.id, crew=said.crew, person=actor.person, at_ms=actor.at_ms, comment=said.comment
    )


def _acknowledge(unit: Unit, alert: Alert, said: Said, actor: Actor) -> AlertTaken:
    return alerts.acknowledge(unit.alerts, alert.id, person=actor.person, at_ms=actor.at_ms, comment=said.comment)


def _comment(unit: Unit, alert: Alert, said: Said, actor: Actor) -> AlertTaken:
    return alerts.comment(unit.alerts, alert.id, text=said.comment, person=actor.person, at_ms=actor.at_ms)


def _resolve(unit: Unit, alert: Alert, said: Said, actor: Actor) -> AlertTaken:
    try:
        outcome = SosOutcome(said.outcome)
    except ValueError:
        raise InvalidError(("outcome", "is no outcome")) from None
    return alerts.resolve(
        unit.alerts, alert.id, outcome=outcome, person=actor.person, at_ms=actor.at_ms, comment=said.comment
    )


_ORDER_STEPS: Final[Mapping[str, Callable[[Unit, WorkOrder, Said, Actor], OrderTaken]]] = {
    "assign": _assign,
    "accept": _remarked(orders.accept),
    "arrive": _remarked(orders.arrive),
    "complete": _complete,
    "hold": _hold,
    "resume": _remarked(orders.resume),
    "cancel": _cancel,
    "reopen": _remarked(orders.reopen),
}
_ALERT_STEPS: Final[Mapping[str, Callable[[Unit, Alert, Said, Actor], AlertTaken]]] = {
    "acknowledge": _acknowledge,
    "comments": _comment,
    "resolve": _resolve,
}
