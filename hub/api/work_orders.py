"""`/work-orders` and their steps."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict

from hub.access.roles import Action
from hub.api import answers
from hub.api.alerts import NO_COMMENT, Comment
from hub.api.answers import Answer
from hub.api.caller import Caller, Change, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, LIST, PART, SHOW
from hub.api.fields import Body, Instant, Remark, RestId
from hub.api.filters import OfFacility, OfSite
from hub.api.items import Page
from hub.api.loop_items import OrderItem, OrderLogItem
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.errors import ForbiddenError, NotFoundError
from hub.events import Event
from hub.workorders import service
from hub.workorders.order import OrderState, WorkOrder
from hub.workorders.ports import OrderQuery
from hub.workorders.presenter import present_order, present_order_log

router: Final = APIRouter(prefix="/work-orders", tags=["work orders"], route_class=JsonRoute)

Taken = tuple[WorkOrder, tuple[Event, ...]]


class Assignment(Body):
    """The crew that gets the order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"crew": "demo.waste-1"}]})

    crew: RestId
    comment: Remark = ""


class Completion(Body):
    """What the crew says of its work."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "emptied, lid oiled"}]})

    note: Remark = ""


NO_NOTE: Final = Completion()


class Hold(Body):
    """Why an order is set aside, and until when."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "gate locked", "resume_at": "2026-11-22T08:00:00.000Z"}]}
    )

    reason: Remark
    resume_at: Instant | None = None


