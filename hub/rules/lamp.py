"""lampFailure (dark while expected on) and lampUnexpectedOn (burning while expected off), from one reading of a lamp.

What is expected comes first: the commanded level, else the sun clock of the site, else nothing is known and nothing is
said. The measured power decides, not the lamp's own `on`: a lamp that says on and draws nothing is the very failure.
"""

from typing import Final, NamedTuple

from hub.rules.parameters import LampFailureParameters, LampUnexpectedOnParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.rules.sun import Daylight, daylight
from hub.vocabulary import FaultCode

DARK_SHARE: Final = 0.1
"""Below this share of its expected power a lamp is dark, above this share of its rated power it burns."""
DARK_WATT: Final = 1.0
"""The same border where no rated power is known, in watts."""
LEVEL_STEP_PERCENT: Final = 10.0
"""A commanded level that moved by this much is a switch to settle from; less is dimming."""


class Confirmation(NamedTuple):
    """One of the two conditions: whether it is raised, and how many readings in a row spoke for it while not."""

    raised: bool = False
    doubts: int = 0


class LampState(NamedTuple):
    """What the two rules remember of one lamp."""

    level_percent: float | None = None
    """Commanded level since the last switch; None: no command was ever seen."""
    switched_ms: int | None = None
    """Effective time of the reading that first showed the last switch; None: none was seen, the first level is none."""
    failure: Confirmation = Confirmation()
    unexpected_on: Confirmation = Confirmation()


NEW: Final = LampState()
_NOTHING: Final = Confirmation()
_RAISED: Final = Confirmation(raised=True)
_REASONS: Final = {
    FaultCode.LAMP_FAILURE: (RuleReason.NO_POWER_WHILE_ON, RuleReason.DRAWS_POWER_AGAIN),
    FaultCode.LAMP_UNEXPECTED_ON: (RuleReason.POWER_WHILE_OFF, RuleReason.DARK_AGAIN),
}
"""Why each is raised, and why cleared."""


def evaluate(
    failure: LampFailureParameters,
    unexpected_on: LampUnexpectedOnParameters,
    state: LampState,
    power_w: float,
    *,
    commanded_percent: float | None,
    at_ms: int,
    rated_power_w: float | None,
    location: tuple[float, float] | None,
) -> tuple[LampState, tuple[Effect, ...]]:
    """Judge a valid reading, not older than the one before; the same state object where nothing changed.

    `location` is the (latitude, longitude) of the site, for its sun clock.
    """
    level, switched_ms = state.level_percent, state.switched_ms
    if commanded_percent is not None and _is_switch(level, commanded_percent):
        if level is not None:
            switched_ms = at_ms
        level = commanded_percent
    expected_on = _expected_on(location, commanded_percent, at_ms)
    effects: tuple[Effect, ...] = ()
    next_failure, next_unexpected = state.failure, state.unexpected_on
    if expected_on is True and _settled(
        location, commanded_percent, switched_ms, settle_s=failure.settle_s, at_ms=at_ms
    ):
        next_failure, effects = _judge(
            FaultCode.LAMP_FAILURE,
            state.failure,
            bad=power_w < _border_w(rated_power_w, 100.0 if commanded_percent is None else commanded_percent),
            confirm_readings=failure.confirm_readings,
            power_w=power_w,
            at_ms=at_ms,
        )
    elif expected_on is False and _settled(
        location, commanded_percent, switched_ms, settle_s=unexpected_on.settle_s, at_ms=at_ms
    ):
        next_unexpected, effects = _judge(
            FaultCode.LAMP_UNEXPECTED_ON,
            state.unexpected_on,
            bad=power_w > _border_w(rated_power_w, 100.0),
            confirm_readings=unexpected_on.confirm_readings,
            power_w=power_w,
            at_ms=at_ms,
        )
    if (
        level == state.level_percent
        and switched_ms == state.switched_ms
        and next_failure is state.failure
        and next_unexpected is state.unexpected_on
    ):
        return state, ()
    return LampState(level, switched_ms, next_failure, next_unexpected), effects


def _is_switch(level: float | None, commanded_percent: float) -> bool:
    """Tell whether the command begins a new level: the first, on or off, or a step."""
    if level is None:
        return True
    return (level > 0) is not (commanded_percent > 0) or abs(commanded_percent - level) >= LEVEL_STEP_PERCENT


def _expected_on(location: tuple[float, float] | None, commanded_percent: float | None, at_ms: int) -> bool | None:
    """Return whether the lamp should burn; None where nobody can say."""
    if commanded_percent is not None:
        return commanded_percent > 0
    if location is None:
        return None
    light = daylight(location, at_ms)
    return None if light is Daylight.TWILIGHT else light is Daylight.NIGHT


def _settled(
    location: tuple[float, float] | None,
    commanded_percent: float | None,
    switched_ms: int | None,
    *,
    settle_s: float,
    at_ms: int,
) -> bool:
    """Tell whether the settle time after the last change of what is expected has passed."""
    settle_ms = int(settle_s * 1000)
    if commanded_percent is not None or location is None:
        return switched_ms is None or at_ms - switched_ms >= settle_ms
    return daylight(location, at_ms - settle_ms) is daylight(location, at_ms)


def _border_w(rated_power_w: float | None, level_percent: float) -> float:
    """Return the power in watts that parts dark from burning at this level."""
    if rated_power_w is None:
        return DARK_WATT
    return rated_power_w * level_percent / 100.0 * DARK_SHARE


def _judge(
    fault_code: FaultCode, state: Confirmation, *, bad: bool, confirm_readings: int, power_w: float, at_ms: int
) -> tuple[Confirmation, tuple[Effect, ...]]:
    """Count a comparable reading; one good reading clears and proves what was raised, and forgets doubts."""
    why, well_again = _REASONS[fault_code]
    if not bad:
        if state.raised:
            cleared = Cleared(fault_code, well_again, at_ms, power_w)
            return _NOTHING, (cleared, Proven(fault_code, well_again, at_ms, power_w))
        return (_NOTHING if state.doubts else state), ()
    if state.raised:
        return state, ()
    if state.doubts + 1 < confirm_readings:
        return Confirmation(doubts=state.doubts + 1), ()
    return _RAISED, (Raised(fault_code, why, at_ms, power_w),)
