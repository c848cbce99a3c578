"""Items of alerts and work orders as the OpenAPI document describes them; their presenters make them."""

from typing import Any

from pydantic import Field

from hub.alerts.alert import AlertState, AlertStep, SosOutcome
from hub.api.items import At, Item
from hub.vocabulary import Colour, FaultCode, Severity, Skill
from hub.workorders.order import OrderReason, OrderState, OrderStep


class AlertItem(Item):
    """An alert."""

    id: str
    version: int
    site: str
    facility: str | None
    node: str | None
    fault_code: FaultCode
    severity: Severity
    colour: Colour
    state: AlertState
    reason: str
    value: float | None
    refs: list[str] = Field(description="The presses of an SOS, oldest first.")
    late: bool
    fired_at: At
    acknowledged_at: At | None
    acknowledged_by: str | None
    resolved_at: At | None
    closed_at: At | None
    outcome: SosOutcome | None
    assignee: str | None
    shelved_until: At | None
    suppressed_by: str | None = Field(description="The alert that explains this one.")
    work_order: str | None


class AlertLogItem(Item):
    """A step of an alert."""

    at: At
    step: AlertStep
    person: str | None
    reason: str | None
    comment: str | None


class OrderItem(Item):
    """A work order."""

    id: str
    version: int
    site: str
    facility: str | None
    node: str | None
    fault_code: FaultCode
    fault_class: str
    alerts: list[str]
    state: OrderState
    reason: OrderReason
    skill: Skill
    crew: str | None
    colour: Colour
    opened_at: At
    response_due_at: At
    resolution_due_at: At
    accepted_at: At | None
    accepted_by: str | None
    done_at: At | None
    verified_at: At | None
    closed_at: At | None
    resume_at: At | None
    legal: list[str] = Field(description="The steps a crew can take now.")


class OrderLogItem(Item):
    """A step of a work order."""

    at: At
    step: OrderStep
    person: str | None
    reason: OrderReason | None
    parameters: dict[str, Any]
    comment: str | None