class Cancellation(Body):
    """Why an order is given up."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "bin removed"}]})

    reason: Remark


@router.get("", response_model=Page[OrderItem], responses=LIST)
def list_work_orders(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    state: Annotated[OrderState | None, Query()] = None,
    crew: Annotated[str | None, Query(max_length=128, description="REST id of a crew.")] = None,
    facility: OfFacility = None,
) -> Response:
    """List the orders the caller may see."""
    query = OrderQuery(
        sites=None if site is None else frozenset({site}),
        sight=caller.rights.sight_of_orders,
        state=state,
        crews=None if crew is None else frozenset({crew}),
        facility=facility,
        before=listing.after_text,
        limit=listing.limit + 1,
    )
    with caller.services.transactions.read() as unit:
        found = unit.work_orders.find(query)
    return answers.page(found, listing, place=lambda order: order.id, present=present_order)


@router.get("/{order_id}", response_model=OrderItem, responses=SHOW)
def get_work_order(order_id: str, caller: Reader) -> Response:
    """Show an order."""
    with caller.services.transactions.read() as unit:
        return answers.shown(present_order(_seen(unit, caller, order_id)))


@router.get("/{order_id}/log", response_model=Page[OrderLogItem], responses=PART)
def list_work_order_log(order_id: str, caller: Reader) -> Response:
    """Show what happened to an order, newest first, on one page."""
    with caller.services.transactions.read() as unit:
        log = unit.work_orders.log_of(_seen(unit, caller, order_id).id)
    return answers.paged([present_order_log(entry) for entry in reversed(log)], None)


@router.post("/{order_id}/assign", response_model=OrderItem, responses=CHANGE)
def assign_work_order(order_id: str, body: Assignment, change: Stepper) -> Response:
    """Give the order to a crew of its site."""
    return _step(
        change,
        order_id,
        Action.ASSIGN_ORDERS,
        lambda unit: service.assign(
            unit.work_orders,
            order_id,
            crew=body.crew,
            person=change.account.id,
            at_ms=change.now_ms,
            comment=body.comment,
            expected_version=change.expected_version,
        ),
    )


@router.post("/{order_id}/accept", response_model=OrderItem, responses=CHANGE)
def accept_work_order(order_id: str, change: Stepper, body: Comment = NO_COMMENT) -> Response:
    """Take the order on."""
    return _remarked(change, order_id, Action.WORK_ORDERS, service.accept, body.comment)


@router.post("/{order_id}/arrive", response_model=OrderItem, responses=CHANGE)
def arrive_at_work_order(order_id: str, change: Stepper, body: Comment = NO_COMMENT) -> Response:
    """Say that the crew is there."""
    return _remarked(change, order_id, Action.WORK_ORDERS, service.arrive, body.comment)


@router.post("/{order_id}/complete", response_model=OrderItem, responses=CHANGE)
def complete_work_order(order_id: str, change: Stepper, body: Completion = NO_NOTE) -> Response:
    """Report it done; the sensors have to agree."""

    def take(unit: Unit) -> Taken:
        return service.complete(
            unit.work_orders,
            unit.rule_parameters,
            order_id,
            conditions_cleared=not any(alert.active for alert in unit.alerts.of_order(order_id)),
            person=change.account.id,
            at_ms=change.now_ms,
            note=body.note,
            expected_version=change.expected_version,
        )

    return _step(change, order_id, Action.WORK_ORDERS, take)


@router.post("/{order_id}/hold", response_model=OrderItem, responses=CHANGE)
def hold_work_order(order_id: str, body: Hold, change: Stepper) -> Response:
    """Set the order aside."""
    return _step(
        change,
        order_id,
        Action.WORK_ORDERS,
        lambda unit: service.hold(
            unit.work_orders,
            order_id,
            reason=body.reason,
            resume_at_ms=body.resume_at,
            person=change.account.id,
            at_ms=change.now_ms,
            expected_version=change.expected_version,
        ),
    )


@router.post("/{order_id}/resume", response_model=OrderItem, responses=CHANGE)
def resume_work_order(order_id: str, change: Stepper, body: Comment = NO_COMMENT) -> Response:
    """Go on where the order was held."""
    return _remarked(change, order_id, Action.WORK_ORDERS, service.resume, body.comment)


@router.post("/{order_id}/cancel", response_model=OrderItem, responses=CHANGE)
def cancel_work_order(order_id: str, body: Cancellation, change: Stepper) -> Response:
    """Give the order up; its alerts stay."""
    return _step(
        change,
        order_id,
        Action.ASSIGN_ORDERS,
        lambda unit: service.cancel(
            unit.work_orders,
            order_id,
            reason=body.reason,
            person=change.account.id,
            at_ms=change.now_ms,
            expected_version=change.expected_version,
        ),
    )


@router.post("/{order_id}/reopen", response_model=OrderItem, responses=CHANGE)
def reopen_work_order(order_id: str, change: Stepper, body: Comment = NO_COMMENT) -> Response:
    """Send the same crew again."""
    return _remarked(change, order_id, Action.ASSIGN_ORDERS, service.reopen, body.comment)


def _remarked(change: Change, order_id: str, action: Action, step: Callable[..., Taken], comment: str) -> Response:
    return _step(
        change,
        order_id,
        action,
        lambda unit: step(
            unit.work_orders,
            order_id,
            person=change.account.id,
            at_ms=change.now_ms,
            comment=comment,
            expected_version=change.expected_version,
        ),
    )


def _step(change: Change, order_id: str, action: Action, take: Callable[[Unit], Taken]) -> Response:
    def work(unit: Unit) -> Answer:
        order = _seen(unit, change, order_id)
        site = order.subject.site
        own = action is Action.WORK_ORDERS and order.crew in change.rights.own_crews
        if not own and not change.rights.may(action, site):
            message = f"you may not {action.replace('_', ' ')} at {site}"
            raise ForbiddenError(message)
        order, events = take(unit)
        unit.emit(*events)
        return answers.changed(present_order(order), site=site)

    return change.run(work)


def _seen(unit: Unit, caller: Caller, order_id: str) -> WorkOrder:
    order = unit.work_orders.get(order_id)
    if order is not None and caller.rights.sight_of_orders.takes_in(
        order.subject.site, life_safety=order.life_safety, crew=order.crew
    ):
        return order
    message = "there is no such work order, or you may not see it"
    raise NotFoundError(message)
