"""`/alerts` and their steps."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict

from hub.access.roles import Action
from hub.alerts import service
from hub.alerts.alert import Alert, AlertState, SosOutcome
from hub.alerts.ports import AlertQuery
from hub.alerts.presenter import present_alert, present_alert_log
from hub.api import answers
from hub.api.answers import Answer
from hub.api.caller import Caller, Change, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, LIST, PART, SHOW
from hub.api.fields import Body, Instant, Remark, RowId
from hub.api.filters import OfFacility, OfSite
from hub.api.items import Page
from hub.api.loop_items import AlertItem, AlertLogItem
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.errors import ForbiddenError, InvalidError, NotFoundError
from hub.events import Event
from hub.vocabulary import FaultCode, Severity

router: Final = APIRouter(prefix="/alerts", tags=["alerts"], route_class=JsonRoute)

Taken = tuple[Alert, tuple[Event, ...]]


class Comment(Body):
    """A remark, which may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"comment": "on it"}]})

    comment: Remark = ""


NO_COMMENT: Final = Comment()


class AlertComment(Body):
    """A remark for the alert's log."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"comment": "the lid sticks"}]})

    comment: Remark


class AlertAssignment(Body):
    """Who is made responsible."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "01JD0000000000000000000000"}]})

    person: RowId
    comment: Remark = ""


class Shelving(Body):
    """Until when nobody is to be told of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"until": "2026-11-21T18:00:00.000Z"}]})

    until: Instant
    comment: Remark = ""


class Resolution(Body):
    """How an SOS ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "helped"}]})

    outcome: SosOutcome
    comment: Remark = ""


@router.get("", response_model=Page[AlertItem], responses=LIST)
def list_alerts(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    state: Annotated[AlertState | None, Query()] = None,
    facility: OfFacility = None,
    fault_code: Annotated[FaultCode | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
) -> Response:
    """List the alerts the caller may see."""
    query = AlertQuery(
        sites=None if site is None else frozenset({site}),
        sight=caller.rights.sight_of_alerts,
        state=state,
        facility=facility,
        fault_code=fault_code,
        severity=severity,
        before=listing.after_text,
        limit=listing.limit + 1,
    )
    with caller.services.transactions.read() as unit:
        found = unit.alerts.find(query)
    return answers.page(found, listing, place=lambda alert: alert.id, present=present_alert)


@router.get("/{alert_id}", response_model=AlertItem, responses=SHOW)
def get_alert(alert_id: str, caller: Reader) -> Response:
    """Show an alert."""
    with caller.services.transactions.read() as unit:
        return answers.shown(present_alert(_seen(unit, caller, alert_id)))


@router.get("/{alert_id}/log", response_model=Page[AlertLogItem], responses=PART)
def list_alert_log(alert_id: str, caller: Reader) -> Response:
    """Show what happened to an alert, newest first, on one page."""
    with caller.services.transactions.read() as unit:
        log = unit.alerts.log_of(_seen(unit, caller, alert_id).id)
    return answers.paged([present_alert_log(entry) for entry in reversed(log)], None)


@router.post("/{alert_id}/acknowledge", response_model=AlertItem, responses=CHANGE)
def acknowledge_alert(alert_id: str, change: Stepper, body: Comment = NO_COMMENT) -> Response:
    """Say that the caller has heard of it; the wearer of an SOS is told."""
    return _step(
        change,
        alert_id,
        Action.HANDLE_ALERTS,
        lambda unit: service.acknowledge(
            unit.alerts,
            alert_id,
            person=change.account.id,
            at_ms=change.now_ms,
            comment=body.comment,
            expected_version=change.expected_version,
        ),
    )


@router.post("/{alert_id}/assign", response_model=AlertItem, responses=CHANGE)
def assign_alert(alert_id: str, body: AlertAssignment, change: Stepper) -> Response:
    """Make somebody responsible for it."""

    def take(unit: Unit) -> Taken:
        if unit.people.unknown([body.person]):
            raise InvalidError(("person", "is nobody who can sign in"))
        return service.assign(
            unit.alerts,
            alert_id,
            assignee=body.person,
            person=change.account.id,
            at_ms=change.now_ms,
            comment=body.comment,
            expected_version=change.expected_version,
        )

    return _step(change, alert_id, Action.ASSIGN_ALERTS, take)


@router.post("/{alert_id}/comments", response_model=AlertItem, responses=CHANGE)
def comment_alert(alert_id: str, body: AlertComment, change: Stepper) -> Response:
    """Add a remark to its log."""
    return _step(
        change,
        alert_id,
        Action.HANDLE_ALERTS,
        lambda unit: service.comment(
            unit.alerts,
            alert_id,
            text=body.comment,
            person=change.account.id,
            at_ms=change.now_ms,
            expected_version=change.expected_version,
        ),
    )


@router.post("/{alert_id}/shelve", response_model=AlertItem, responses=CHANGE)
def shelve_alert(alert_id: str, body: Shelving, change: Stepper) -> Response:
    """Tell nobody of it for a while; an SOS or a fall cannot be shelved."""
    return _step(
        change,
        alert_id,
        Action.HANDLE_ALERTS,
        lambda unit: service.shelve(
            unit.alerts,
            alert_id,
            until_ms=body.until,
            person=change.account.id,
            at_ms=change.now_ms,
            comment=body.comment,
            expected_version=change.expected_version,
        ),
    )


@router.post("/{alert_id}/resolve", response_model=AlertItem, responses=CHANGE)
def resolve_alert(alert_id: str, body: Resolution, change: Stepper) -> Response:
    """Close an SOS or a fall; others resolve by their condition."""
    return _step(
        change,
        alert_id,
        Action.HANDLE_ALERTS,
        lambda unit: service.resolve(
            unit.alerts,
            alert_id,
            outcome=body.outcome,
            person=change.account.id,
            at_ms=change.now_ms,
            comment=body.comment,
            expected_version=change.expected_version,
        ),
    )


def _step(change: Change, alert_id: str, action: Action, take: Callable[[Unit], Taken]) -> Response:
    def work(unit: Unit) -> Answer:
        alert = _seen(unit, change, alert_id)
        site = alert.subject.site
        cares = action is Action.HANDLE_ALERTS and alert.life_safety and change.rights.may(Action.HANDLE_CARE, site)
        if not cares and not change.rights.may(action, site):
            message = f"you may not {action.replace('_', ' ')} at {site}"
            raise ForbiddenError(message)
        alert, events = take(unit)
        unit.emit(*events)
        return answers.changed(present_alert(alert), site=site)

    return change.run(work)


def _seen(unit: Unit, caller: Caller, alert_id: str) -> Alert:
    alert = unit.alerts.get(alert_id)
    if alert is not None:
        order = None if alert.work_order is None else unit.work_orders.get(alert.work_order)
        crew = None if order is None else order.crew
        if caller.rights.sight_of_alerts.takes_in(alert.subject.site, life_safety=alert.life_safety, crew=crew):
            return alert
    message = "there is no such alert, or you may not see it"
    raise NotFoundError(message)
