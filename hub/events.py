"""Domain events: what happened, in the past tense; `reactions` says what follows from each."""

from dataclasses import dataclass

from hub.vocabulary import Colour, FaultCode, Severity, Subject


@dataclass(frozen=True, slots=True)
class ConditionRaised:
    """A rule found a condition true; `explained_by` is the dead node's subject that suppresses it."""

    subject: Subject
    fault_code: FaultCode
    reason: str
    at_ms: int
    value: float | None = None
    explained_by: Subject | None = None


@dataclass(frozen=True, slots=True)
class ConditionCleared:
    """A rule found a condition no longer true."""

    subject: Subject
    fault_code: FaultCode
    reason: str
    at_ms: int
    value: float | None = None


@dataclass(frozen=True, slots=True)
class RepairProven:
    """The sensors prove the repair of a fault."""

    subject: Subject
    fault_code: FaultCode
    reason: str
    at_ms: int
    value: float | None = None


@dataclass(frozen=True, slots=True)
class LifeSafetyHeard:
    """A life-safety record arrived and was committed for the first time.

    `device` is None where the source is unknown; `ref` is then derived from the record's key or the message's hash.
    """

    subject: Subject
    fault_code: FaultCode
    event: str
    ref: str
    at_ms: int
    received_ms: int
    late: bool
    device: str | None
    node: str
    """Slug of the node that reported it, as received."""
    epoch: str | None
    seq: int | None
    source_unknown: bool = False
    said_device: str | None = None
    """What a record of unknown source names as its device, where it names one: nobody vouches for it."""


@dataclass(frozen=True, slots=True)
class ProbeHeard:
    """A test press of the watchdog arrived and was committed: it raises nothing and goes where nobody is disturbed."""

    site: str
    node: str
    ref: str
    seq: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class AlertChanged:
    """An alert was created or took a step; `step` names it."""

    alert_id: str
    subject: Subject
    fault_code: FaultCode
    severity: Severity
    colour: Colour
    step: str
    """fired, refired, pressed_again, cancelled_by_wearer, suppressed, released, acknowledged, assigned.

    Commented, shelved, unshelved, resolved, closed.
    """
    at_ms: int


@dataclass(frozen=True, slots=True)
class WorkOrderChanged:
    """A work order was opened or took a step; `step` names it."""

    work_order_id: str
    subject: Subject
    fault_class: str
    step: str
    """opened, assigned, accepted, arrived, done, held, resumed, verified, unverified, reopened, closed.

    Cancelled, joined.
    """
    at_ms: int


@dataclass(frozen=True, slots=True)
class QuarantineChanged:
    """A record or message was quarantined, released or discarded."""

    quarantine_id: str
    site: str
    step: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """A node was first heard, went silent, came back, or told of itself."""

    subject: Subject
    step: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SosReceiptChanged:
    """What a wearer is shown changed: the node's sos ack is pushed once the transaction is committed."""

    site: str
    node: str


Event = (
    ConditionRaised
    | ConditionCleared
    | RepairProven
    | LifeSafetyHeard
    | ProbeHeard
    | AlertChanged
    | WorkOrderChanged
    | QuarantineChanged
    | NodeChanged
    | SosReceiptChanged
)
