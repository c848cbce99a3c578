"""What a rule says: conditions raised, cleared and proven, with their reasons; the next wake-up stands in its state."""

from dataclasses import dataclass
from enum import StrEnum

from hub.vocabulary import FaultCode


class RuleReason(StrEnum):
    """Why a condition was raised or cleared; stored with the alert and shown to the operator."""

    THRESHOLD_REACHED = "threshold_reached"
    BELOW_LEAVE_THRESHOLD = "below_leave_threshold"
    ABOVE_LEAVE_THRESHOLD = "above_leave_threshold"
    NO_POWER_WHILE_ON = "no_power_while_on"
    DRAWS_POWER_AGAIN = "draws_power_again"
    POWER_WHILE_OFF = "power_while_off"
    DARK_AGAIN = "dark_again"
    DEVICE_SILENT = "device_silent"
    DEVICE_HEARD = "device_heard"
    NODE_SILENT = "node_silent"
    SOS_LANE_SILENT = "sos_lane_silent"
    """The node's way for SOS is silent, whatever else it says."""
    NODE_HEARD = "node_heard"
    NODE_EXPLAINS = "node_explains"
    """The device is silent because its node is: suppressed."""
    DEVICE_REMOVED = "device_removed"
    """The device that was silent or low is no longer attached to the facility."""
    PARAMETERS_CHANGED = "parameters_changed"
    """By the parameters in force now, the condition does not hold."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A condition became true."""

    fault_code: FaultCode
    reason: RuleReason
    at_ms: int
    value: float | None = None
    parent_node: str | None = None
    """The dead node (slug) that explains the condition; None where nothing does."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A condition became false."""

    fault_code: FaultCode
    reason: RuleReason
    at_ms: int
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """The sensors prove that what the fault code names is repaired; comes with or after `Cleared`."""

    fault_code: FaultCode
    reason: RuleReason
    at_ms: int
    value: float | None = None


Effect = Raised | Cleared | Proven
