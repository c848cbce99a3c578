"""A work order: a job for a crew, from the first condition to the proof that it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hub.vocabulary import FAULTS, Colour, FaultCode, Skill, Subject


class OrderState(StrEnum):
    """The states of a work order."""

    OPEN = "open"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    ON_SITE = "on_site"
    DONE = "done"
    VERIFIED = "verified"
    CLOSED = "closed"
    UNVERIFIED = "unverified"
    REOPENED = "reopened"
    ON_HOLD = "on_hold"
    CANCELLED = "cancelled"


class OrderStep(StrEnum):
    """What happened to a work order; `WorkOrderChanged.step` and the log."""

    OPENED = "opened"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    DONE = "done"
    HELD = "held"
    RESUMED = "resumed"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    REOPENED = "reopened"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    JOINED = "joined"
    """A further alert of the same subject and fault class came in."""


class OrderReason(StrEnum):
    """Why a work order is in its state."""

    SKILL_MATCH = "skill_match"
    """The crew of the site that has the skill, the one with the fewest open orders."""
    NO_CREW_WITH_SKILL = "no_crew_with_skill"
    ASSIGNED_BY_PERSON = "assigned_by_person"
    ACCEPTED_BY_CREW = "accepted_by_crew"
    CREW_ON_SITE = "crew_on_site"
    REPORTED_DONE = "reported_done"
    HELD_BY_PERSON = "held_by_person"
    RESUMED_BY_PERSON = "resumed_by_person"
    HOLD_OVER = "hold_over"
    CANCELLED_BY_PERSON = "cancelled_by_person"
    REOPENED_BY_PERSON = "reopened_by_person"
    REVIEW_OVER = "review_over"
    """Nobody decided on the unproven repair in time: the same crew goes again."""
    PROOF_BY_SENSOR = "proof_by_sensor"
    PROOF_WITHOUT_REPORT = "proof_without_report"
    PROOF_BY_SENSOR_LATE = "proof_by_sensor_late"
    """The proof came after the window."""
    NO_PROOF_IN_WINDOW = "no_proof_in_window"
    CLOSED_BY_PERSON = "closed_by_person"
    """A person closed the life-safety alerts it was opened for."""
    FURTHER_ALERT = "further_alert"


LEGAL: Final[Mapping[OrderState, tuple[str, ...]]] = {
    OrderState.OPEN: ("assign", "cancel"),
    OrderState.ASSIGNED: ("accept", "hold", "cancel"),
    OrderState.ACCEPTED: ("arrive", "hold", "cancel"),
    OrderState.ON_SITE: ("complete", "hold", "cancel"),
    OrderState.DONE: ("reopen",),
    OrderState.VERIFIED: (),
    OrderState.CLOSED: (),
    OrderState.UNVERIFIED: ("reopen",),
    OrderState.REOPENED: ("accept", "hold", "cancel"),
    OrderState.ON_HOLD: ("resume", "cancel"),
    OrderState.CANCELLED: (),
}
"""What a crew is offered in each state. A dispatcher may besides `assign` anew in every state of `REASSIGNABLE`."""
REASSIGNABLE: Final = frozenset(
    {
        OrderState.OPEN,
        OrderState.ASSIGNED,
        OrderState.ACCEPTED,
        OrderState.ON_SITE,
        OrderState.ON_HOLD,
        OrderState.REOPENED,
    }
)
OVER: Final = frozenset({OrderState.CLOSED, OrderState.CANCELLED})
"""The states nothing leads out of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """The state of one work order; instants are the hub's time in ms."""

    id: str
    version: int = 1
    subject: Subject
    fault_code: FaultCode
    """Of the alert that opened it."""
    fault_class: str
    alerts: tuple[str, ...] = ()
    """Ids of its alerts, oldest first; kept as `alerts.work_order`."""
    state: OrderState
    reason: OrderReason
    skill: Skill
    crew: str | None = None
    colour: Colour
    opened_at_ms: int
    response_due_at_ms: int
    resolution_due_at_ms: int
    accepted_at_ms: int | None = None
    accepted_by: str | None = None
    done_at_ms: int | None = None
    verified_at_ms: int | None = None
    closed_at_ms: int | None = None
    state_before_hold: OrderState | None = None
    resume_at_ms: int | None = None
    wake_at_ms: int | None = None
    """When something must be decided without an event: end of the hold, of the verification window, of the review."""

    @property
    def open_key(self) -> str | None:
        """Subject and fault class while it is not over: at most one order has it."""
        return None if self.over else f"{self.subject.key}/{self.fault_class}"

    @property
    def over(self) -> bool:
        """Tell whether it is closed or cancelled."""
        return self.state in OVER

    @property
    def life_safety(self) -> bool:
        """Tell whether it answers an SOS or a fall, which no sensor can prove."""
        return FAULTS[self.fault_code].life_safety

    @property
    def legal(self) -> tuple[str, ...]:
        """The steps offered now."""
        return LEGAL[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLogEntry:
    """One line of a work order's log; `parameters` are those of the reason's sentence."""

    work_order: str
    at_ms: int
    step: OrderStep
    person: str | None = None
    reason: OrderReason | None = None
    comment: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
