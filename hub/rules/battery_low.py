"""batteryLow: a device's battery at `enter_percent` or below, until it is at `leave_percent` or above.

Kept per device, so that two devices of one facility do not undo each other; the facility's condition holds while any is
low.
"""

from collections.abc import Collection
from typing import NamedTuple

from hub.rules.parameters import BatteryLowParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.vocabulary import FaultCode


class BatteryState(NamedTuple):
    """What the rule remembers of one device's battery."""

    low: bool
    percent: float
    """Newest valid level."""


def judge(parameters: BatteryLowParameters, state: BatteryState | None, *, percent: float) -> BatteryState:
    """Return the battery's state by its newest level (`None`: a new device); the same object where nothing changed."""
    if state is None:
        return BatteryState(percent <= parameters.enter_percent, percent)
    low = state.low
    if percent <= parameters.enter_percent:
        low = True
    elif percent >= parameters.leave_percent:
        low = False
    if low == state.low and percent == state.percent:
        return state
    return BatteryState(low, percent)


def change(
    batteries: Collection[BatteryState],
    *,
    was_low: bool,
    percent: float | None,
    at_ms: int,
) -> tuple[Effect, ...]:
    """Return what the change of a facility's batteries says; `percent` is the level that decided."""
    low = any(battery.low for battery in batteries)
    if low:
        return () if was_low else (Raised(FaultCode.BATTERY_LOW, RuleReason.THRESHOLD_REACHED, at_ms, percent),)
    if not was_low:
        return ()
    reason = RuleReason.ABOVE_LEAVE_THRESHOLD
    return (
        Cleared(FaultCode.BATTERY_LOW, reason, at_ms, percent),
        Proven(FaultCode.BATTERY_LOW, reason, at_ms, percent),
    )
