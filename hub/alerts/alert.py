"""An alert: one life of a condition that people must hear of. Who hears of it is not decided here."""

from dataclasses import dataclass
from enum import StrEnum

from hub.vocabulary import FAULTS, Colour, FaultCode, Severity, Subject


class AlertState(StrEnum):
    """The states of an alert, in this order; a resolved one may fire again, a closed one never."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CLOSED = "closed"


class AlertStep(StrEnum):
    """What happened to an alert; `AlertChanged.step` and the log."""

    FIRED = "fired"
    REFIRED = "refired"
    """The condition came back before the alert was closed."""
    PRESSED_AGAIN = "pressed_again"
    CANCELLED_BY_WEARER = "cancelled_by_wearer"
    SUPPRESSED = "suppressed"
    """It fired but a parent explains it: nobody is told."""
    RELEASED = "released"
    """It is still true and no longer explained."""
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    ORDERED = "ordered"
    """It was given to a work order; logged, not told."""
    RESOLVED = "resolved"
    CLOSED = "closed"


class AlertReason(StrEnum):
    """Reasons that come from the loop itself; those of conditions come from the rules (`RuleReason`)."""

    SOS_PRESSED = "sos_pressed"
    FALL_DETECTED = "fall_detected"
    SOURCE_UNKNOWN = "source_unknown"
    """A life-safety record of an unknown device, node or event name, or one that cannot be decoded."""
    CANCELLED_BY_WEARER = "cancelled_by_wearer"
    """Only the cancellation was ever heard: somebody pressed, so a person closes it."""
    BY_PERSON = "by_person"
    SHELF_OVER = "shelf_over"
    ORDER_OVER = "order_over"
    """Its work order is closed or cancelled."""
    NO_ORDER = "no_order"
    """Nothing else has to end before it is closed."""


class SosOutcome(StrEnum):
    """How a person closed a life-safety alert."""

    HELPED = "helped"
    FALSE_ALARM = "false_alarm"
    EMERGENCY_CALLED = "emergency_called"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The state of one alert; instants are the hub's time in ms."""

    id: str
    version: int = 1
    subject: Subject
    fault_code: FaultCode
    severity: Severity
    colour: Colour
    state: AlertState
    reason: str
    """Why it fired: of the rule, or an `AlertReason`."""
    value: float | None = None
    refs: tuple[str, ...] = ()
    """The presses that joined, oldest first; kept as rows of `sos_presses`."""
    late: bool = False
    """The press was old when the hub heard of it."""
    source_unknown: bool = False
    fired_at_ms: int
    acknowledged_at_ms: int | None = None
    acknowledged_by: str | None = None
    notified_at_ms: int | None = None
    """When the first notification of a life-safety alert was sent."""
    resolved_at_ms: int | None = None
    closed_at_ms: int | None = None
    outcome: SosOutcome | None = None
    assignee: str | None = None
    shelved_until_ms: int | None = None
    suppressed_by: str | None = None
    work_order: str | None = None
    wake_at_ms: int | None = None
    """When something must be decided without an event: the end of the shelf."""

    @property
    def open_key(self) -> str | None:
        """Subject and fault code while not closed: at most one alert has it."""
        return None if self.state is AlertState.CLOSED else f"{self.subject.key}/{self.fault_code}"

    @property
    def active(self) -> bool:
        """Tell whether its condition is true, as far as the hub knows."""
        return self.state in {AlertState.FIRING, AlertState.ACKNOWLEDGED}

    @property
    def life_safety(self) -> bool:
        """Tell whether it is an SOS or a fall, which only a person closes."""
        return FAULTS[self.fault_code].life_safety


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLogEntry:
    """One line of an alert's log."""

    alert: str
    at_ms: int
    step: AlertStep
    person: str | None = None
    reason: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A life-safety record and its alert; `node` is the slug that reported it, `at_ms` its effective time."""

    alert: str
    site: str
    node: str
    epoch: str | None
    seq: int | None
    device: str | None
    event: str
    ref: str
    at_ms: int
    received_at_ms: int
    said_device: str | None = None
    """What a record of unknown source, which has no `device`, names as its own."""
